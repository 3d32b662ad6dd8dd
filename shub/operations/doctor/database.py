"""The database: reached, new enough, and set as a registry needs it."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, warning, well
from shub.operations.doctor.options import Options

# Each sweep's threads and its own; administrators, backups and doctor itself.
SWEEP_OWN = 2
OTHERS = 10

NOT_REACHED = fault(
    "database-not-reached",
    _(
        "Every command ends with 503 “The registry's database is away at the moment”; no "
        "page is shown."
    ),
    _(
        "Start Postgres (its log says why it ended), and correct DATABASE_URL: host, port, "
        "name, user, password."
    ),
)
TOO_OLD = fault(
    "database-too-old",
    _("This release does not work with it: pages and commands fail with 500."),
    _("Upgrade Postgres to {wanted} or newer (17 is tested): dump, or pg_upgrade."),
)
NOT_UTF8 = fault(
    "database-not-utf8",
    _("Names and READMEs with other letters than ASCII fail with 500, or come back wrong."),
    _("Make a database with ENCODING 'UTF8' TEMPLATE template0, and restore a dump into it."),
)
NO_TRIGRAMS = fault(
    "database-no-trigrams",
    _("Search fails with 500."),
    _(
        "As a superuser of the database: CREATE EXTENSION pg_trgm; (Debian's package "
        "postgresql-contrib has it), then ./manage.py prepare."
    ),
)
FEW_CONNECTIONS = fault(
    "database-few-connections",
    _("When many requests come at once, some end with 503: “too many clients already” in the log."),
    _(
        "Set max_connections to {wanted} or more and restart Postgres, or lower WEB_WORKERS, "
        "WEB_THREADS or SWEEP_THREADS."
    ),
)
NOT_DURABLE = fault(
    "database-not-durable",
    _("A crash of its machine may lose or spoil records: images that are there would be unknown."),
    _("Set {name} to on, and restart Postgres."),
)
LOSES_SECONDS = warning(
    "database-loses-seconds",
    _(
        "A crash of its machine loses the last pushes, although their users were told that "
        "they are done."
    ),
    _("Set synchronous_commit to on."),
)
READ_ONLY = fault(
    "database-read-only",
    _("Pulls work, pushes and signing in fail with 500: nothing can be written."),
    _(
        "Have DATABASE_URL lead to the primary (target_session_attrs=read-write in its query "
        "chooses it), or promote this server if it is to be it."
    ),
)
WAITS_FOR_STANDBY = fault(
    "database-waits-for-standby",
    _("Every push hangs: each commit waits for a standby that is not connected."),
    _("Start the standby, or take it out of synchronous_standby_names and reload Postgres."),
)
NO_VACUUM = warning(
    "database-no-autovacuum",
    _("It becomes slower and larger from week to week, and stops in the end."),
    _("Set autovacuum to on."),
)

SETTINGS = (
    "server_encoding", "max_connections", "superuser_reserved_connections", "fsync",
    "full_page_writes", "synchronous_commit", "synchronous_standby_names", "autovacuum",
    "default_transaction_read_only",
)  # fmt: skip


def look(options: Options) -> list[Finding]:
    """Version, settings and room for connections."""
    try:
        with connection.cursor() as cursor:
            told = _told(cursor)
    except DatabaseError as error:
        return [NOT_REACHED.found(words(error))]
    found = [*_version(), *_contents(told), *_durability(told), *_connections(told, options)]
    return found or [
        well(
            f"Postgres {told['version']}, UTF-8, writes what it is told, and has "
            f"{told['max_connections']} connections for the {needed(options)} that are needed."
        )
    ]


def words(error: Exception) -> str:
    """What the database says, on one line and without a password.

    >>> words(Exception("no password=abc here\\nfor you"))
    'no password=*** here for you'
    """
    return re.sub(r"(password=)\S+", r"\1***", " ".join(str(error).split()))


def needed(options: Options) -> int:
    """How many connections are open at once when all are at work."""
    web = settings.WEB_WORKERS * settings.WEB_THREADS
    return options.replicas * (web + settings.SWEEP_THREADS + SWEEP_OWN) + OTHERS


def _told(cursor: Any) -> dict[str, Any]:
    cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(SETTINGS)])
    told = dict(cursor.fetchall())
    cursor.execute("SHOW server_version")
    (told["version"],) = cursor.fetchone()
    cursor.execute("SELECT pg_is_in_recovery()")
    (told["is_standby"],) = cursor.fetchone()
    cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")
    told["has_trigrams"] = cursor.fetchone() is not None
    # Others than superusers see that there is one, and not its state.
    cursor.execute("SELECT count(*) FROM pg_stat_replication")
    (told["standbys"],) = cursor.fetchone()
    return told


def _version() -> Iterator[Finding]:
    wanted = connection.features.minimum_database_version or (0,)
    if connection.get_database_version() < wanted:
        has = ".".join(map(str, connection.get_database_version()))
        yield TOO_OLD.found(f"Postgres is {has}", wanted=wanted[0])


def _contents(told: dict[str, Any]) -> Iterator[Finding]:
    if told["server_encoding"] != "UTF8":
        yield NOT_UTF8.found(f"the database's encoding is {told['server_encoding']}")
    if not told["has_trigrams"]:
        yield NO_TRIGRAMS.found("the extension pg_trgm is not there")
    if told["autovacuum"] == "off":
        yield NO_VACUUM.found("autovacuum is off")


def _durability(told: dict[str, Any]) -> Iterator[Finding]:
    if told["is_standby"] or told["default_transaction_read_only"] == "on":
        what = "a standby" if told["is_standby"] else "read-only by default"
        yield READ_ONLY.found(f"the server is {what}")
    for name in ("fsync", "full_page_writes"):
        if told[name] == "off":
            yield NOT_DURABLE.found(f"{name} is off", name=name)
    if told["synchronous_commit"] == "off":
        yield LOSES_SECONDS.found("synchronous_commit is off")
    waits = told["synchronous_commit"] not in {"off", "local"}
    if waits and told["synchronous_standby_names"] and not told["standbys"]:
        yield WAITS_FOR_STANDBY.found(
            f"synchronous_standby_names is {told['synchronous_standby_names']!r}, none is connected"
        )


def _connections(told: dict[str, Any], options: Options) -> Iterator[Finding]:
    has = int(told["max_connections"]) - int(told["superuser_reserved_connections"])
    wanted = needed(options)
    if has < wanted:
        seen = f"{has} connections can be had, {wanted} may be needed at once"
        reserved = int(told["superuser_reserved_connections"])
        yield FEW_CONNECTIONS.found(seen, wanted=wanted + reserved)
