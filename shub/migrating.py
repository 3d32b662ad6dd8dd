"""Migrating: the database comes to this version while other processes go on serving.

An `ALTER TABLE` waits for every transaction that reads the table, and all that come after wait for
it: so it waits for a lock for seconds, lets all others go first, and tries again. Several that
begin at once migrate one after the other. docs/decisions/0027-upgrades-and-backups.md has the rules
for those who write migrations; tests/unit/test_migrations.py holds them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from django.contrib.postgres import operations
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)

# Postgres' advisory lock of the one who migrates.
LOCK = 0x5B_06_0F_02

# For so long one statement waits for a lock, and so long may all others be kept waiting by it.
LOCK_SECONDS = 3

# A statement that takes longer than this is stopped: what it has locked stands still.
STATEMENT_SECONDS = 60

# When to give up getting locks, or being the one who migrates.
PATIENCE_SECONDS = 600.0

# Between two tries: the first pause, and the longest.
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0

# Postgres' codes.
LOCK_NOT_AVAILABLE, DEADLOCK, STOPPED = "55P03", "40P01", "57014"

Say = Callable[[str], None]


class NotMigrated(Exception):
    """The database is not at this version; the message says why, and what to do."""


def bring_up_to_date(
    say: Say,
    *,
    statement_seconds: int = STATEMENT_SECONDS,
    lock_seconds: float = LOCK_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> int:
    """Apply the migrations that are missing; how many there were.

    `say` gets a sentence where something has to be waited for. A `statement_seconds` of 0 lets each
    statement take its time. NotMigrated where a lock could not be had, or a statement was stopped;
    what was applied until then stays.
    """
    with _alone(say, patience_seconds):
        missing = len(missing_migrations())
        with _bounded(lock_seconds, statement_seconds):
            _migrate(say, patience_seconds)
    return missing


def missing_migrations() -> list[str]:
    """The migrations of this version that the database has not seen, as `app.name`, in order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _migrate(say: Say, patience_seconds: float) -> None:
    give_up_at, pause = monotonic() + patience_seconds, PAUSE_SECONDS
    while True:
        try:
            call_command("migrate", interactive=False, verbosity=0)
        except OperationalError as error:
            code = getattr(error.__cause__, "pgcode", None)
            waiting_for = (missing_migrations() or ["the end"])[0]
            if code == STOPPED:
                raise NotMigrated(
                    f"{waiting_for} takes longer than what it locks may stand still. Choose an "
                    "hour at which it may, and run `manage.py prepare --statement-seconds 0`."
                ) from error
            if code not in {LOCK_NOT_AVAILABLE, DEADLOCK}:
                raise
            others = _oldest_transaction()
            if monotonic() + pause > give_up_at:
                raise NotMigrated(
                    f"{waiting_for} did not get its locks in {patience_seconds:.0f} seconds"
                    f"{others}. What runs goes on as before; end that, and try again."
                ) from error
            say(f"{waiting_for} waits for a lock{others}; next try in {pause:.0f} s.")
            sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        else:
            return


@contextmanager
def _alone(say: Say, patience_seconds: float) -> Iterator[None]:
    """Be the one who migrates; the others wait until it is done, and then find nothing to do."""
    give_up_at, has_said = monotonic() + patience_seconds, False
    while not _ask("SELECT pg_try_advisory_lock(%s)", LOCK):
        if monotonic() > give_up_at:
            raise NotMigrated(
                f"Another process has been migrating this database for {patience_seconds:.0f} "
                "seconds."
            )
        if not has_said:
            say("Another process migrates this database: waiting for it.")
            has_said = True
        sleep(0.5)
    try:
        yield
    finally:
        if connection.is_usable():
            _ask("SELECT pg_advisory_unlock(%s)", LOCK)


@contextmanager
def _bounded(lock_seconds: float, statement_seconds: int) -> Iterator[None]:
    """No statement of this session waits for a lock, or runs, for longer than that."""
    with _set(lock_timeout=f"{lock_seconds}s", statement_timeout=f"{statement_seconds}s"):
        yield


@contextmanager
def _set(**values: str) -> Iterator[None]:
    """Settings of this session, for a while."""
    before = {name: _ask("SELECT current_setting(%s)", name) for name in values}
    for name, value in values.items():
        _ask("SELECT set_config(%s, %s, false)", name, value)
    try:
        yield
    finally:
        if connection.is_usable():
            for name, value in before.items():
                _ask("SELECT set_config(%s, %s, false)", name, value)


def _oldest_transaction() -> str:
    """Who most likely is in the way, to be put into a sentence; empty where nobody is seen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, coalesce(nullif(application_name, ''), 'no name'), state,"
            " extract(epoch FROM now() - xact_start)::int FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1"
        )
        row = cursor.fetchone()
    if row is None:
        return ""
    pid, name, state, seconds = row
    return f" (the oldest transaction is that of process {pid}, {name}, {state}, since {seconds} s)"


def _ask(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return row[0] if row else None


# ── for migrations ──


class _Unhurried:
    """Mixed into what works concurrently: it locks nobody out, and may take its time."""

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        if schema_editor.collect_sql:
            super().database_forwards(app_label, schema_editor, *states)  # type: ignore[misc]
            return
        # A build that was cut short leaves an index that is no good, under the name.
        name = self._name_of(*states, app_label=app_label)
        if _ask("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", name):
            with connection.cursor() as cursor:
                cursor.execute(f"DROP INDEX CONCURRENTLY {schema_editor.quote_name(name)}")
        with _set(lock_timeout="0", statement_timeout="0"):
            super().database_forwards(app_label, schema_editor, *states)  # type: ignore[misc]

    def _name_of(self, *states: Any, app_label: str) -> str:
        raise NotImplementedError


class AddIndexConcurrently(_Unhurried, operations.AddIndexConcurrently):
    """How an index comes to a table that may be large: while others write to it.

    In a migration with `atomic = False`, alone. Cut short, it begins anew the next time.
    """

    def _name_of(self, *states: Any, app_label: str) -> str:
        return str(self.index.name)
