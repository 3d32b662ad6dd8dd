"""Migrations while others use the tables that they change."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import pytest
from django.apps import apps as django_apps
from django.core.management import call_command
from django.db import connection, models, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext

from shub import migrating
from shub.accounts.apps import make_default_entity

pytestmark = pytest.mark.django_db(transaction=True)

# Of the table of uploads, which the migration after it alters.
BEFORE = ("uploads", "0002")


@pytest.fixture
def before() -> Iterator[None]:
    """A database of an earlier version."""
    call_command("migrate", *BEFORE, interactive=False, verbosity=0)
    yield
    call_command("migrate", interactive=False, verbosity=0)


READ = "SELECT count(*) FROM uploads_upload"
WRITE = "LOCK TABLE uploads_upload IN ROW EXCLUSIVE MODE"


@contextmanager
def using(statement: str = READ) -> Iterator[Callable[[], None]]:
    """Somebody in whose transaction the table was used; calling it ends that."""
    has_used, ends = Event(), Event()

    def use() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            has_used.set()
            ends.wait(20)
        connection.close()

    thread = Thread(target=use)
    thread.start()
    assert has_used.wait(10)
    try:
        yield ends.set
    finally:
        ends.set()
        thread.join(10)


def test_a_migration_lets_others_go_first_and_tries_again(
    before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "PAUSE_SECONDS", 0.05)
    said: list[str] = []
    with using() as end:

        def say(words: str) -> None:
            said.append(words)
            if len(said) == 2:
                end()

        assert migrating.bring_up_to_date(say, lock_seconds=0.1) > 0
    assert migrating.missing_migrations() == []
    assert len(said) == 2
    assert said[0].startswith("uploads.0003_where_from waits for a lock")
    assert "idle in transaction" in said[0]


def migrate_in_vain() -> None:
    with pytest.raises(migrating.NotMigrated):
        migrating.bring_up_to_date(lambda _: None, lock_seconds=0.3, patience_seconds=1.5)
    connection.close()


def test_who_waits_for_a_lock_does_not_keep_readers_waiting_for_long(before: None) -> None:
    """All that come after an ALTER TABLE that waits, wait behind it."""
    with using():
        migrates = Thread(target=migrate_in_vain)
        migrates.start()
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '1s'")
            while migrates.is_alive():
                cursor.execute(READ)
            cursor.execute("SET statement_timeout = 0")
        migrates.join(10)


def test_a_lock_that_is_never_had_is_given_up_in_words_and_nothing_is_left_half(
    before: None,
) -> None:
    with using(), pytest.raises(migrating.NotMigrated, match="did not get its locks"):
        migrating.bring_up_to_date(lambda _: None, lock_seconds=0.1, patience_seconds=0.5)
    assert migrating.missing_migrations()[0] == "uploads.0003_where_from"
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), pg_try_advisory_lock(1)")
        assert cursor.fetchone() == ("0", True)


def test_a_statement_that_takes_too_long_is_stopped_in_words(before: None) -> None:
    with using(), pytest.raises(migrating.NotMigrated, match="--statement-seconds 0"):
        migrating.bring_up_to_date(lambda _: None, lock_seconds=0, statement_seconds=1)


def test_of_two_that_migrate_at_once_the_second_waits_and_finds_nothing_to_do(
    before: None,
) -> None:
    said, found = [], []
    second_waits = Event()

    def say(words: str) -> None:
        said.append(words)
        second_waits.set()

    def second() -> None:
        found.append(migrating.bring_up_to_date(say))
        connection.close()

    with migrating._alone(lambda _: None, 1):
        thread = Thread(target=second)
        thread.start()
        assert second_waits.wait(10)
        call_command("migrate", interactive=False, verbosity=0)
    thread.join(20)
    assert found == [0]
    assert said == ["Another process migrates this database: waiting for it."]


def test_nothing_is_waited_for_where_nothing_is_to_do() -> None:
    with using():
        assert migrating.bring_up_to_date(pytest.fail, lock_seconds=0.1) == 0


@pytest.fixture
def index() -> Iterator[models.Index]:
    """One that no model has; dropped after the test."""
    yield models.Index(fields=["size"], name="scratch")
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX IF EXISTS scratch")


def add(index: models.Index) -> None:
    state: Any = MigrationLoader(connection).project_state()
    after = state.clone()
    operation = migrating.AddIndexConcurrently("Upload", index)
    operation.state_forwards("uploads", after)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("uploads", editor, state, after)


def is_valid() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'scratch'::regclass")
        return bool(cursor.fetchone()[0])


def test_a_concurrent_index_waits_for_as_long_as_it_takes(index: models.Index) -> None:
    with using(WRITE) as end:
        built = Event()

        def build() -> None:
            with migrating._bounded(0.1, 1):
                add(index)
            built.set()
            connection.close()

        thread = Thread(target=build)
        thread.start()
        assert not built.wait(1.5)
        end()
        assert built.wait(10)
        thread.join(10)
    assert is_valid()


def test_an_index_whose_building_was_cut_short_is_built_anew(index: models.Index) -> None:
    add(index)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'scratch'::regclass"
        )
    assert not is_valid()
    add(index)
    assert is_valid()


def test_after_a_migration_to_an_earlier_state_the_default_entity_is_made_as_then() -> None:
    # Before entities could be retired.
    then = MigrationLoader(connection).project_state(("accounts", "0002_quotas")).apps
    config = django_apps.get_app_config("accounts")
    with CaptureQueriesContext(connection) as captured:
        post_migrate.send(
            sender=config,
            app_config=config,
            using="default",
            apps=then,
            plan=[],
            verbosity=0,
            interactive=False,
        )
    asked = "".join(each["sql"] for each in captured if "accounts_entity" in each["sql"])
    assert "quota_bytes" in asked
    assert "retired_at" not in asked


def test_before_there_were_accounts_nothing_is_made_for_them() -> None:
    none = ProjectState().apps
    config = django_apps.get_app_config("accounts")
    make_default_entity(sender=config, using="default", apps=none)
