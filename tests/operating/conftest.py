"""Registries to be operated: each on a database and a bucket of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests import postgres, servers
from tests.operating.installation import PROJECT, Installation, new_database

Install = Callable[..., Installation]


@pytest.fixture(scope="session")
def database_server() -> Iterator[str]:
    """A Postgres for all of them."""
    with postgres.postgres() as address:
        yield address


@pytest.fixture(scope="session")
def prepared_database(database_server: str) -> Iterator[str]:
    """One at this version of the migrations, to be copied."""
    with new_database(database_server) as address:
        done = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity=0"],
            cwd=PROJECT,
            env={"PATH": os.environ["PATH"], "SECRET_KEY": "unused", "DATABASE_URL": address},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield address


@contextmanager
def installing(
    server: str, prepared: Callable[[], str], store: servers.Server
) -> Iterator[Install]:
    """Makes registries until the end. Each has an empty database, a `prepared` one, or a copy of
    that of the one which it is `like`, and that one's bucket."""
    with ExitStack() as held:

        def make(
            *, is_prepared: bool = False, like: Installation | None = None, **settings: str
        ) -> Installation:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="shub-site-"))
            template = like.database if like else prepared() if is_prepared else ""
            database = held.enter_context(new_database(server, template=template))
            made = Installation(database, store.host, Path(folder), settings)
            if like:
                made.bucket = like.bucket
                made.settings = {**like.settings, **settings}
            elif is_prepared:
                made.store().make_bucket(bucket_name=made.bucket)
            return made

        yield make


@pytest.fixture(scope="session")
def install_for_all(
    request: pytest.FixtureRequest, database_server: str, store_server: servers.Server
) -> Iterator[Install]:
    """Makes registries that stay until the end of the session."""
    prepared = partial(request.getfixturevalue, "prepared_database")
    with installing(database_server, prepared, store_server) as install:
        yield install


@pytest.fixture
def install(
    request: pytest.FixtureRequest, database_server: str, store_server: servers.Server
) -> Iterator[Install]:
    """Makes registries that are gone after the test."""
    prepared = partial(request.getfixturevalue, "prepared_database")
    with installing(database_server, prepared, store_server) as install:
        yield install
