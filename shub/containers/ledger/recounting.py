"""Recounting: rows are made, or found, what a count of everything says.

Nothing is ever found wrong but by a fault of ours, or where rows were changed by other means.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from shub import metrics
from shub.containers.ledger import statements
from shub.containers.models import EntityUsage, SiteUsage

log = logging.getLogger(__name__)

# How old a count grows before the sweep counts anew, and how many entities a pass and one
# transaction count: those stand still meanwhile.
COUNTED_EVERY = timedelta(days=1)
ENTITIES_A_PASS = 200
ENTITIES_AT_ONCE = 20


@dataclass(frozen=True)
class Count:
    """What counting an entity anew showed. Bytes, stored and promised."""

    entity_name: str
    quota: int | None
    said: tuple[int, int]
    counted: tuple[int, int]
    was_wrong: bool


@dataclass(frozen=True)
class Drift:
    """A row of the ledger that is not what is true. Bytes, stored and promised."""

    entity_id: int | None
    """None: the site."""
    whose: str
    said: tuple[int, int]
    counted: tuple[int, int]

    def correct(self) -> None:
        """Count it anew."""
        if self.entity_id is None:
            recount_site()
        else:
            recount([self.entity_id])


def recount(keys: Sequence[int]) -> int:
    """Count these entities anew, in a transaction; how many were wrong.

    Whoever changes something of theirs meanwhile has committed before it is looked, or waits until
    it is over: under the heaviest load nothing is found wrong that is right.
    """
    with transaction.atomic():
        ordered = sorted(keys)
        lock(ordered)
        counted = count(ordered)
    return sum(each.was_wrong for each in counted.values())


def recount_site() -> bool:
    """Count the site's row anew, in a transaction; whether it was wrong."""
    with transaction.atomic():
        now, before = count_site()
    was_wrong = before.counted_at is not None and (
        (before.stored_bytes, before.reserved_bytes) != (now.stored_bytes, now.reserved_bytes)
    )
    if was_wrong:
        said = before.stored_bytes, before.reserved_bytes
        _tell("the site", said, (now.stored_bytes, now.reserved_bytes))
    return was_wrong


def recount_due() -> int:
    """Count anew what was not for COUNTED_EVERY, or never, some entities in a pass; how many."""
    due = Q(counted_at__isnull=True) | Q(counted_at__lt=Now() - COUNTED_EVERY)
    rows = EntityUsage.objects.filter(due).order_by("counted_at")
    keys = list(rows.values_list("pk", flat=True)[:ENTITIES_A_PASS])
    for start in range(0, len(keys), ENTITIES_AT_ONCE):
        recount(keys[start : start + ENTITIES_AT_ONCE])
    is_site_due = not SiteUsage.objects.exclude(due).exists()
    if is_site_due:
        recount_site()
    return len(keys) + is_site_due


def drifts() -> Iterator[Drift]:
    """What a recount of everything would correct; nothing is changed. As exact as a recount: each
    entity is looked at with its row locked, some at a time."""
    last = 0
    while keys := list(
        EntityUsage.objects.filter(pk__gt=last, counted_at__isnull=False)
        .order_by("pk")
        .values_list("pk", flat=True)[:ENTITIES_AT_ONCE]
    ):
        with transaction.atomic():
            lock(keys)
            found = _counts(keys)
            transaction.set_rollback(True)
        for key, each in found.items():
            if each.was_wrong:
                yield Drift(key, each.entity_name, each.said, each.counted)
        last = keys[-1]
    with transaction.atomic():
        site_now, before = count_site()
        transaction.set_rollback(True)
    said = before.stored_bytes, before.reserved_bytes
    counted = site_now.stored_bytes, site_now.reserved_bytes
    if before.counted_at is not None and said != counted:
        yield Drift(None, "the site", said, counted)


def count_uncounted() -> int:
    """Count the entities that never were, and the site if it never was; how many entities."""
    _open_accounts()
    counted = 0
    uncounted = EntityUsage.objects.filter(counted_at__isnull=True).order_by("pk")
    while keys := list(uncounted.values_list("pk", flat=True)[:ENTITIES_AT_ONCE]):
        recount(keys)
        counted += len(keys)
    if not SiteUsage.objects.filter(counted_at__isnull=False).exists():
        recount_site()
    return counted


def forget_counts() -> None:
    """Have everything counted anew before it is next used: the rows were changed by other means."""
    EntityUsage.objects.update(counted_at=None)
    SiteUsage.objects.update(counted_at=None)


def _open_accounts() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO containers_entityusage (entity_id) SELECT id FROM accounts_entity"
            " ORDER BY id ON CONFLICT DO NOTHING"
        )


# ── with the rows locked ──
def lock(keys: list[int]) -> bool:
    """Lock the usage rows of the entities, made where they are missing, in order; whether each was
    ever counted."""
    known = statements.lock(keys)
    if len(known) < len(keys):
        EntityUsage.objects.bulk_create(
            (EntityUsage(entity_id=key) for key in keys), ignore_conflicts=True
        )
        known = statements.lock(keys)
    return all(known)


def count(keys: list[int]) -> dict[int, Count]:
    """Count these entities anew, and say so where one was wrong; their rows are locked."""
    found = _counts(keys)
    for each in found.values():
        if each.was_wrong:
            _tell(each.entity_name, each.said, each.counted)
    return found


def _counts(keys: list[int]) -> dict[int, Count]:
    found = {}
    rows = statements.run(
        statements.OF_ENTITIES,
        statements.CHARGES,
        statements.COUNT_SUMS,
        parameters={"keys": keys},
    )
    for key, name, quota, stored_before, reserved_before, *counted, corrected, known in rows:
        said, now = (stored_before, reserved_before), tuple(counted)
        was_wrong = known and (corrected > 0 or said != now)
        found[key] = Count(name, quota, said, now, was_wrong)
    return found


def count_site() -> tuple[SiteUsage, SiteUsage]:
    """What the site has, counted anew with its row locked; and what the row said before."""
    SiteUsage.objects.bulk_create([SiteUsage()], ignore_conflicts=True)
    before = SiteUsage.objects.select_for_update().get()
    return cast("SiteUsage", statements.run_of_site(statements.COUNT_SITE)), before


def _tell(whose: str, said: tuple[int, int], counted: tuple[int, int]) -> None:
    """Have people look for what wrote it: it is corrected, and it is a fault of ours."""
    metrics.LEDGER_CORRECTED.inc()
    log.error(
        "The ledger was wrong for %s and is corrected: it said %d bytes stored and %d promised; "
        "counted were %d and %d.",
        *(whose, *said, *counted),
    )
