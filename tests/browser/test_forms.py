"""Every form of every page is sent: by the keyboard alone without scripts, and by the mouse with
them (`make pages`).

What is sent is caught before it leaves the browser, so that no form changes the site for the
others; what the server makes of it is the matter of tests/web.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import Resolver404, resolve
from playwright.sync_api import Browser, Request, Route
from playwright.sync_api import Page as Tab

from tests.browser.hands import Keyboard, Mouse
from tests.browser.pages import PAGES, Page
from tests.browser.site import Site

LOOK_MILLISECONDS = 20
MOST_LOOKS = 250

# Past what the browser would complain of, and out of what is folded.
READY = """number => {
    const form = document.forms[number];
    form.noValidate = true;
    for (let up = form; up; up = up.parentElement) {
        if (up.tagName === "DETAILS") up.open = true;
    }
}"""

SENT = "<!DOCTYPE html><title>sent</title><p>sent</p>"


@dataclass(frozen=True)
class Form:
    """One form: which it is on its page, and what its button sends it to."""

    number: int
    method: str
    action: str

    @property
    def view(self) -> str:
        """What answers it; forms of many rows lead to one view."""
        try:
            return f"{self.method} {resolve(urlsplit(self.action).path).view_name}"
        except Resolver404:
            return f"{self.method} {self.action}"


def forms_of(tab: Tab) -> Iterator[Form]:
    """The forms of the whole page that have a button to send them."""
    described = tab.evaluate(
        """() => [...document.forms].map((form, number) => {
            const button = [...form.elements].find(node => node.type === "submit");
            if (!button) return null;
            // By attribute: a field that is called "action" would stand in the property's place.
            const told = button.getAttribute("formaction") || form.getAttribute("action");
            const action = new URL(told || location.href, location.href).href;
            return {number, method: (form.getAttribute("method") || "get").toLowerCase(), action};
        }).filter(Boolean)"""
    )
    for each in described:
        yield Form(each["number"], each["method"], each["action"])


def sent_by(hand: Mouse, form: Form) -> Request:
    """What the browser asks when the form's first button is used; a script may ask in its place."""
    tab = hand.tab
    caught: list[Request] = []

    def catch(route: Route, request: Request) -> None:
        same_path = urlsplit(request.url).path == urlsplit(form.action).path
        if not same_path or request.method.lower() != form.method:
            route.continue_()
            return
        caught.append(request)
        route.fulfill(body=SENT, content_type="text/html")

    tab.evaluate(READY, form.number)
    tab.route("**/*", catch)
    target = tab.locator("form").nth(form.number).locator("button[type=submit]").first
    if isinstance(hand, Keyboard):
        hand.go(target)
        tab.keyboard.press("Enter")
    else:
        target.click()
    for _ in range(MOST_LOOKS):
        if caught:
            break
        tab.wait_for_timeout(LOOK_MILLISECONDS)
    tab.unroute("**/*")
    assert caught, f"{form} was not sent"
    return caught[0]


@pytest.fixture(scope="module")
def sent() -> set[tuple[str, str, str]]:
    """The forms that were sent already, each once by each hand."""
    return set()


@pytest.mark.parametrize(
    ("hand", "scripts"),
    [
        pytest.param(Mouse, True, id="by mouse", marks=pytest.mark.pages),
        pytest.param(Keyboard, False, id="by keyboard without JavaScript"),
    ],
)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if not page.answered], ids=lambda page: page.label
)
def test_each_form_is_sent(
    browser: Browser,
    site: Site,
    sent: set[tuple[str, str, str]],
    page: Page,
    hand: type[Mouse],
    scripts: bool,
) -> None:
    with site.entered(browser, page.by, java_script_enabled=scripts) as context:
        tab = page.open(context, site)
        for form in list(forms_of(tab)):
            which = (hand.__name__, page.by, form.view)
            if which in sent:
                continue
            sent.add(which)
            request = sent_by(hand(tab), form)
            assert site.is_own(request.url), request.url
            if form.method == "post":
                fields = parse_qs(request.post_data or "", keep_blank_values=True)
                assert fields.get("csrfmiddlewaretoken"), f"{form} has no token"
            page.load(tab, site)
