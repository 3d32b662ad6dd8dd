"""Rebuilding: the objects first, then the rows that name them, then what fits a new place."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from django.db import OperationalError, transaction
from django.db.models.functions import Now

from shub import migrating
from shub.audit import trail
from shub.containers import ledger
from shub.containers.models import Blob, CollectionPause
from shub.operations.backup import database, programs
from shub.operations.backup.copying import Copying
from shub.operations.backup.failures import NotDone
from shub.operations.backup.folder import Folder, Kept, Manifest, Point
from shub.operations.progress_line import ProgressLine
from shub.storage import object_store
from shub.uploads.models import Upload

Say = Callable[[str], None]

# So many are named in one sentence.
MOST_NAMED = 20

State = Blob.State


@dataclass(frozen=True)
class Options:
    """How a server is rebuilt."""

    point: str = ""
    """Its name; the newest where it is empty."""
    replace: bool = False
    """Also where the server holds something: all its rows are dropped."""
    incomplete: bool = False
    """Also where objects are missing: their images are marked as damaged."""
    jobs: int = 4
    postgres_programs: Path | None = None


@dataclass(frozen=True)
class Rebuilt:
    """What is there again."""

    point: Point
    manifest: Manifest
    copied: int
    lost: list[str]
    """Keys of the objects without which it was brought back."""


def rebuild(path: Path, *, out: TextIO, say: Say, options: Options) -> Rebuilt:
    """Make an empty server what the point is: its objects, then its rows.

    NotDone, with the database as it was, where the server holds something, the point is of a newer
    version, or anything of it is damaged; what was copied into the store by then is taken up the
    next time.
    """
    folder = Folder(path)
    point = folder.point(options.point)
    with folder.locked():
        manifest = point.manifest()
        fitting = _check(point, manifest, options)
        object_store().make_bucket()
        objects = point.objects()
        progress = ProgressLine(out)
        size = manifest.objects_bytes
        progress.begin("Objects", size, in_bytes=True, objects=len(objects))
        copying = Copying(object_store(), folder, progress, options.jobs)
        damaged, refused = copying.back(objects)
        progress.finish()
        lost = _lost(folder, manifest, damaged, refused, options)
        _replace(fitting, point)
    say("The database is loaded.")
    try:
        migrating.bring_up_to_date(say)
    except migrating.NotMigrated as error:
        raise NotDone(str(error)) from error
    settle(point, lost)
    return Rebuilt(point, manifest, copying.copied, lost)


def _check(point: Point, manifest: Manifest, options: Options) -> programs.Programs:
    """NotDone unless the point can be brought back, and may be."""
    there = database.what_is_there()
    if there and not options.replace:
        raise NotDone(
            f"This server holds {' and '.join(there)}. Where all of that is to be replaced by the "
            "backup, say --replace."
        )
    if newer := database.unknown_migrations(manifest.migrations):
        raise NotDone(
            f"{point.name} was made by a newer version of shub ({manifest.version}, with "
            f"{newer[-1]}): install that, or a newer one."
        )
    server = database.server_version()
    if server < manifest.postgres:
        raise NotDone(
            f"{point.name} is of Postgres {manifest.postgres}, and this server is Postgres "
            f"{server}: a dump is loaded into the same version or a newer one."
        )
    point.check(manifest)
    return programs.find(server, options.postgres_programs)


def _lost(
    folder: Folder,
    manifest: Manifest,
    damaged: list[Kept],
    refused: list[Kept],
    options: Options,
) -> list[str]:
    """The objects that are not in the store now, where it may go on without them; else NotDone."""
    if refused:
        raise NotDone(
            f"The object store does not give back what it was sent: {_named(refused)}. Its own log "
            "may say why."
        )
    lost = [kept.key for kept in damaged] + manifest.missing
    if lost and not options.incomplete:
        why = []
        if damaged:
            paths = ", ".join(str(folder.path_of(kept.key)) for kept in damaged[:MOST_NAMED])
            why.append(f"{len(damaged)} objects are damaged or missing in the folder: {paths}.")
        if manifest.missing:
            named = ", ".join(manifest.missing[:MOST_NAMED])
            why.append(f"{len(manifest.missing)} were lost when the backup was made: {named}.")
        raise NotDone(
            f"{' '.join(why)} Nothing was changed in the database. To bring back all else, with "
            "these images marked as damaged, say --incomplete."
        )
    return lost


def _replace(fitting: programs.Programs, point: Point) -> None:
    try:
        database.replace(fitting, point.dump)
    except OperationalError as error:
        raise NotDone(
            "The tables are in use: stop the web server and the sweep, and try again "
            f"({str(error).strip().splitlines()[0]})."
        ) from error


def settle(point: Point, lost: list[str]) -> None:
    """What the rows say of the old store is made true of this one.

    Its uploads in parts are not here, nor the bytes that were to be removed; and the pause in which
    the backup was made is over.
    """
    with transaction.atomic(durable=True):
        CollectionPause.objects.all().delete()
        Upload.objects.filter(state__in=[Upload.State.OPEN, Upload.State.JOINING]).update(
            state=Upload.State.EXPIRED
        )
        Upload.objects.exclude(store_id="").update(store_id="")
        Upload.objects.update(leased_until=None)
        gone = Blob.objects.filter(state__in=[State.CONDEMNED, State.LEAVING])
        gone.update(state=State.GONE)
        Blob.objects.filter(key__in=lost, state=State.PROVEN).update(
            state=State.DAMAGED,
            damaged_at=Now(),
            damage=f"The backup {point.name}, which was brought back, did not have these bytes.",
        )
        ledger.forget_counts()
        trail.record("site.restored", kind="site", by=None, point=point.name, lost=len(lost))


def _named(objects: list[Kept]) -> str:
    names = ", ".join(kept.key for kept in objects[:MOST_NAMED])
    more = len(objects) - MOST_NAMED
    return f"{names} and {more} more" if more > 0 else names
