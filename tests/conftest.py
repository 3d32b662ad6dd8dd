"""What tests share: a real Postgres and a real object store for the session, and people."""

import gc
import secrets
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings as django_settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from shub.settings.database import parse_database_url
from shub.storage import ObjectStore, object_store
from tests import postgres, servers
from tests.factories import Person, make_person


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "rows_by_hand: writes rows that no ledger knows of")


def pytest_collection_finish() -> None:
    """Nobody looks for garbage among thousands of tests, again and again: they stay to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def session_servers() -> Iterator[ExitStack]:
    """Holds the session's servers until its end."""
    with ExitStack() as held:
        yield held


@pytest.fixture(scope="session")
def django_db_modify_db_settings(session_servers: ExitStack) -> None:
    """Start Postgres when the first test needs it, and tell Django where it is."""
    entry = parse_database_url(session_servers.enter_context(postgres.postgres()))
    django_settings.DATABASES["default"].update(entry)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Tests that commit empty all tables after them, which the audit trail's would refuse."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_not_emptied")


@pytest.fixture(scope="session")
def store_server(session_servers: ExitStack) -> servers.Server:
    """A JuiceFS gateway for the session."""
    return session_servers.enter_context(servers.juicefs_gateway())


@pytest.fixture
def store(store_server: servers.Server, settings: pytest.FixtureRequest) -> ObjectStore:
    """The product's own object store, on an empty bucket."""
    settings.MINIO_SERVER = settings.MINIO_EXTERNAL_SERVER = store_server.host
    settings.MINIO_ACCESS_KEY = servers.ACCESS_KEY
    settings.MINIO_SECRET_KEY = servers.SECRET_KEY
    settings.MINIO_BUCKET = f"test-{secrets.token_hex(6)}"
    found = object_store()
    found.make_bucket()
    return found


@pytest.fixture
def mara(db: None) -> Person:
    """Somebody with an entity of her own and a token."""
    return make_person("mara")


@pytest.fixture
def otto(db: None) -> Person:
    """Somebody else."""
    return make_person("otto")


@pytest.fixture
def administrator(db: None) -> Person:
    """One who may do everything on the site."""
    return make_person("root", is_administrator=True)
