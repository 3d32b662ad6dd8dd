"""Reading pages as a person does: their words, and the forms that they offer."""

import re

from django.http import HttpResponse

# On every page of who is signed in.
SIGN_OUT = "/account/sign-out"


def text_of(page: HttpResponse, *, status: int = 200) -> str:
    """The page, which has to have come with this status."""
    assert page.status_code == status
    return page.content.decode()


def forms_of(page: HttpResponse) -> list[str]:
    """Where the page's forms lead, each once; an empty one is the page itself."""
    tags = re.findall(r"<form\b[^>]*>", text_of(page), re.DOTALL)
    found = [re.search(r'action="([^"]*)"', tag) for tag in tags]
    actions = [match[1] if match else "" for match in found]
    return [action for action in dict.fromkeys(actions) if action != SIGN_OUT]
