"""Each page in each look: nothing from elsewhere, no barrier, nothing that moves or sticks out, all
of it by the keyboard alone, and all of it without JavaScript.

In every build two looks that differ in everything; `make pages` takes all of them.
"""

import pytest
from playwright.sync_api import Browser

from tests.browser import judging, keyboard, scriptless
from tests.browser.judging import FULL, SHORT, Look, Witness
from tests.browser.pages import PAGES, WEIGHTS, Page
from tests.browser.site import Site

LOOKS = [
    *(pytest.param(look, id=str(look)) for look in SHORT),
    *(
        pytest.param(look, id=str(look), marks=pytest.mark.pages)
        for look in FULL
        if look not in SHORT
    ),
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.label)
def test_a_page_has_no_fault(browser: Browser, site: Site, page: Page, look: Look) -> None:
    with site.entered(browser, page.by, **look.options) as context:
        witness = Witness.of(context, site, status=page.status)
        tab = page.open(context, site)
        found = judging.faults(tab, witness, heaviest=WEIGHTS.get(page.name))
        shown = scriptless.content(tab)
        found += judging.shift_faults(tab)
        if look != SHORT[1]:
            # Last: it goes elsewhere on the page.
            found += keyboard.faults(tab)
    if look == SHORT[0]:
        options = {**look.options, "java_script_enabled": False}
        with site.entered(browser, page.by, **options) as context:
            without = scriptless.content(page.open(context, site))
        found += scriptless.lacking(shown, without)
    if found:
        pytest.fail("\n".join(f"{page.label} {look}: {line}" for line in found), pytrace=False)
