"""Rows against rows: those that cannot all be true.

Each is one statement, so what it sees is of one moment; what it finds is asked for once more after
a pause, since some acts take two transactions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import sleep
from typing import Any

from django.db import connection

from shub.operations.fsck import repairing
from shub.operations.fsck.course import Course
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import (
    CONDEMNED_IN_USE,
    FORGOTTEN,
    IMAGE_WITHOUT_BYTES,
    OTHER_DIGEST,
    REMOVED_WITHOUT_BYTES,
    STUCK_BLOB,
    STUCK_UPLOAD,
    TAG_WITHOUT_IMAGE,
    UNREADABLE,
    UNUSED,
    Kind,
)

# By so many keys of a table at once, so that no statement takes long.
WINDOW = 50_000
AGAIN_AFTER_SECONDS = 1.0

OFTEN = 10
LONG = "1 hour"

SQL = """
SELECT it.id, {name}, {seen} FROM {table} it {joins} WHERE {which} AND ({where}) ORDER BY it.id
"""
NAMED = """(
    SELECT entity.name || '/' || collection.name || '/' || container.name
    FROM containers_container container
    JOIN containers_collection collection ON collection.id = container.collection_id
    JOIN accounts_entity entity ON entity.id = collection.entity_id
    WHERE container.id = {of}.container_id
)"""
HAD = """(
    EXISTS (SELECT FROM containers_image image WHERE image.blob_id = it.id)
    OR EXISTS (SELECT FROM containers_removedimage image WHERE image.blob_id = it.id)
)"""


@dataclass(frozen=True)
class Contradiction:
    """Rows `it` of a table that are not as they should be: `name` and `seen` are SQL texts."""

    kind: Kind
    table: str
    name: str
    seen: str
    where: str
    joins: str = ""
    mend: Callable[[int], str] | None = None

    def sql(self, which: str) -> str:
        """The statement: key, name and what is seen."""
        return SQL.format(
            **{name: getattr(self, name) for name in ("name", "seen", "table", "joins", "where")},
            which=which,
        )


_IMAGE = NAMED.format(of="it") + " || ':sha256.' || it.digest"
_TAG = NAMED.format(of="it") + " || ':' || it.name"
_BLOB_OF = "JOIN containers_blob blob ON blob.id = it.blob_id"
_NO_BYTES = "blob.state IN ('pending', 'leaving', 'gone')"
_ITS_STATE = "'its blob is ' || blob.state"

CONTRADICTIONS = (
    Contradiction(IMAGE_WITHOUT_BYTES, "containers_image", _IMAGE, _ITS_STATE, _NO_BYTES, _BLOB_OF),
    Contradiction(
        REMOVED_WITHOUT_BYTES, "containers_removedimage", _IMAGE, _ITS_STATE, _NO_BYTES, _BLOB_OF
    ),
    *(
        Contradiction(
            OTHER_DIGEST,
            table,
            _IMAGE,
            "'its blob has the SHA-256 ' || blob.digest",
            "blob.digest <> it.digest",
            _BLOB_OF,
        )
        for table in ("containers_image", "containers_removedimage")
    ),
    Contradiction(
        TAG_WITHOUT_IMAGE,
        "containers_tag",
        _TAG,
        "CASE WHEN image.blob_id IS NULL THEN 'its image has no bytes'"
        " ELSE 'its image is in another container' END",
        "image.blob_id IS NULL OR image.container_id <> it.container_id",
        "JOIN containers_image image ON image.id = it.image_id",
    ),
    Contradiction(
        CONDEMNED_IN_USE,
        "containers_blob",
        "it.key",
        "'images have it'",
        f"it.state = 'condemned' AND {HAD}",
        mend=repairing.take_back,
    ),
    Contradiction(
        UNUSED,
        "containers_blob",
        "it.key",
        "it.size || ' bytes, ' || it.state",
        f"it.state IN ('proven', 'damaged') AND NOT {HAD}",
        mend=repairing.condemn_unused,
    ),
    Contradiction(
        FORGOTTEN,
        "containers_blob",
        "it.key",
        "it.size || ' bytes'",
        "it.state = 'pending' AND NOT EXISTS (SELECT FROM uploads_upload upload"
        " WHERE upload.blob_id = it.id AND upload.state = 'verifying')",
        mend=repairing.condemn_forgotten,
    ),
    Contradiction(
        STUCK_UPLOAD,
        "uploads_upload",
        "'upload ' || it.public_id || ' into ' || " + NAMED.format(of="it"),
        "it.state || ' since ' || to_char(it.active_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
        " || ' UTC, ' || it.failures || ' failures: ' || coalesce(nullif(it.trouble, ''), 'none')",
        f"it.state IN ('joining', 'verifying') AND (it.failures >= {OFTEN}"
        f" OR it.active_at < now() - interval '{LONG}')"
        " AND (it.leased_until IS NULL OR it.leased_until < now())",
    ),
    Contradiction(
        STUCK_BLOB,
        "containers_blob",
        "it.key",
        "it.state || ', ' || it.failures || ' failures: ' || it.trouble",
        f"it.state IN ('condemned', 'leaving') AND it.failures >= {OFTEN}",
    ),
    Contradiction(
        UNREADABLE,
        "containers_blob",
        "it.key",
        "it.failures || ' failures: ' || it.trouble",
        f"it.state = 'proven' AND it.failures >= {OFTEN}",
    ),
)


def check(course: Course) -> None:
    """Look for all of them, table by table."""
    begun, after = course.position or [0, 0]
    highest = [course.patiently(partial(_highest, each.table)) for each in CONTRADICTIONS]
    course.progress.begin("Rows against rows", sum(highest[begun:]) - after)
    for index in range(begun, len(CONTRADICTIONS)):
        for start in range(after if index == begun else 0, highest[index], WINDOW):
            _look_in(course, CONTRADICTIONS[index], start)
            course.progress.advance(min(WINDOW, highest[index] - start))
            course.reached([index, start + WINDOW])
        course.counted["contradictions looked for"] += 1


def _look_in(course: Course, looked_for: Contradiction, start: int) -> None:
    window = "it.id > %s AND it.id <= %s"
    suspected = course.patiently(partial(_ask, looked_for, window, [start, start + WINDOW]))
    if not suspected:
        return
    sleep(AGAIN_AFTER_SECONDS)
    keys = [key for key, _, _ in suspected]
    for key, name, seen in course.patiently(partial(_ask, looked_for, "it.id = ANY (%s)", [keys])):
        mend = partial(looked_for.mend, key) if looked_for.mend else None
        course.take(Finding(looked_for.kind, name, seen, mend))


def _ask(looked_for: Contradiction, which: str, values: list[Any]) -> list[tuple[int, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(looked_for.sql(which), values)
        found: list[tuple[int, str, str]] = cursor.fetchall()
    return found


def _highest(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608  one of ours
        return int(cursor.fetchone()[0])
