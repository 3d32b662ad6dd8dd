"""Bytes: all of the proven blobs, those first that were not read for the longest.

What was read right says so on its row (`read_at`): that is the memory by which the next run, the
sweep, or another machine goes on.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import Count, Q, Sum

from shub.containers import fixity
from shub.containers.damage import AfterEach
from shub.containers.models import Blob
from shub.errors import Unavailable
from shub.operations.fsck import repairing
from shub.operations.fsck.course import Course
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import MISSING, OTHER_BYTES, OTHER_SIZE, UNREADABLE
from shub.operations.fsck.looking import images_of, look
from shub.storage import object_store

AT_ONCE = 100

# So often an object is tried that the store breaks off although it answers.
TRIES = 3


def check(course: Course) -> None:
    """Read them; only where that was asked for."""
    if not course.options.read:
        return
    wanted = _wanted(course)
    totals = course.patiently(lambda: wanted.aggregate(count=Count("pk"), size=Sum("size")))
    course.progress.begin("Bytes", int(totals["size"] or 0), in_bytes=True)
    position = course.position
    while True:
        blobs = course.patiently(partial(_next, wanted, position))
        for blob in blobs:
            _read(course, blob)
            course.counted["blobs read"] += 1
            position = [blob.read_last.isoformat(), blob.pk]
            course.reached(position)
        if len(blobs) < AT_ONCE:
            return


def _wanted(course: Course) -> Any:
    before = course.began_at - timedelta(days=course.options.older_than_days)
    proven = Blob.objects.annotate(read_last=fixity.READ_LAST).filter(
        state=Blob.State.PROVEN, read_last__lt=before
    )
    if course.options.newest:
        newest = Blob.objects.filter(state=Blob.State.PROVEN).order_by("-id")
        keys = list(newest.values_list("pk", flat=True)[: course.options.newest])
        proven = proven.filter(pk__gte=keys[-1] if keys else 0)
    return proven


def _next(wanted: Any, position: list[str | int] | None) -> list[Any]:
    if position is not None:
        last, key = datetime.fromisoformat(str(position[0])), position[1]
        after: Any = Q(read_last__gt=last) | Q(read_last=last, pk__gt=key)
        wanted = wanted.filter(after)
    return list(wanted.order_by("read_last", "pk")[:AT_ONCE])


def _read(course: Course, blob: Any) -> None:
    before = course.progress.done

    def show(size: int) -> None:
        course.progress.advance(max(0, before + size - course.progress.done))

    verdict = course.patiently(partial(_try, blob, show, course.options.bytes_per_second))
    if isinstance(verdict, Unavailable):
        course.take(Finding(UNREADABLE, blob.key, verdict.message, images=_images(course, blob)))
        return
    course.counted["bytes read"] += blob.size
    if verdict.is_right:
        course.patiently(partial(fixity.note_read, blob))
        return
    seen = course.patiently(partial(look, blob.key))
    if seen.known.state != Blob.State.PROVEN or seen.kind in (MISSING, OTHER_SIZE):
        return  # no image has it any more, or it was found when the objects were compared
    mend = partial(repairing.mend_bytes, blob, verdict, rate=course.options.bytes_per_second)
    course.take(Finding(OTHER_BYTES, blob.key, verdict.fault, mend, images=_images(course, blob)))


def _try(blob: Blob, show: AfterEach, rate: int) -> "fixity.Verdict | Unavailable":
    """What reading it showed; the refusal where the store answers, and does not give it."""
    for _ in range(TRIES):
        try:
            return fixity.examine(blob, show, rate=rate)
        except Unavailable as error:
            # Away altogether: that is waited for.
            object_store().stat(blob.key)
            refusal = error
    return refusal


def _images(course: Course, blob: Blob) -> tuple[str, ...]:
    return course.patiently(partial(images_of, blob.pk))
