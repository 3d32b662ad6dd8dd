"""The site whose pages are looked at: where it is, what its addresses are made of, and who is in.

A site is `filled` by tests/browser/filling.py, or is any other that somebody describes by a JSON
file of the same shape (SITE=FILE for `make pages` and `make screenshots`): `url`, `parts`,
`sessions`, `answers`.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management import get_commands
from playwright.sync_api import Browser, BrowserContext

from tests.browser import filling
from tests.clients import live
from tests.clients.outcome import without_secrets

# The site of a run is this one's only: known, so that the process that fills it signs as it does.
SECRET_KEY = "only-for-the-pages-of-tests-0123456789-0123456789-0123456789"

SESSION_COOKIE = "sessionid"
FILL_SECONDS = 240
OF_PROVIDERS = ("OIDC_", "GITLAB_", "SAML_")


@dataclass(frozen=True, repr=False)
class Site:
    """`parts` are values for the names in addresses, `sessions` cookies by person, `answers` pages
    that no address answers with."""

    url: str
    parts: Mapping[str, Any]
    sessions: Mapping[str, str]
    answers: Mapping[str, Mapping[str, Any]]
    registry: live.Live | None = None

    def description(self) -> dict[str, Any]:
        """What another process needs to look at it: what SITE's file holds."""
        return {
            "url": self.url,
            "parts": dict(self.parts),
            "sessions": dict(self.sessions),
            "answers": dict(self.answers),
        }

    def entered(self, browser: Browser, person: str, **options: Any) -> BrowserContext:
        """A new context in which the person is signed in; options are those of the context."""
        context = browser.new_context(base_url=self.url, locale="en-GB", **options)
        context.set_default_timeout(15_000)
        if session := self.sessions.get(person):
            context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": self.url}])
        return context

    def is_own(self, address: str) -> bool:
        """Whether the address is the site's."""
        asked = urlsplit(address)
        return asked.scheme in {"data", "blob"} or asked.netloc == urlsplit(self.url).netloc


@contextmanager
def looked_at(*, demonstration: bool = False) -> Iterator[Site]:
    """The site that SITE describes, or a new one that is filled and gone at the end.

    With `demonstration`, also by `manage.py demo`, where there is that command: its things and its
    people are what is shown.
    """
    if described := os.environ.get("SITE"):
        yield Site(**json.loads(Path(described).read_text()))
        return
    providers = {name: value for name, value in os.environ.items() if name.startswith(OF_PROVIDERS)}
    own = {"REGISTRATION": "open", "SECRET_KEY": SECRET_KEY, **providers}
    with live.started(**own) as registry:
        with_demonstration = demonstration and "demo" in get_commands()
        found = filled(registry, own, with_demonstration=with_demonstration)
        yield Site(url=registry.url, registry=registry, **found)


def filled(
    registry: live.Live, own: Mapping[str, str], *, with_demonstration: bool
) -> dict[str, Any]:
    """Fill the registry, whose settings are `own`; what is there now."""
    store = registry.store
    there = {
        "DJANGO_SETTINGS_MODULE": "shub.settings",
        "DATABASE_URL": registry.database,
        "PUBLIC_URL": registry.url,
        "MINIO_SERVER": urlsplit(store["endpoint"]).netloc,
        "MINIO_EXTERNAL_SERVER": urlsplit(store["endpoint"]).netloc,
        "MINIO_ACCESS_KEY": store["access_key"],
        "MINIO_SECRET_KEY": store["secret_key"],
        "MINIO_BUCKET": store["bucket"],
    }
    environment = {**live._environment(), **there, **own}
    if with_demonstration:
        password = secrets.token_urlsafe(12)
        ran([str(live.PROJECT / "manage.py"), "demo", "--password", password], environment)
        environment[filling.DEMONSTRATION] = password
    found: dict[str, Any] = json.loads(ran(["-m", "tests.browser.filling"], environment))
    return found


def ran(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a Python with these arguments wrote to standard output."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=live.PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=FILL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, without_secrets(done.stderr)
    return done.stdout
