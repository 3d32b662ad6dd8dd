"""Sending an image in parts: begin, sign a part, complete, abort.

A single upload is one of one part, so that no address outlives the joining that can change what was
joined.
"""

import logging
from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from shub import request_ids
from shub.accounts.callers import Caller
from shub.containers import usage
from shub.containers.images import pushable_image
from shub.containers.models import Image
from shub.errors import Conflict, Invalid, OverQuota
from shub.rows import first
from shub.storage import Part, object_store
from shub.storage.keys import blob_key
from shub.uploads import ending, joining, reserving, resuming, room
from shub.uploads.models import Upload
from shub.uploads.parts import (
    BODY_PART_BYTES,
    LARGEST_PART,
    MOST_PARTS,
    arrived_parts,
    check_all_parts,
    check_part,
    part_bytes_for,
)

log = logging.getLogger(__name__)

State = Upload.State

# How often a signed part is written down as a sign of life, at most.
ACTIVE_EVERY_SECONDS = 60

# A caller's newest upload whose bytes are there is looked for among so many.
UPLOADS_LOOKED_AT = 20


# ── begin ──
def begin(
    *,
    image_id: str,
    size: int,
    kind: Upload.Kind,
    by: Caller,
    sha256: str = "",
) -> Upload:
    """Begin to send the image. Several uploads of one image may be open at once.

    OverQuota where there is no room for it beside what is stored and what is under way.
    """
    image = pushable_image(image_id, by=by)
    if sha256 and sha256 != image.digest:
        raise Invalid(
            f"The image was announced with the hash {image.digest}, and is now said to have "
            f"{sha256}. Push it again."
        )
    check_size(size, kind)
    resuming.give_up_silent(image, by=by)
    usage.check_quota(image.container.collection.entity, digest=image.digest, size=size, by=by)
    _check_room(image, size, by=by)
    upload = Upload(
        container=image.container,
        image=image,
        announced_id=image.public_id,
        kind=kind,
        digest=image.digest,
        size=size,
        part_bytes=part_bytes_for(size, kind),
        created_by=by.known,
        token=by.token,
        address=by.address,
    )
    upload.key = blob_key(image.digest, upload.public_id)
    # The store first: parts without a row are found and dropped by the sweep, a row without an
    # upload in the store would be a lie.
    upload.store_id = object_store().start_parts(upload.key)
    try:
        reserving.begin(upload, by=by)
    except OverQuota:
        ending.drop_parts(upload)
        raise
    except IntegrityError as error:
        # The image was removed since it was looked up.
        ending.drop_parts(upload)
        raise Conflict(
            "Something that this needs changed at the same moment. Try again."
        ) from error
    request_ids.follow(upload.public_id)
    log.info(
        "Upload %s of image %s begins: %d bytes, %s.",
        *(upload.public_id, image.public_id, size, kind.value),
    )
    return upload


def _check_room(image: Image, size: int, *, by: Caller) -> None:
    """As `room.check_room`; where there is none, what the caller's own dead tries of this image
    have been promised is looked at too."""
    try:
        room.check_room(size)
    except OverQuota:
        missing = room.lacks(size)
        # Or room has come since it was looked at.
        if missing and not resuming.give_up_for_room(image, missing, by=by):
            raise
        room.check_room(size)


def check_size(size: int, kind: Upload.Kind) -> None:
    """Invalid where no store takes so many bytes that way."""
    if size < 1:
        raise Invalid(f"An image has at least one byte; this one is said to have {size}.")
    if kind == Upload.Kind.SINGLE and size > LARGEST_PART:
        way = (
            "push it with a client that sends parts (Singularity 3.5.3 or newer, any Apptainer)."
            if settings.MINIO_MULTIPART_UPLOAD
            else "ask the administrator to let clients send parts (MINIO_MULTIPART_UPLOAD)."
        )
        raise Invalid(
            f"One upload address takes at most {LARGEST_PART} bytes (5 GiB), the image has {size}: "
            + way
        )
    if kind == Upload.Kind.BODY and size > BODY_PART_BYTES * MOST_PARTS:
        raise Invalid(
            f"An image that is sent as one body has at most {BODY_PART_BYTES * MOST_PARTS} bytes, "
            f"this one has {size}: push it with a client that sends parts (Singularity 3.5.3 or "
            "newer, any Apptainer)."
        )
    if size > LARGEST_PART * MOST_PARTS:
        raise Invalid(f"A store takes at most {LARGEST_PART * MOST_PARTS} bytes, not {size}.")


# ── sign ──
def single_address(upload: Upload, *, sha256: str, asked_host: str) -> str:
    """The address that takes the whole image in one PUT, and no more bytes than were announced.

    Bound to its hash where the client says one: up to Singularity 3.5.2 they say none, and do not
    send the header that the store would then ask for. What arrives is hashed either way.
    """
    return object_store().part_address(
        upload.key, upload.store_id, 1, sha256, size=upload.size, asked_host=asked_host
    )


def sign_part(
    *,
    image_id: str,
    upload_id: str,
    number: int,
    size: int,
    sha256: str,
    by: Caller,
    asked_host: str,
) -> str:
    """An address that takes this part, of this size, in one PUT.

    Bound to its hash where the client says one.
    """
    upload = own_upload(image_id=image_id, upload_id=upload_id, by=by)
    if upload.state != State.OPEN:
        ending.refuse_ended(upload)
    check_part(upload, number=number, size=size)
    keep_alive(upload)
    return object_store().part_address(
        upload.key, upload.store_id, number, sha256, size=size, asked_host=asked_host
    )


def keep_alive(upload: Upload) -> None:
    """Write down that the upload is in use; Conflict when it ended meanwhile."""
    now = timezone.now()
    if (now - upload.active_at).total_seconds() < ACTIVE_EVERY_SECONDS:
        return
    if not Upload.objects.filter(pk=upload.pk, state=State.OPEN).update(active_at=now):
        upload.refresh_from_db()
        ending.refuse_ended(upload)


# ── complete ──
def complete(*, image_id: str, upload_id: str, parts: Sequence[Part], by: Caller) -> Upload:
    """Join the parts, in order, and hand the image over to verification. Again is no error."""
    refused = refused_upload(image_id=image_id, by=by, public_id=upload_id)
    if refused is not None:
        return refused
    upload = own_upload(image_id=image_id, upload_id=upload_id, by=by)
    if upload.state == State.OPEN:
        joining.hand_over(upload, check_all_parts(upload, parts), by=by)
    if upload.state in {State.EXPIRED, State.ABORTED}:
        ending.refuse_ended(upload)
    return upload


def complete_single(*, image_id: str, by: Caller) -> Upload | None:
    """Hand over the caller's newest upload of the image whose bytes are there.

    The request names no upload. None when the image is proven and no upload of the caller's is
    left to speak of; Invalid when no bytes have arrived.
    """
    refused = refused_upload(image_id=image_id, by=by)
    if refused is not None:
        return refused
    image = pushable_image(image_id, by=by)
    uploads = image.uploads.filter(created_by=by.user, kind=Upload.Kind.SINGLE).order_by("-id")
    for upload in uploads[:UPLOADS_LOOKED_AT]:
        upload.container = image.container
        if upload.state == State.OPEN:
            arrived = arrived_parts(upload)
            if arrived:
                request_ids.follow(upload.public_id)
                check_single_size(upload, arrived[0])
                joining.hand_over(upload, arrived[:1], by=by)
            else:
                # Or another request has joined them since we looked.
                upload.refresh_from_db()
        if upload.is_handed_over:
            request_ids.follow(upload.public_id)
            return upload
    if image.is_proven:
        return None
    raise Invalid(
        "No bytes have arrived for this image: send them to the upload address, then complete."
    )


def refused_upload(*, image_id: str, by: Caller, **which: str) -> Upload | None:
    """The caller's last upload of an image whose claim went with its refusal."""
    refused = Upload.objects.filter(
        announced_id=image_id, image=None, created_by=by.user, state=State.REFUSED, **which
    )
    found = refused.order_by("-id").first()
    if found is not None:
        request_ids.follow(found.public_id)
    return found


def check_single_size(upload: Upload, part: Part) -> None:
    """Refuse the upload when another number of bytes came than was announced."""
    if part.size != upload.size:
        ending.refuse(upload, ending.other_size(upload.size, part.size))
        raise Invalid(upload.reason)


# ── end ──
def abort(*, image_id: str, upload_id: str, by: Caller) -> None:
    """Give the upload up, and its parts. Again is no error; too late is a Conflict."""
    upload = own_upload(image_id=image_id, upload_id=upload_id, by=by)
    if ending.abort(upload):
        return
    upload.refresh_from_db()
    if upload.state not in {State.ABORTED, State.EXPIRED}:
        raise Conflict("The upload is already complete: there is nothing left to abort.")
    ending.drop_parts(upload)


def own_upload(*, image_id: str, upload_id: str, by: Caller) -> Upload:
    """The caller's own upload of the image, if they may push there; else Conflict.

    Never NotFound: clients take a 404 for "send it as one body", and begin in the middle.
    """
    image = pushable_image(image_id, by=by)
    found = first(image.uploads.filter(public_id=upload_id, created_by=by.user))
    if found is None:
        raise Conflict(f"You have no upload {upload_id!r} of this image. Push it again.")
    found.container = image.container
    request_ids.follow(found.public_id)
    return found
