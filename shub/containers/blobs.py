"""Blobs: proven once, condemned when no row needs them, and collected: rows first, then bytes.

Between the two some are kept for a while, for as long as there is room for them.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q, QuerySet, Sum, Window
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from shub import retrying
from shub.containers import ledger, pausing
from shub.containers.models import Blob, Image, RemovedImage
from shub.rows import first
from shub.storage import object_store

State = Blob.State

# Postgres' advisory lock of who makes room.
ROOM_LOCK = 0x5B_06_0F_30

# How many copies are read at most to heal damaged bytes.
MOST_SPARES = 4

# Condemned, and not to be removed yet. The database's clock counts, for all who ask.
KEPT = Q(state=State.CONDEMNED, kept_until__gt=Now())

# Nobody has them, and the store does, or may.
STORED_FOR_NOBODY = (State.CONDEMNED, State.LEAVING)

# To be removed. What leaves is kept no longer.
NOT_KEPT = Q(Q(kept_until__isnull=True) | Q(kept_until__lte=Now()), state__in=STORED_FOR_NOBODY)


def prove(blob: Blob) -> Blob:
    """The one proven blob of these bytes: an earlier one where there is one, else this."""
    _wait_for_others(blob.digest)
    earlier = (
        Blob.objects.select_for_update()
        .filter(algorithm=blob.algorithm, digest=blob.digest, state=State.PROVEN)
        .first()
    )
    if earlier is not None:
        condemn(blob, keep=True)
        # What was read once heals before what was refused, which may be anything.
        Blob.objects.filter(pk=blob.pk).update(read_at=Now())
        return earlier
    blob.read_at = timezone.now()
    take_back(blob, State.PROVEN)
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
        take_back(locked, State.PROVEN)
    return locked


def take_back(blob: Blob, state: State) -> None:
    """Have the locked blob in this state, and kept no longer for a while only."""
    blob.state, blob.kept_until = state, None
    retrying.clear(blob)
    blob.save(update_fields=["state", "kept_until", "read_at", *retrying.FIELDS])


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


def release(*blob_ids: int) -> None:
    """Condemn each of the blobs that no image has any more, and none that was removed and can come
    back; by few statements. None of them is kept for a while.

    Runs in the caller's transaction. With a blob locked no image goes from the one to the other:
    the row that is written then asks for the blob's key.
    """
    # In the order of their keys, as all who lock several.
    locked = list(Blob.objects.select_for_update().filter(pk__in=blob_ids).order_by("pk"))
    keys = {blob.pk for blob in locked}
    for kind in (Image, RemovedImage):
        keys -= set(kind.objects.filter(blob__in=keys).values_list("blob", flat=True))
    Blob.objects.filter(pk__in=keys).update(
        state=State.CONDEMNED, kept_until=None, **retrying.CLEARED
    )


def condemn(blob: Blob, *, keep: bool = False) -> None:
    """No row needs these bytes: the sweep removes them; `keep`: after CONDEMNED_KEEP_DAYS, as long
    as there is room."""
    days = settings.CONDEMNED_KEEP_DAYS if keep else 0
    blob.state = State.CONDEMNED
    # What was in the way of its rereading is in the way of nothing now.
    Blob.objects.filter(pk=blob.pk).update(
        state=State.CONDEMNED,
        kept_until=Now() + timedelta(days=days) if days else None,
        **retrying.CLEARED,
    )
    if days:
        blob.refresh_from_db(fields=["kept_until"])


def spare_copies(digest: str, *, size: int) -> QuerySet[Blob]:
    """Condemned bytes that may be those of this digest, still in the store; some of them, those
    that were right once first, then the last to come. Of what was refused, the digest is what
    somebody claimed: who claims it a thousand times must not have all that be read."""
    condemned = Blob.objects.filter(digest=digest, size=size, state=State.CONDEMNED)
    return condemned.order_by(F("read_at").desc(nulls_last=True), "-id")[:MOST_SPARES]


def hold(blob: Blob, span: timedelta) -> bool:
    """Have the condemned blob stay for this long at least, since it is being read: it may be the
    last right copy. False where it leaves already, or is condemned no more."""
    condemned = Blob.objects.filter(pk=blob.pk, state=State.CONDEMNED)
    # The greater of a time and of none is the time.
    return bool(condemned.update(kept_until=Greatest("kept_until", Now() + span)))


# ── making room ──
def make_room(missing: int) -> bool:
    """End the keeping of condemned bytes, those condemned first, until so many are on their way
    out; whether there are so many. Where there are not, all are kept: it would help nobody.

    The sweep removes them when it tidies next; while a backup holds them, there is no room to make.
    Never within a transaction that may be rolled back.
    """
    with transaction.atomic(durable=True):
        missing -= _bytes_on_their_way_out()
        kept = int(Blob.objects.filter(KEPT).aggregate(total=Sum("size"))["total"] or 0)
        if pausing.current() is not None or kept < missing:
            return False
        _end_oldest(missing)
    return True


def keep_less(missing: int) -> None:
    """The same as far as it goes: there may be less."""
    with transaction.atomic(durable=True):
        _end_oldest(missing - _bytes_on_their_way_out())


def _bytes_on_their_way_out() -> int:
    """What goes in any case. Of several who find no room at once, the later ones wait here, and
    count what the first one has ended."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROOM_LOCK])
    return int(Blob.objects.filter(NOT_KEPT).aggregate(total=Sum("size"))["total"] or 0)


def _end_oldest(missing: int) -> None:
    # Again where one that was picked was taken back before it was locked. What a second round locks
    # may come before what the first has: who meets another crosswise then is told to try again.
    while missing > 0 and (oldest := _oldest(missing)):
        missing -= end_keeping(*oldest)


def _oldest(missing: int) -> list[int]:
    """The keys of those kept blobs whose time ends first and that have so many bytes together, or
    of all that are kept. None is locked: that goes by the keys, not by the time."""
    with_older = Window(Sum("size"), order_by=[F("kept_until").asc(), F("pk").asc()])
    kept = Blob.objects.filter(KEPT).annotate(with_older=with_older)
    return list(kept.filter(with_older__lt=missing + F("size")).values_list("pk", flat=True))


def end_keeping(*blob_ids: int) -> int:
    """Keep the blobs no longer, those of them that are kept still; how many bytes they have."""
    if not blob_ids:
        return 0
    # In the order of their keys, as all who lock several.
    locked = Blob.objects.select_for_update().filter(KEPT, pk__in=blob_ids).order_by("pk")
    with transaction.atomic():
        ending = dict(locked.values_list("pk", "size"))
        Blob.objects.filter(pk__in=ending).update(kept_until=Now())
    return sum(ending.values())


# ── collecting ──
def to_collect() -> QuerySet[Blob]:
    """What is to be removed now: condemned and kept no longer, or leaving, and not to be retried
    later."""
    return Blob.objects.filter(NOT_KEPT, retrying.due()).order_by("id")


def collect(blob: Blob) -> None:
    """Remove a condemned blob's bytes from the store, then say that they are gone.

    Before the store is asked the row says that they are leaving: from then on nobody takes them
    back. Whoever is killed in between leaves a row that the next sweep goes on with.

    Nothing happens while the blob is kept, or the collection is paused.
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
        leaving = list(locked.filter(NOT_KEPT, pk__in=[blob.pk for blob in condemned]))
        Blob.objects.filter(pk__in=[blob.pk for blob in leaving]).update(
            state=State.LEAVING, kept_until=None
        )
    return leaving


def _write_gone(leaving: Sequence[Blob]) -> None:
    """leaving → gone: from now on the bytes count for nobody."""
    locked = Blob.objects.select_for_update().order_by("pk")
    with transaction.atomic():
        left = list(locked.filter(pk__in=[blob.pk for blob in leaving], state=State.LEAVING))
        Blob.objects.filter(pk__in=[blob.pk for blob in left]).update(
            state=State.GONE, **retrying.CLEARED
        )
        ledger.change_site(stored=-sum(blob.size for blob in left))


def _wait_for_others(digest: str) -> None:
    """Two that make the same bytes proven at the same moment: one waits for the other."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [digest])
