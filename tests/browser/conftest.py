"""What the tests of pages share: a browser, a filled site, and the question of all of them."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.browser import site as sites
from tests.browser.site import Site
from tests.servers import ServerMissing


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "pages: every page in every look; `make pages`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long form out where nobody asked for it."""
    if "pages" in str(config.option.markexpr):
        return
    long = [item for item in items if item.get_closest_marker("pages")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The site whose pages are looked at; nobody changes it."""
    with sites.looked_at() as found:
        yield found


# Of a module, not of the session: as long as Playwright runs, Django takes this thread for one in
# which no database may be asked.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser; where there is none its tests are left out, but never where a build is judged."""
    try:
        chromium.find_program()
    except ServerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))
    with chromium.started() as running:
        yield running
