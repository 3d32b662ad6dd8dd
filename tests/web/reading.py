"""Reading pages as a person does: their words, and the forms that they offer."""

import re

from django.http import HttpResponse

# What a page says itself, between the head and the foot that all pages have.
MAIN = re.compile(r"<main\b.*</main>", re.DOTALL)
TITLE = re.compile(r"<title>.*?</title>", re.DOTALL)


def text_of(page: HttpResponse, *, status: int = 200) -> str:
    """The page's title and its own part, without head and foot; it has to have this status."""
    assert page.status_code == status
    whole = page.content.decode()
    return "\n".join(part[0] for part in (TITLE.search(whole), MAIN.search(whole)) if part)


def forms_of(page: HttpResponse) -> list[str]:
    """Where the page's forms lead, each once; an empty one is the page itself."""
    tags = re.findall(r"<form\b[^>]*>", text_of(page), re.DOTALL)
    found = [re.search(r'action="([^"]*)"', tag) for tag in tags]
    actions = [match[1] if match else "" for match in found]
    return list(dict.fromkeys(actions))
