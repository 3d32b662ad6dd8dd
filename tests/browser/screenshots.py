"""`make screenshots`: every page in every look, whole, into .screenshots/.

`python -m tests.browser.screenshots [LABEL...]` takes the pages whose labels begin so, by default
all. SHARDS says how many browsers work side by side (default 2), SITE which site is looked at
(tests/browser/site.py), by default a new one that `manage.py demo` has filled, where there is that.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import django

FOLDER = Path(__file__).resolve().parents[2] / ".screenshots"
SHARD = "SCREENSHOTS_SHARD"  # set for the processes of the shards: "0/2"


def main(wanted: Sequence[str]) -> int:
    """Have the shards take them all; 0 where every page could be shown."""
    from tests.browser.site import looked_at

    FOLDER.mkdir(exist_ok=True)
    shards = int(os.environ.get("SHARDS", "2"))
    with looked_at(demonstration=True) as site, tempfile.TemporaryDirectory() as folder:
        described = Path(folder, "site.json")
        described.touch(mode=0o600)
        described.write_text(json.dumps(site.description()))
        command = [sys.executable, "-m", __spec__.name, *wanted]
        processes = [
            subprocess.Popen(
                command,
                env={**os.environ, "SITE": str(described), SHARD: f"{number}/{shards}"},
                cwd=FOLDER.parent,
            )
            for number in range(shards)
        ]
        return max(process.wait() for process in processes)


def take(wanted: Sequence[str], number: int, shards: int) -> int:
    """One shard's; 1 where a page could not be shown, which is said."""
    from tests.browser import chromium
    from tests.browser.judging import FULL
    from tests.browser.pages import PAGES
    from tests.browser.site import looked_at

    chosen = [page for page in PAGES if page.label.startswith(tuple(wanted) or "")][number::shards]
    failed = 0
    with looked_at() as site, chromium.started() as browser:
        for count, page in enumerate(chosen, start=1):
            for look in FULL:
                with site.entered(browser, page.by, **look.options) as context:
                    try:
                        tab = page.open(context, site)
                    except AssertionError as missed:
                        say(f"not shown: {missed}")
                        failed = 1
                        break
                    name = f"{page.label}-{look.scheme}-{look.width}.png"
                    tab.screenshot(path=FOLDER / name, full_page=True)
            say(f"{number + 1}: {count} of {len(chosen)}: {page.label}")
    return failed


def say(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    if shard := os.environ.get(SHARD):
        sys.exit(take(sys.argv[1:], *map(int, shard.split("/"))))
    sys.exit(main(sys.argv[1:]))
