"""No page is forgotten: every address that shows one is in the registry of pages."""

import http.client
from urllib.parse import urlsplit

from django.urls import reverse

from tests.browser.filling import ADMINISTRATOR, CAREFUL, NOBODY, OWNER
from tests.browser.pages import NO_PAGES, PAGES, named_patterns, parts_of
from tests.browser.site import SESSION_COOKIE, Site

PEOPLE = (NOBODY, OWNER, CAREFUL, ADMINISTRATOR)


def asked(site: Site, address: str, person: str) -> int:
    """The status of what is answered to this person's GET."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=20)
    session = site.sessions.get(person)
    headers = {"Cookie": f"{SESSION_COOKIE}={session}"} if session else {}
    connection.request("GET", address, headers={"Accept": "text/html", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_every_address_that_shows_a_page_is_in_the_registry(site: Site) -> None:
    registered = {page.name for page in PAGES}
    shown = {page.address(site) for page in PAGES if page.is_addressed}
    forgotten = []
    for name in dict.fromkeys(pattern.name for pattern in named_patterns()):
        unknown = [part for part in parts_of(name) if part not in site.parts]
        assert not unknown, f"{name}: say in filling.py what {unknown} of an address is"
        address = reverse(name, kwargs={part: site.parts[part] for part in parts_of(name)})
        if name in registered or name in NO_PAGES or address in shown:
            continue
        answers = {who: asked(site, address, who) for who in PEOPLE}
        # To a sign-in or a confirmation, or what only takes forms, and is hidden from some.
        given = set(answers.values())
        if not (given <= {302, 405} or (given <= {302, 404, 405} and 405 in given)):
            forgotten.append(f"{name} at {address}: {answers}")
    assert not forgotten, "\n".join(forgotten)


def test_what_is_said_to_be_no_page_is_still_there() -> None:
    assert set(NO_PAGES) <= {pattern.name for pattern in named_patterns()}


def test_each_page_has_a_label_of_its_own() -> None:
    labels = [page.label for page in PAGES]
    assert sorted(labels) == sorted(set(labels))
