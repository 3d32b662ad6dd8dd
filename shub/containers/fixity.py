"""Fixity: stored bytes are read again and again, so that damage is found before it is needed.

Whose turn it is stands on the blobs' rows, by when they were read last; so any number of processes
may read, and whatever ends one, another goes on. One claims a blob by moving its `retry_at` a
little way ahead, and moves that on while it reads: of one that was killed the claim ends by itself.
No row stays locked while bytes are read.

A bad reading is no damage yet: the object is read a second time, after a pause. A store that is
away damages nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic, sleep

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from shub import metrics, retrying
from shub.containers import damage
from shub.containers.damage import AfterEach
from shub.containers.models import Blob
from shub.errors import Unavailable
from shub.rows import first
from shub.storage import NoSuchObject, object_store
from shub.storage.reading import read_and_hash

log = logging.getLogger(__name__)

State = Blob.State

MIB = 1024**2

# A killed process' blob is read by another after so long; a living one renews its claim before.
CLAIM = timedelta(minutes=2)
RENEW_EVERY_SECONDS = 20

# Between the first bad reading and the second: a fault on the way has passed by then, or is none.
LOOK_AGAIN_SECONDS = 5.0
PAUSE_SECONDS = 0.2

# How often a damaged blob is looked at, in case that somebody has put its bytes right.
DAMAGED_AGAIN = timedelta(days=1)

# So often must the store have broken off, over ten minutes and more, before an object that it has
# and cannot give counts as damaged; and only where it gave another whole within the last of these.
UNREADABLE_AFTER = 9
OTHERS_READ_WITHIN = timedelta(minutes=30)

# From so many failures on it is read as fast as it goes: what breaks off after some hours, a proxy
# or a store that is restarted each night, must not be what our own slowness has made of an object.
UNHURRIED_TRIES = 5

# So many of the objects that were read last, and of those that were not for the longest, are asked
# for where one is missing.
OTHERS_ASKED = 5

# Due when so much of the period has passed.
DUE_AFTER = 0.75

READ_LAST = Coalesce("read_at", "created_at")

STANDING = """
SELECT (SELECT count(*) FROM containers_blob WHERE state = 'damaged'),
    (SELECT count(*) FROM containers_blob WHERE state = 'proven' AND failures > 0),
    (SELECT coalesce(read_at, created_at) FROM containers_blob WHERE state = 'proven'
        ORDER BY coalesce(read_at, created_at) LIMIT 1)
"""

# Asked between two pieces; true: stop.
Stopping = Callable[[], bool]


class Stopped(Exception):
    """The reading was given up: the process ends, or the blob is another's."""


@dataclass(frozen=True)
class Verdict:
    """What reading an object showed. `fault` is empty where its bytes are right."""

    fault: str = ""
    is_missing: bool = False
    """The store says that it has no such object."""

    @property
    def is_right(self) -> bool:
        """They are what was proven."""
        return not self.fault


@dataclass(frozen=True)
class Standing:
    """How far the rereading is, for pages, doctor and metrics."""

    damaged: int
    unreadable: int
    """Proven blobs that the last tries could not read."""
    oldest: datetime | None
    """When that was last read, or proven, that was not read for the longest; None: nothing is
    stored."""
    is_on: bool
    is_behind: bool
    """Whether the oldest is longer ago than FIXITY_DAYS."""


# ── whose turn ──
def read_next(stopping: Stopping) -> str:
    """Read the blob whose turn it is, and write down what was found: `right`, `damaged`, `healed`,
    `unreadable`, `stopped`, or `none` where it is no blob's turn."""
    blob = claim_next()
    return "none" if blob is None else read(blob, stopping)


def read(blob: Blob, stopping: Stopping) -> str:
    """Read the blob that was claimed; the outcome, as of `read_next`."""
    care = _care(blob, stopping)
    try:
        outcome = _look_at(blob, care)
    except Stopped:
        outcome = "stopped"
    Blob.objects.filter(pk=blob.pk, retry_at=blob.retry_at, failures=0).update(retry_at=None)
    if outcome != "stopped":
        metrics.REREAD.labels(outcome).inc()
    return outcome


def _look_at(blob: Blob, care: AfterEach) -> str:
    rate = pace() if blob.failures < UNHURRIED_TRIES else 0
    try:
        return settle(blob, examine(blob, care, rate=rate), care, rate=rate)
    except Unavailable as error:
        return _put_off(blob, str(error), care)


def pace() -> int:
    """How many bytes a second a sweep reads of what nobody waits for; 0: no bound."""
    return int(settings.FIXITY_MIB_PER_SECOND * MIB)


def claim_next() -> Blob | None:
    """The blob whose turn it is, for this thread alone; None where it is no blob's turn."""
    if not settings.FIXITY_DAYS:
        return None
    with transaction.atomic():
        blob = _next_of(damaged_due()) or _next_of(due())
        if blob is not None:
            _claim(Blob.objects.filter(pk=blob.pk), blob)
    return blob


def due() -> QuerySet[Blob]:
    """The proven blobs whose turn it is, those first that were not read for the longest."""
    late = Blob.objects.annotate(read_last=READ_LAST).filter(
        retrying.due(), state=State.PROVEN, read_last__lt=Now() - period() * DUE_AFTER
    )
    return late.order_by("read_last")


def damaged_due() -> QuerySet[Blob]:
    """The damaged blobs that may be right again."""
    return Blob.objects.filter(retrying.due(), state=State.DAMAGED).order_by("id")


def period() -> timedelta:
    """Within what each blob is read again; 0: none is."""
    return timedelta(days=settings.FIXITY_DAYS)


def _next_of(blobs: QuerySet[Blob]) -> Blob | None:
    return first(blobs.select_for_update(skip_locked=True))


def _claim(rows: QuerySet[Blob], blob: Blob) -> bool:
    if not rows.update(retry_at=Now() + CLAIM):
        return False
    blob.refresh_from_db(fields=["retry_at"])
    return True


def _care(blob: Blob, stopping: Stopping) -> AfterEach:
    """What is done between two pieces: stop where that was asked for, and keep the claim."""
    renewed = monotonic()

    def care(size: int) -> None:
        nonlocal renewed
        if stopping():
            raise Stopped
        if monotonic() - renewed > RENEW_EVERY_SECONDS:
            if not _claim(Blob.objects.filter(pk=blob.pk, retry_at=blob.retry_at), blob):
                raise Stopped
            renewed = monotonic()

    return care


# ── what is found ──
def examine(blob: Blob, after_each: AfterEach, *, rate: int = 0) -> Verdict:
    """Read the blob's object whole, at most `rate` bytes a second (0: no bound); twice, where the
    first reading is not right. Unavailable; and whatever `after_each` raises."""
    verdict = _read_once(blob, after_each, rate)
    if verdict.is_right:
        return verdict
    log.warning("%s is read again: %s", blob.key, verdict.fault)
    until = monotonic() + LOOK_AGAIN_SECONDS
    while monotonic() < until:
        after_each(0)
        sleep(min(PAUSE_SECONDS, max(0.0, until - monotonic())))
    return _read_once(blob, after_each, rate)


def _read_once(blob: Blob, after_each: AfterEach, rate: int) -> Verdict:
    try:
        found = read_and_hash(blob.key, after_each=after_each, bytes_per_second=rate)
    except NoSuchObject:
        return Verdict("The store does not have the object any more.", is_missing=True)
    metrics.REREAD_BYTES.inc(found.size)
    if found.size != blob.size:
        return Verdict(f"The object has {found.size} bytes, and {blob.size} were proven.")
    if found.digest != blob.digest:
        return Verdict(f"The object's bytes have the SHA-256 {found.digest}.")
    return Verdict()


def settle(
    blob: Blob, verdict: Verdict, after_each: AfterEach = lambda size: None, *, rate: int = 0
) -> str:
    """Write down what was found, and heal it where that can be: `right`, `damaged` or `healed`.
    Again is no error. What is read to heal it is read as by `examine`.

    Unavailable where the object is missing, and so are others: that is no damage, but not our
    store. And whatever `after_each` raises."""
    if verdict.is_right:
        if note_read(blob):
            return "right"
        return "healed" if damage.unmark(blob) or damage.heal_beside(blob) else "right"
    if verdict.is_missing:
        _check_is_our_store(blob)
    damage.mark(blob, verdict.fault)
    if damage.heal(blob, after_each, rate=rate):
        return "healed"
    Blob.objects.filter(pk=blob.pk, state=State.DAMAGED).update(
        retry_at=Now() + DAMAGED_AGAIN, failures=F("failures") + 1, trouble=verdict.fault
    )
    return "damaged"


def _check_is_our_store(missing: Blob) -> None:
    """Unavailable where the store has no other object either: a disk that is not mounted, or
    another bucket, has damaged nothing, and must not take a whole registry out of service."""
    others = Blob.objects.exclude(pk=missing.pk).filter(state=State.PROVEN)
    asked = [
        *others.order_by(READ_LAST.desc())[:OTHERS_ASKED],
        *others.order_by(READ_LAST)[:OTHERS_ASKED],
    ]
    if asked and not any(_is_there(blob) for blob in asked):
        raise Unavailable(
            "The object store has none of the objects that were looked for. Is its disk mounted, "
            "and is it the right bucket?"
        )


def _is_there(blob: Blob) -> bool:
    try:
        return object_store().stat(blob.key).size == blob.size
    except NoSuchObject:
        return False


def note_read(blob: Blob) -> bool:
    """Write down that the bytes of a proven blob were read just now, and are right; False where it
    is not proven."""
    read_now = Blob.objects.filter(pk=blob.pk, state=State.PROVEN)
    return bool(read_now.update(read_at=Now(), retry_at=None, failures=0, trouble=""))


def _put_off(blob: Blob, trouble: str, care: AfterEach) -> str:
    """Try again later; where that was tried often enough, and only with this object, it is damaged:
    the store has it and cannot give it."""
    retrying.postpone(blob, trouble)
    if blob.failures < UNREADABLE_AFTER or not _is_only_this(blob):
        log.warning("%s could not be read again, and is tried later: %s", blob.key, trouble)
        return "unreadable"
    fault = f"The store has the object and cannot give it, tried {blob.failures} times: {trouble}"
    # Unhurried, since its second copy breaks off no later than it did.
    return settle(blob, Verdict(fault), care)


def _is_only_this(blob: Blob) -> bool:
    """Whether the store answers of this object, and gave another whole lately."""
    try:
        object_store().stat(blob.key)
    except (NoSuchObject, Unavailable):
        return False
    others = Blob.objects.exclude(pk=blob.pk).filter(state=State.PROVEN)
    return others.filter(read_at__gte=Now() - OTHERS_READ_WITHIN).exists()


# ── how it stands ──
def standing() -> Standing:
    """How far the rereading is. One query, each part of it by an index."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING)
        damaged, unreadable, oldest = cursor.fetchone()
    is_on = bool(settings.FIXITY_DAYS)
    return Standing(
        damaged=damaged,
        unreadable=unreadable,
        oldest=oldest,
        is_on=is_on,
        is_behind=is_on and oldest is not None and oldest < timezone.now() - period(),
    )
