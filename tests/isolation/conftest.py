"""The table's world, once for each module, and how many cells a run has held."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from shub.storage import object_store
from tests import servers
from tests.isolation.world import World, build, rolled_back

CELLS = pytest.StashKey[dict[str, int]]()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is counted yet."""
    config.stash[CELLS] = {}


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many cells were held."""
    cells = config.stash[CELLS]
    if cells:
        each = ", ".join(f"{count} {what}" for what, count in cells.items())
        terminalreporter.write_line(f"isolation: {sum(cells.values())} cells ({each})")


@pytest.fixture
def cells(request: pytest.FixtureRequest) -> dict[str, int]:
    """The count, by what is counted."""
    return request.config.stash[CELLS]


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, store_server: servers.Server
) -> Iterator[World]:
    """The world, in a transaction that the module's tests share and that is rolled back after."""
    site = override_settings(
        MINIO_SERVER=store_server.host,
        MINIO_EXTERNAL_SERVER=store_server.host,
        MINIO_ACCESS_KEY=servers.ACCESS_KEY,
        MINIO_SECRET_KEY=servers.SECRET_KEY,
        MINIO_BUCKET=f"test-{secrets.token_hex(6)}",
        VERIFY_WAIT_SECONDS=0,
        # The old door leads into the default entity only.
        DEFAULT_ENTITY="mara",
        # One address asks it all here.
        LIMIT_BAD_TOKENS=(0, 60),
        LIMIT_ANONYMOUS_SEARCHES=(0, 60),
        LIMIT_USER_SEARCHES=(0, 60),
        LIMIT_SIGN_INS=(0, 60),
        LIMIT_FAILED_SIGN_INS=(0, 60),
    )
    with site, django_db_blocker.unblock():
        store = object_store()
        store.make_bucket()
        with rolled_back():
            yield build(store)


@pytest.fixture
def _django_db_helper(world: World) -> None:
    """Instead of pytest-django's own, which would begin a transaction for each test, and end the
    connection with it: the mark `django_db` makes the database, and the module's world uses it."""
