"""Sweeps: each finds rows by their state and takes them one step further.

All are idempotent and may run in several processes at once; whatever was killed between two of its
lines, a later sweep goes on from the rows. docs/explanation/life-of-bytes.md draws the states.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from shub import retrying
from shub.accounts import standing
from shub.audit import keeping
from shub.containers import blobs, damage, downloads, dropping, ledger, pausing, removal
from shub.containers.models import Blob, Image
from shub.errors import Invalid, Unavailable
from shub.rows import is_row_busy
from shub.storage import availability, object_store
from shub.storage.keys import is_blob_key
from shub.uploads import bringing_back, joining, reserving, room
from shub.uploads.models import Upload

log = logging.getLogger(__name__)

State = Upload.State

Row = TypeVar("Row", bound=retrying.Retried)

# So many rows may be refused in one pass: asking the store for each of the others might take as
# long as its time-out. The next pass goes on with those.
REFUSED_ROWS = 3

# What one sweep takes at a turn at most, so that it keeps no other waiting.
BATCH = 200

# How long there are further turns for those that have more to do: then the process says that it
# lives, and looks at everything again.
TURNS_SECONDS = 20.0

# A store that stood still may do the first joining after all, beside the second one.
SETTLING = timedelta(seconds=30)


class Sweep(Protocol):
    """Takes rows one step further, a batch at most; says how many."""

    __name__: str

    def __call__(self) -> int: ...


def housekeeping(is_over: Callable[[], bool] = lambda: False) -> None:
    """Every sweep but verification; a fault stops no other.

    Those that have taken a whole batch have another turn, after the others, until nothing is due,
    TURNS_SECONDS have passed, or `is_over`.
    """
    begun = monotonic()
    turn: Sequence[Sweep] = (
        resume_joining,
        expire_idle,
        drop_left_parts,
        removal.empty_retired,
        drop_removed,
        damage.heal_left,
        collect_condemned,
        drop_idle_claims,
        drop_unknown_parts,
        downloads.sum_up,
        ledger.recount_due,
        keeping.drop_old,
        standing.drop_ended_sessions,
    )
    while turn:
        turn = [sweep for sweep in turn if not is_over() and _has_more(sweep)]
        if monotonic() - begun > TURNS_SECONDS:
            return


def _has_more(sweep: Sweep) -> bool:
    """Whether there may be more to do for it than it has done at this turn."""
    try:
        count = sweep()
    except Unavailable as error:
        log.warning("%s waits: %s", sweep.__name__, error)
    except (OperationalError, InterfaceError) as error:
        if not is_row_busy(error):
            raise
        log.info("%s met another change, and is tried again.", sweep.__name__)
    except Exception:
        # A fault of ours in one sweep must not keep the others from their work.
        log.exception("%s failed; it is tried again.", sweep.__name__)
    else:
        if count:
            log.info("%s: %d", sweep.__name__, count)
        return count >= BATCH
    return False


def each(rows: Iterable[Row], act: Callable[[Row], object]) -> int:
    """Do the act for each row; for how many it went well.

    A row for which it fails does not stop the others: it says why, and is tried again later. A
    store that is away does, and then no row is to blame; and so does one that refuses too many.
    """
    count = refused = 0
    for row in rows:
        try:
            count += retrying.attempt(row, partial(act, row))
        except Unavailable as error:
            availability.check_answers()
            log.warning("%s waits: %s", row, error)
            retrying.postpone(row, error.message)
            refused += 1
            if refused > REFUSED_ROWS:
                raise
    return count


def resume_joining() -> int:
    """Go on with joinings that were left: the client's request was killed on its way."""
    left = Upload.objects.filter(
        retrying.due(), state=State.JOINING, active_at__lt=timezone.now() - joining_left_after()
    ).select_related("container", "created_by", "token")

    def go_on(upload: Upload) -> None:
        if joining.take_up_joining(upload):
            try:
                joining.join(upload, settling=SETTLING)
            except Invalid as error:
                log.info("Upload %s is open again: %s", upload.public_id, error)

    return each(left[:BATCH], go_on)


def expire_idle() -> int:
    """open → expired, where nothing has happened for UPLOAD_IDLE_HOURS."""
    return reserving.expire(Upload.objects.filter(active_at__lt=idle_since()))


def drop_left_parts() -> int:
    """Make the store drop, once and for all, what ended uploads may have left in parts.

    Only when no address of theirs is alive and no part can be on its way any more: where an upload
    was joined or dropped while a part was being sent, that part has opened it again.
    """

    def drop(upload: Upload) -> None:
        object_store().abort_parts(upload.key, upload.store_id)
        Upload.objects.filter(pk=upload.pk).update(store_id="", **retrying.CLEARED)

    left = Upload.objects.filter(retrying.due(), state__in=Upload.ENDED, active_at__lt=idle_since())
    return each(left.exclude(store_id="").order_by("id")[:BATCH], drop)


def drop_removed() -> int:
    """Drop what was removed and is kept no longer: images, then what they were in.

    A container waits for the uploads into it: they end by themselves, refused or expired, and their
    rows go with it once the store has nothing left of them. What was refused is kept no longer.
    """
    count = dropping.drop_images()
    containers = dropping.containers_past()
    if containers.exists():
        into_it = Upload.objects.filter(container__in=containers.values("pk"))
        reserving.expire(into_it)
        # What was refused is kept no longer than the container; its row stays until the bytes went.
        refused = into_it.filter(state=State.REFUSED).values("blob")
        kept = Blob.objects.filter(blobs.KEPT, pk__in=refused)
        blobs.end_keeping(*kept.values_list("pk", flat=True))
        ended = into_it.filter(state__in=Upload.ENDED, store_id="").order_by("id")
        ended = ended.exclude(state=State.REFUSED, blob__state__in=blobs.STORED_FOR_NOBODY)
        keys = list(ended.values_list("pk", flat=True)[: dropping.BATCH])
        Upload.objects.filter(pk__in=keys).delete()
        count += len(keys)
    return count + dropping.drop_places()


def collect_condemned() -> int:
    """condemned → leaving → gone; not while a backup has paused it.

    What is kept for a time goes before its time where room is short.
    """
    pause = pausing.current()
    if pause is not None:
        log.debug("collect_condemned is paused until %s: %s", pause.until, pause)
        return 0
    bringing_back.end_for_the_retired()
    room.keep_ahead()
    return _collect_all(list(blobs.to_collect()[:BATCH]))


def _collect_all(batch: Sequence[Blob]) -> int:
    """By one request to the store; where it refuses some of them, one by one."""
    try:
        return blobs.collect_all(batch)
    except Unavailable as error:
        log.warning("The store did not remove %d objects at once: %s", len(batch), error)
        return each(batch, blobs.collect)


def drop_idle_claims() -> int:
    """Delete images that were announced and never brought bytes."""
    idle = Image.objects.filter(blob__isnull=True, created_at__lt=idle_since()).exclude(
        uploads__state__in=Upload.UNDER_WAY
    )
    with transaction.atomic():
        # Locked: one that is linked at this moment, and called uploaded, is no claim any more.
        locked = idle.select_for_update(skip_locked=True, of=("self",)).order_by("id")
        keys = [image.pk for image in locked[:BATCH]]
        Image.objects.filter(pk__in=keys).delete()
    return len(keys)


def drop_unknown_parts() -> int:
    """Drop uploads in parts that the store has and no row knows: killed before the row came.

    Under keys of our form only: other things in the bucket are others' matter.
    """
    count = 0
    for open_parts in object_store().open_parts(begun_before=idle_since()):
        known = Upload.objects.filter(key=open_parts.key, store_id=open_parts.store_id)
        if is_blob_key(open_parts.key) and not known.exists():
            object_store().abort_parts(open_parts.key, open_parts.store_id)
            count += 1
    return count


def joining_left_after() -> timedelta:
    """A request that joins parts has ended by then, or was killed: it waits twice for the store."""
    patience = settings.MINIO_CONNECT_TIMEOUT_SECONDS + settings.MINIO_READ_TIMEOUT_SECONDS
    return timedelta(seconds=2 * patience + 20)


def idle_since() -> datetime:
    """What has not moved since is given up."""
    return timezone.now() - timedelta(hours=settings.UPLOAD_IDLE_HOURS)
