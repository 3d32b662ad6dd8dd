"""Joining: the parts of an upload become one object, asked for by one caller at a time."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.utils import timezone

from shub import retrying
from shub.accounts.callers import Caller
from shub.containers import blobs, usage
from shub.containers.models import Blob
from shub.errors import Invalid
from shub.storage import IncompleteParts, NoSuchObject, Part, object_store
from shub.uploads import ending, reserving, room
from shub.uploads.models import Upload

State = Upload.State

# The channel on which the sweep hears that an upload waits to be verified.
CHANNEL = "shub_uploads"


def hand_over(upload: Upload, parts: Sequence[Part], *, by: Caller) -> None:
    """Have the parts joined and verified: all of them are there, in order.

    OverQuota when a quota was made smaller since the upload began, and others have the room. Of
    several callers one joins; to the others the upload shows what becomes of it.
    """
    entity = upload.container.collection.entity
    usage.check_still_room(entity, digest=upload.digest, size=upload.size, by=by)
    usage.check_still_site_room(upload.size)
    if start_joining(upload, parts):
        join(upload)


def start_joining(upload: Upload, parts: Sequence[Part]) -> bool:
    """open → joining, with the parts written down, so that the sweep can go on from there.

    True for the one caller who is to join them now: stores refuse a second joining at the same
    time, some with words that read like a wrong key. The others wait for what becomes of it.
    """
    written = [[part.number, part.etag] for part in parts]
    began = Upload.objects.filter(pk=upload.pk, state=State.OPEN).update(
        state=State.JOINING, parts=written, active_at=timezone.now()
    )
    upload.refresh_from_db()
    return bool(began)


def take_up_joining(upload: Upload) -> bool:
    """True for the one caller who is to go on with a joining that was left by another."""
    return bool(
        Upload.objects.filter(pk=upload.pk, state=State.JOINING, active_at=upload.active_at).update(
            active_at=timezone.now()
        )
    )


def join(upload: Upload, *, settling: timedelta = timedelta()) -> None:
    """joining → verifying: make the parts one object. Again is no error, at the same time it is:
    two joinings at once spoil the object in some stores (JuiceFS: its size, other bytes).

    So whoever goes on with another's joining says how long that may still be `settling` in the
    store: only then is the object read and hashed.

    Invalid when the parts are not there as named (the upload is open again) or have another size
    than announced (it is refused); Unavailable when the store is away (the sweep goes on).
    """
    parts = [Part(number, etag) for number, etag in upload.parts]
    try:
        stored = object_store().finish_parts(upload.key, upload.store_id, parts)
    except IncompleteParts as error:
        Upload.objects.filter(pk=upload.pk, state=State.JOINING).update(
            state=State.OPEN, parts=[], **retrying.CLEARED
        )
        raise Invalid(f"{error} Push the image again.") from error
    except NoSuchObject:
        upload.refresh_from_db()
        if upload.state == State.JOINING:
            ending.refuse(
                upload, "The store no longer has the parts of this upload. Push it again."
            )
        return
    take_over(upload, stored_size=stored.size, settling=settling)


def take_over(upload: Upload, *, stored_size: int, settling: timedelta) -> None:
    """Write down that the object is there: to be verified, or of the wrong size and refused."""
    with transaction.atomic(durable=True):
        row = Upload.objects.select_for_update().get(pk=upload.pk)
        if row.state == State.JOINING:
            wrong_size = stored_size != row.size
            row.blob = Blob.objects.create(
                digest=row.digest,
                size=stored_size,
                key=row.key,
                state=Blob.State.PENDING,
            )
            row.active_at = timezone.now()
            row.leased_until = row.active_at + settling if settling else None
            row.state = State.VERIFYING
            if wrong_size:
                row.state = State.REFUSED
                row.reason = ending.other_size(row.size, stored_size)
                ending.write_refusal(row)
                ending.drop_claim(row)
                blobs.condemn(row.blob, keep=True)
            retrying.clear(row)
            row.save()
            tell_sweeps()
            reserving.arrive(row)
    if row.state == State.REFUSED:
        room.keep_within_quota(row.container.collection.entity)
    upload.refresh_from_db()


def tell_sweeps() -> None:
    """Wake the sweeps, when the caller's transaction ends: an upload waits to be verified."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])
