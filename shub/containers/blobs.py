"""Blobs: proven once, condemned when no row needs them, and collected: rows first, then bytes."""

from django.db import connection, transaction

from shub.containers import ledger, pausing
from shub.containers.models import Blob, Image, RemovedImage
from shub.rows import first
from shub.storage import object_store

State = Blob.State


def prove(blob: Blob) -> Blob:
    """The one proven blob of these bytes: an earlier one where there is one, else this."""
    _wait_for_others(blob.digest)
    earlier = (
        Blob.objects.select_for_update()
        .filter(algorithm=blob.algorithm, digest=blob.digest, state=State.PROVEN)
        .first()
    )
    if earlier is not None:
        condemn(blob)
        return earlier
    blob.state = State.PROVEN
    blob.save(update_fields=["state"])
    return blob


def keep(blob: Blob) -> Blob | None:
    """The blob, locked, so that an image can have it; None where it cannot be had any more.

    One that was condemned meanwhile is taken back, unless its bytes are leaving the store already
    or other proven bytes of this digest are there. Runs in the caller's transaction.
    """
    _wait_for_others(blob.digest)
    locked = first(Blob.objects.select_for_update().filter(pk=blob.pk))
    if locked is None or locked.state not in {State.PROVEN, State.CONDEMNED}:
        return None
    if locked.state == State.CONDEMNED:
        if Blob.objects.filter(digest=blob.digest, state=State.PROVEN).exists():
            return None
        locked.state = State.PROVEN
        locked.save(update_fields=["state"])
    return locked


def release(blob_id: int) -> None:
    """Condemn the blob if no image has it any more, and none that was removed and can come back.

    Runs in the caller's transaction. With the blob locked no image goes from the one to the other:
    the row that is written then asks for the blob's key.
    """
    blob = Blob.objects.select_for_update().get(pk=blob_id)
    if not any(kind.objects.filter(blob=blob).exists() for kind in (Image, RemovedImage)):
        condemn(blob)


def condemn(blob: Blob) -> None:
    """No row needs these bytes: the sweep removes them."""
    blob.state = State.CONDEMNED
    blob.save(update_fields=["state"])


def collect(blob: Blob) -> None:
    """Remove a condemned blob's bytes from the store, then say that they are gone.

    Before the store is asked the row says that they are leaving: from then on nobody takes them
    back. Whoever is killed in between leaves a row that the next sweep goes on with.

    Nothing happens while the collection is paused.
    """
    condemned = Blob.objects.filter(pk=blob.pk, state__in=[State.CONDEMNED, State.LEAVING])
    with transaction.atomic(durable=True):
        leaves = not pausing.holds_collection() and condemned.update(state=State.LEAVING)
    if leaves:
        object_store().remove([blob.key])
        _write_gone(blob)


def _write_gone(blob: Blob) -> None:
    """leaving → gone: from now on the bytes count for nobody."""
    with transaction.atomic():
        left = Blob.objects.filter(pk=blob.pk, state=State.LEAVING)
        if left.update(state=State.GONE):
            ledger.change_site(stored=-blob.size)


def _wait_for_others(digest: str) -> None:
    """Two that make the same bytes proven at the same moment: one waits for the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [digest])
