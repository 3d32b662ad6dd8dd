"""Making a backup: the database first, then the objects that it names, while none of them goes."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TextIO

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import ProgrammingError, close_old_connections, connection

import shub
from shub.audit import trail
from shub.containers import pausing
from shub.containers.models import CollectionPause
from shub.operations.backup import database, programs
from shub.operations.backup.copying import Copying
from shub.operations.backup.failures import NotDone
from shub.operations.backup.folder import Folder, Kept, Manifest, Point, digest_of
from shub.operations.figures import in_units
from shub.operations.progress_line import ProgressLine
from shub.storage import object_store

log = logging.getLogger(__name__)

# How often the pause is moved on: several times before it would end.
CARE_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """How a backup is made. `keep` is how many points stay; None: all, and nothing is dropped."""

    jobs: int = 4
    reread: bool = False
    keep: int | None = None
    postgres_programs: Path | None = None


@dataclass(frozen=True)
class Made:
    """What was written."""

    point: Point
    manifest: Manifest
    copied: int
    copied_bytes: int


def make(path: Path, *, out: TextIO, say: Say, options: Options) -> Made:
    """Write a new point into the folder: the database of this moment, and what it needs.

    Of the objects only those are copied that the folder does not hold yet. Whatever ends it, the
    next one goes on from what was copied. NotDone where there is no complete point in the end; one
    that lacks objects which the store itself has lost is complete, and its manifest names them.
    """
    fitting = programs.find(database.server_version(), options.postgres_programs)
    folder = Folder(path)
    try:
        folder.make()
        with folder.locked(), collection_paused():
            made = _make(folder, fitting, out=out, say=say, options=options)
            trail.record(
                "site.backed_up",
                kind="site",
                by=None,
                point=made.point.name,
                objects=made.manifest.objects,
                missing=len(made.manifest.missing),
            )
            if options.keep is not None:
                points, objects = folder.prune(options.keep)
                say(f"Dropped: {points} older points, {objects} objects that no other needs.")
    except OSError as error:
        raise NotDone(
            f"{error.filename or path}: {error.strerror}. What was copied stays: the next backup "
            "goes on from it."
        ) from error
    return made


def _make(
    folder: Folder, fitting: programs.Programs, *, out: TextIO, say: Say, options: Options
) -> Made:
    point = folder.begin_point()
    begun_at = _now()
    with database.snapshot() as moment:
        moment.dump(fitting, point.dump)
        wanted, migrations, counts = moment.wanted(), moment.migrations(), moment.counts()
    say(f"The database is dumped: {in_units(point.dump.stat().st_size)}.")
    size = sum(each.kept.size for each in wanted)
    progress = ProgressLine(out)
    progress.begin("Objects", size, in_bytes=True, objects=len(wanted))
    copying = Copying(object_store(), folder, progress, options.jobs)
    saved, missing = copying.out(wanted, reread=options.reread)
    progress.finish()
    manifest = Manifest(
        registry=settings.PUBLIC_URL,
        version=shub.__version__,
        begun_at=begun_at,
        ended_at=_now(),
        migrations=migrations,
        postgres=database.server_version(),
        dump_sha256=digest_of(point.dump),
        dump_bytes=point.dump.stat().st_size,
        listing_sha256=folder.write_objects(point, saved),
        objects=len(saved),
        objects_bytes=_bytes(saved),
        missing=[kept.key for kept in missing],
        counts=counts,
    )
    complete = folder.complete(point, manifest)
    return Made(complete, manifest, copying.copied, copying.copied_bytes)


@contextmanager
def collection_paused() -> Iterator[CollectionPause]:
    """Nothing leaves the store within the context. Of a process that is killed the pause ends by
    itself. NotDone where the database knows no pauses yet."""
    try:
        pause = pausing.begin(f"{socket.gethostname()}, process {os.getpid()}")
    except ProgrammingError as error:
        raise NotDone(
            "The database is of an older version than this code: use the version that serves, or "
            "run `manage.py prepare` first."
        ) from error
    over = Event()
    carer = Thread(target=_take_care, args=(pause, over), name="pause", daemon=True)
    carer.start()
    try:
        yield pause
    finally:
        over.set()
        carer.join()
        pausing.end(pause)


def _take_care(pause: CollectionPause, over: Event) -> None:
    """Move the pause on until it is over. Where it could not be, what left the store meanwhile is
    missed when it is copied, and named."""
    while not over.wait(CARE_SECONDS):
        try:
            close_old_connections()
            if not pausing.move_on(pause):
                log.error("The pause of the collection has ended before the backup.")
        except DatabaseError as error:
            log.warning("The pause of the collection could not be moved on: %s", error)
    connection.close()


def _bytes(objects: list[Kept]) -> int:
    return sum(kept.size for kept in objects)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
