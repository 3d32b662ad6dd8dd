"""The machine's own Chromium, driven by Playwright; none is ever fetched."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.servers import ServerMissing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_program() -> str:
    """Where it is: what CHROMIUM names, or the first on the path. ServerMissing."""
    named = os.environ.get("CHROMIUM", "")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        missing = (
            f"CHROMIUM names {named}, which is no program" if named else "There is no Chromium"
        )
        raise ServerMissing(f"{missing}: apt install chromium, or name one by CHROMIUM=.")
    return found


@contextmanager
def started() -> Iterator[Browser]:
    """A browser without a window."""
    program = find_program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            # In a container it is root and has little shared memory; its pages are all our own.
            args=["--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb"],
        )
        try:
            yield browser
        finally:
            browser.close()
