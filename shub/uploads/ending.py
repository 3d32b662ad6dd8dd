"""Ending an upload that brings no image: what was refused is said, and what it left is dropped."""

import logging
from typing import NoReturn

from django.db import transaction

from shub.containers import recording
from shub.containers.models import Image
from shub.errors import Conflict, Unavailable
from shub.storage import object_store
from shub.uploads import reserving
from shub.uploads.models import Upload

log = logging.getLogger(__name__)

State = Upload.State


def refuse(upload: Upload, reason: str) -> None:
    """open or joining → refused, before any object was made."""
    with transaction.atomic():
        changed = Upload.objects.filter(pk=upload.pk, state__in=[State.OPEN, State.JOINING]).update(
            state=State.REFUSED, reason=reason
        )
        upload.refresh_from_db()
        if changed:
            write_refusal(upload)
            drop_claim(upload)
            upload.save(update_fields=["image", "waiting_tags"])
            reserving.end_unsent(upload)
    drop_parts(upload)


def abort(upload: Upload) -> bool:
    """open → aborted, and what came of it is dropped; whether it was open."""
    with transaction.atomic():
        aborted = Upload.objects.filter(pk=upload.pk, state=State.OPEN).update(state=State.ABORTED)
        if aborted:
            reserving.end_unsent(upload)
    if aborted:
        drop_parts(upload)
    return bool(aborted)


def write_refusal(upload: Upload) -> None:
    """Say in the trail what was refused, and why: where a pusher looks who has gone away."""
    recording.record(
        "upload.refused",
        upload.container,
        by=upload.pusher,
        push=upload.public_id,
        hash=f"sha256.{upload.digest}",
        reason=upload.reason,
    )


def drop_claim(upload: Upload) -> None:
    """Delete the image of a refused upload where it is a mere claim that nothing else backs. The
    tags that waited for it are noted: they may be wanted again.

    Runs in the caller's transaction; the caller saves the upload.
    """
    # Locked first: another upload of the same image may be proven at this moment.
    if upload.image_id is None:
        return
    image = Image.objects.select_for_update().filter(pk=upload.image_id).first()
    if image is None or image.blob_id is not None:
        return
    others = image.uploads.exclude(pk=upload.pk).exclude(state__in=Upload.ENDED)
    if not others.exists():
        upload.image = None
        waiting = image.pending_tags.order_by("asked_at", "id")
        upload.waiting_tags = [[tag.name, tag.arch] for tag in waiting]
        image.delete()


def drop_parts(upload: Upload) -> None:
    """Make the store drop what an ended upload has in parts, as far as it can be asked now.

    The row goes on naming the store's upload: a part that is on its way at this moment arrives
    later, and in some stores (JuiceFS) opens the upload again. The sweep drops it once more, when
    no address is alive.
    """
    try:
        object_store().abort_parts(upload.key, upload.store_id)
    except Unavailable:
        log.info("The parts of upload %s are left to the sweep.", upload.public_id)


def refuse_ended(upload: Upload) -> NoReturn:
    """Conflict, with what became of the upload."""
    became = {
        State.OPEN: "lacks parts, or has other parts than were named",
        State.JOINING: "is being joined",
        State.VERIFYING: "has arrived and is being verified",
        State.DONE: "is complete",
        State.REFUSED: f"was refused: {upload.reason}",
        State.EXPIRED: "expired",
        State.ABORTED: "was aborted",
    }[State(upload.state)]
    raise Conflict(f"This upload {became}. Push the image again if it is missing.")


# ── words that are said in more than one place ──
def other_bytes(digest: str) -> str:
    """The bytes are not those that were announced. What they are instead is not said: whoever sent
    them knows."""
    return (
        f"The bytes that arrived do not have the SHA-256 {digest} that the image was announced "
        "with. It was changed on the way, or while it was read: push it again."
    )


def other_size(expected: int, received: int | None) -> str:
    """Another number of bytes came than was announced."""
    return f"Expected {expected} bytes, received {received}. Push the image again."
