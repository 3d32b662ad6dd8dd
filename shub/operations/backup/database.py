"""The database's half: a dump of one moment, and the rows as they were at that moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from psycopg2.sql import SQL, Composable, Identifier

from shub.operations.backup.folder import Kept
from shub.operations.backup.programs import Programs

# The objects that a point needs. Nobody needs those of the others: they are about to go, or gone.
WANTED = (
    "SELECT key, size, state = 'proven' FROM containers_blob"
    " WHERE state IN ('proven', 'pending') ORDER BY key"
)

# What is in the schema, belongs to no extension, and can hold rows.
TABLES = (
    "SELECT relname FROM pg_class it WHERE relkind IN ('r', 'p')"
    " AND relnamespace = current_schema()::regnamespace"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = it.oid AND deptype = 'e')"
    " ORDER BY relname"
)
VIEWS = TABLES.replace("'r', 'p'", "'v'")
ROUTINES = (
    "SELECT oid::regprocedure::text FROM pg_proc it"
    " WHERE pronamespace = current_schema()::regnamespace"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = it.oid AND deptype = 'e')"
)

# What a restoration would replace, in words, and how many of it a prepared server has anyway.
HOLDS = (
    ("containers_image", "images", 0),
    ("accounts_user", "accounts", 1),
)

ROWS_AT_ONCE = 5000

# So long a load waits for those who still use the tables that it replaces.
LOCK_SECONDS = 10


@dataclass(frozen=True)
class Wanted:
    """An object that a row names. Of what is not `proven` yet nobody knows whether it is right."""

    kept: Kept
    proven: bool


def server_version() -> int:
    """The major version of the database server."""
    connection.ensure_connection()
    return int(connection.connection.server_version) // 10_000


class Snapshot:
    """The database at one moment, for this process and for pg_dump."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.id: str = self._ask("SELECT pg_export_snapshot()")[0][0]

    def dump(self, programs: Programs, target: Path) -> None:
        """Write the dump. NotDone where pg_dump fails."""
        options = [
            *("--format=custom", "--no-owner", "--no-privileges", "--lock-wait-timeout=60s"),
            *(f"--snapshot={self.id}", f"--file={target}"),
        ]
        programs.run("pg_dump", options, connection.settings_dict)

    def wanted(self) -> list[Wanted]:
        """The objects that its rows need, by key."""
        found: list[Wanted] = []
        with self._session.chunked_cursor() as cursor:
            cursor.execute(WANTED)
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                found += [Wanted(Kept(key, size), proven) for key, size, proven in rows]
        return found

    def migrations(self) -> list[str]:
        """All that it has seen, as `app.name`."""
        rows = self._ask("SELECT app, name FROM django_migrations ORDER BY app, name")
        return [f"{app}.{name}" for app, name in rows]

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        tables = [name for (name,) in self._ask(TABLES)]
        return {table: self._ask(_count(table))[0][0] for table in tables}

    def _ask(self, sql: str | Composable) -> list[tuple[Any, ...]]:
        with self._session.cursor() as cursor:
            cursor.execute(sql)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


@contextmanager
def snapshot() -> Iterator[Snapshot]:
    """The database as it is now, until the context ends; in a session of its own."""
    session = connection.copy()
    try:
        session.set_autocommit(False)
        with session.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # It only waits, while the dump is written.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        yield Snapshot(session)
    finally:
        session.close()


def unknown_migrations(seen: list[str]) -> list[str]:
    """Those of them that this version does not have: of a newer one."""
    from django.db.migrations.loader import MigrationLoader

    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}
    ours = {label.partition(".")[0] for label in known}
    # Apps that are not installed here, such as a way of signing in, are no newer version.
    return [each for each in seen if each not in known and each.partition(".")[0] in ours]


def what_is_there() -> list[str]:
    """What a restoration would replace, in words; empty on a server that was only prepared."""
    found = []
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table, words, most in HOLDS:
            if table in tables:
                cursor.execute(_count(table))
                (count,) = cursor.fetchone()
                if count > most:
                    found.append(f"{count} {words}")
    return found


def replace(programs: Programs, dump: Path) -> None:
    """Drop all tables, and load the dump: the rows come in one transaction.

    NotDone where pg_restore fails; OperationalError where somebody uses a table and does not stop.
    """
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        for kind, listing in (("VIEW", VIEWS), ("TABLE", TABLES), ("ROUTINE", ROUTINES)):
            cursor.execute(listing)
            for (name,) in cursor.fetchall():
                # A routine's name comes quoted, with its arguments.
                named = SQL(name) if kind == "ROUTINE" else Identifier(name)
                cursor.execute(SQL("DROP {} IF EXISTS {} CASCADE").format(SQL(kind), named))
    options = [
        *("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        # Else the extension's own comment asks for rights that only its owner has.
        "--no-comments",
        str(dump),
    ]
    programs.run("pg_restore", options, connection.settings_dict)


def _count(table: str) -> Composable:
    return SQL("SELECT count(*) FROM {}").format(Identifier(table))
