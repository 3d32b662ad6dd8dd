"""Blobs: proven once, condemned when no row needs them, and collected: rows first, then bytes."""

from collections.abc import Sequence

from django.db import connection, transaction
from django.utils import timezone

from shub import retrying
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
    blob.read_at = timezone.now()
    blob.save(update_fields=["state", "read_at"])
    return blob


def keep(blob: Blob) -> Blob | None:
    """The blob, locked, so that an image can have it; None where it cannot be had any more.

    One that was condemned meanwhile is taken back, unless its bytes are leaving the store already,
    were damaged, or other proven bytes of this digest are there. Runs in the caller's transaction.
    """
    _wait_for_others(blob.digest)
    locked = first(Blob.objects.select_for_update().filter(pk=blob.pk))
    if locked is None or locked.state not in {State.PROVEN, State.CONDEMNED}:
        return None
    if locked.state == State.CONDEMNED:
        if locked.damaged_at is not None:
            return None
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


def recover(blob: Blob) -> Blob | None:
    """damaged → proven: its bytes were read just now, and are right. None where it is not damaged,
    or other proven bytes of this digest are there. Runs in the caller's transaction.
    """
    _wait_for_others(blob.digest)
    locked = first(Blob.objects.select_for_update().filter(pk=blob.pk, state=State.DAMAGED))
    proven = Blob.objects.filter(
        algorithm=blob.algorithm, digest=blob.digest, state=State.PROVEN
    ).exists()
    if locked is None or proven:
        return None
    locked.state = State.PROVEN
    locked.read_at = timezone.now()
    locked.damaged_at, locked.damage = None, ""
    retrying.clear(locked)
    locked.save(update_fields=["state", "read_at", "damaged_at", "damage", *retrying.FIELDS])
    return locked


def spare_copies(digest: str) -> list[Blob]:
    """Condemned blobs that claim this digest and whose bytes have not begun to leave, the newest
    first. Nobody vouches for them: the caller reads them."""
    return list(Blob.objects.filter(digest=digest, state=State.CONDEMNED).order_by("-id"))


def collect(blob: Blob) -> None:
    """Remove a condemned blob's bytes from the store, then say that they are gone.

    Before the store is asked the row says that they are leaving: from then on nobody takes them
    back. Whoever is killed in between leaves a row that the next sweep goes on with.

    Nothing happens while the collection is paused.
    """
    collect_all([blob])


def collect_all(condemned: Sequence[Blob]) -> int:
    """The same of several, by one request to the store; how many have gone.

    Unavailable where the store has not removed all of them: then each is still leaving.
    """
    leaving = _write_leaving(condemned)
    if leaving:
        object_store().remove([blob.key for blob in leaving])
        _write_gone(leaving)
    return len(leaving)


def _write_leaving(condemned: Sequence[Blob]) -> list[Blob]:
    """Those of them that leave the store now, which their rows say from now on."""
    # In the order of their keys, as all who lock several: two sweeps do not meet crosswise.
    locked = Blob.objects.select_for_update().order_by("pk")
    with transaction.atomic(durable=True):
        if pausing.holds_collection():
            return []
        leaving = list(
            locked.filter(
                pk__in=[blob.pk for blob in condemned],
                state__in=[State.CONDEMNED, State.LEAVING],
            )
        )
        Blob.objects.filter(pk__in=[blob.pk for blob in leaving]).update(state=State.LEAVING)
    return leaving


def _write_gone(leaving: Sequence[Blob]) -> None:
    """leaving → gone: from now on the bytes count for nobody."""
    locked = Blob.objects.select_for_update().order_by("pk")
    with transaction.atomic():
        left = list(locked.filter(pk__in=[blob.pk for blob in leaving], state=State.LEAVING))
        Blob.objects.filter(pk__in=[blob.pk for blob in left]).update(state=State.GONE)
        ledger.change_site(stored=-sum(blob.size for blob in left))


def _wait_for_others(digest: str) -> None:
    """Two that make the same bytes proven at the same moment: one waits for the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [digest])
