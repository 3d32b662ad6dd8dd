"""Resuming: a push that begins again after a failure takes over what the store has already.

Clients know nothing of their earlier tries: they ask whether an image is there, announce it where
it is not, and send all of it or nothing. So one whose parts have all arrived is handed over when it
is announced again, and nothing is sent; of others, what was left is dropped when it is begun anew.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from shub import request_ids
from shub.accounts.callers import Caller
from shub.containers.models import Image
from shub.errors import Invalid, OverQuota, Unavailable
from shub.storage import Part
from shub.uploads import ending, joining, reserving
from shub.uploads.models import Upload
from shub.uploads.parts import all_parts
from shub.uploads.waiting import wait_for_verdict

log = logging.getLogger(__name__)

State = Upload.State

# Each that is looked at costs a question to the store.
MOST_LOOKED_AT = 3

# A client that is alive asks for its next part sooner, unless it sends a part very slowly.
SILENT = timedelta(minutes=10)
SLOWEST_BYTES_PER_SECOND = 1024**2

# The same where the room that is kept for it is missing now: a part may stand still for the five
# minutes for which our nginx waits, and signs of life are written down once a minute at most.
SILENT_WITHOUT_ROOM = timedelta(minutes=6)


# ── announced again ──
def resume(image: Image, *, by: Caller) -> Upload | None:
    """Hand over the caller's earlier upload of the image whose parts have all arrived, and wait for
    the verdict a while; None where there is none.

    The image's claim may have gone with a refusal then. The store is asked only where the caller
    has an open upload of the image.
    """
    for upload in _open(image, by=by).order_by("-id")[:MOST_LOOKED_AT]:
        upload.container = image.container
        parts = all_parts(upload)
        if parts and _hand_over(upload, parts, by=by):
            return wait_for_verdict(upload)
    return None


def has_open(image: Image, *, by: Caller) -> bool:
    """Whether the caller has begun to send the image, and nobody has said that it is complete."""
    return by.user is not None and _open(image, by=by).exists()


def _open(image: Image, *, by: Caller) -> QuerySet[Upload]:
    return image.uploads.filter(created_by=by.user, state=State.OPEN)


def _hand_over(upload: Upload, parts: Sequence[Part], *, by: Caller) -> bool:
    """Whether it was handed over, now or by another request. Where there is no room for it the
    client is told when it begins anew."""
    request_ids.follow(upload.public_id)
    # The token that it was begun with may have been replaced since.
    ours = Upload.objects.filter(pk=upload.pk, state=State.OPEN)
    ours.update(token=by.token, address=by.address)
    try:
        joining.hand_over(upload, parts, by=by)
    except (OverQuota, Invalid) as refusal:
        log.info("Upload %s is not gone on with: %s", upload.public_id, refusal.message)
        return False
    log.info("Upload %s is gone on with: all of its parts had arrived.", upload.public_id)
    return True


# ── begun anew ──
def give_up_silent(image: Image, *, by: Caller) -> None:
    """Abort the caller's earlier uploads of the image that nobody goes on with, and drop their
    parts: the room is needed for what comes now.

    Nothing is asked where the image was announced a moment ago.
    """
    now = timezone.now()
    if image.created_at > now - SILENT:
        return
    earlier = image.uploads.filter(
        created_by=by.user, state=State.OPEN, active_at__lt=now - SILENT
    ).order_by("id")
    for upload in earlier:
        upload.container = image.container
        last_sign = now - silent_after(upload)
        if give_up(upload, silent_since=last_sign):
            log.info("Upload %s is given up: its image is begun anew.", upload.public_id)
            ending.drop_parts(upload)


def give_up_for_room(image: Image, missing: int, *, by: Caller) -> bool:
    """The same sooner, where so many bytes of room are missing: whether any was given up.

    A client that was killed cannot be told from one whose part is on its way but by its silence,
    and two jobs may well push one image at once: the one that began first must not fail since the
    other came. So one that may be alive is left alone, whatever that costs the later one. Only one
    whose part comes far more slowly than SLOWEST_BYTES_PER_SECOND counts as dead and is not.
    Unavailable, with the time to wait, where room for it may come by its end.
    """
    now = timezone.now()
    earlier = list(_open(image, by=by).order_by("id"))
    dead_at = {
        each.pk: each.active_at + silent_after(each, SILENT_WITHOUT_ROOM) for each in earlier
    }
    ended = 0
    for upload in earlier:
        upload.container = image.container
        if dead_at[upload.pk] < now and give_up(upload, silent_since=now - SILENT_WITHOUT_ROOM):
            log.info("Upload %s is given up: its room is needed by the next.", upload.public_id)
            ending.drop_parts(upload)
            ended += 1
    if not ended and earlier and missing <= sum(each.size for each in earlier):
        wait = max(min(dead_at.values()) - now, timedelta())
        minutes = int(wait.total_seconds()) // 60 + 1
        raise Unavailable(
            "The room that is left is kept for an earlier push of yours of this same image, which "
            f"may still be under way. If it is not, push again in {minutes} "
            f"minute{'s' if minutes > 1 else ''}: what is kept for it may be free then."
        )
    return bool(ended)


def silent_after(upload: Upload, silent: timedelta = SILENT) -> timedelta:
    """After how long without a sign of life it is taken for dead: a part says none on its way."""
    return silent + timedelta(seconds=upload.part_bytes / SLOWEST_BYTES_PER_SECOND)


def give_up(upload: Upload, *, silent_since: object) -> bool:
    """open → aborted, unless it has moved meanwhile; the room that was kept for it is free."""
    silent = Upload.objects.filter(pk=upload.pk, state=State.OPEN, active_at__lt=silent_since)
    with transaction.atomic():
        given_up = bool(silent.update(state=State.ABORTED))
        if given_up:
            reserving.end_unsent(upload)
    return given_up
