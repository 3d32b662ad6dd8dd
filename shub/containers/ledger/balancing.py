"""Balancing: what whoever changes something calls last, and what the rows say then."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction

from shub.containers.ledger import recounting, statements
from shub.containers.models import Collection, Container, EntityUsage, SiteUsage
from shub.rows import first

# An entity, by its key, and the digest of some bytes.
Pair = tuple[int, str]


# ── entities ──
@dataclass(frozen=True)
class Change:
    """What an entity pays for now, and how that differs from before. Bytes."""

    entity_name: str
    quota: int
    """0: there is no bound."""
    stored: int
    reserved: int
    more_stored: int = 0
    """Less than 0 where it became less."""
    more_reserved: int = 0

    @property
    def more(self) -> int:
        """What is new to the entity, stored or promised."""
        return self.more_stored + self.more_reserved

    @property
    def is_over(self) -> bool:
        """It became more than may be: all together, or what is stored.

        Only the second counts for bytes that were promised room before: so where a quota is made
        smaller meanwhile, those that are proven first have the room.
        """
        if not self.quota:
            return False
        too_many = self.more > 0 and self.stored + self.reserved > self.quota
        return too_many or (self.more_stored > 0 and self.stored > self.quota)


def balance(entity_id: int, digests: Iterable[str]) -> Change:
    """Make the entity's charges for these bytes say what is true. In the caller's transaction, the
    last of its acts. Two statements."""
    return balance_each((entity_id, digest) for digest in digests)[entity_id]


def balance_each(pairs: Iterable[Pair]) -> dict[int, Change]:
    """The same for bytes of several entities at once; what became of each. Two statements."""
    once = sorted(set(pairs))
    columns = {"entities": [each[0] for each in once], "digests": [each[1] for each in once]}
    return _balance(statements.PAIRS, sorted({entity for entity, _ in once}), columns)


def balance_place(place: Container | Collection) -> Change:
    """The same for all that is in the place, which was just removed, or is there again."""
    is_collection = isinstance(place, Collection)
    entity_id = place.entity_id if isinstance(place, Collection) else place.collection.entity_id
    asked = statements.IN_COLLECTION if is_collection else statements.IN_CONTAINER
    return _balance(asked, [entity_id], {"entity": entity_id, "place": place.pk})[entity_id]


def usage_of(entity_id: int) -> EntityUsage:
    """What the entity pays for, without a lock. One query, where it was ever counted."""
    found = first(EntityUsage.objects.filter(entity=entity_id, counted_at__isnull=False))
    if found is None:
        recounting.recount([entity_id])
        found = EntityUsage.objects.get(entity=entity_id)
    return found


def _balance(asked: str, keys: list[int], parameters: dict[str, Any]) -> dict[int, Change]:
    if not keys:
        return {}
    if not recounting.lock(keys):
        # Nobody knows what it was before: all of it counts as old.
        counts = recounting.count(keys)
        return {
            key: Change(each.entity_name, _bound(each.quota), *each.counted)
            for key, each in counts.items()
        }
    rows = statements.run(
        statements.OF_ASKED,
        statements.CHARGES,
        statements.CHANGE_SUMS,
        asked=asked,
        parameters={**parameters, "keys": keys},
    )
    return {
        key: Change(
            entity_name=name,
            quota=_bound(quota),
            stored=stored + more_stored,
            reserved=reserved + more_reserved,
            more_stored=more_stored,
            more_reserved=more_reserved,
        )
        for key, name, quota, stored, reserved, more_stored, more_reserved in rows
    }


def _bound(quota: int | None) -> int:
    return int(settings.DEFAULT_QUOTA_BYTES) if quota is None else quota


# ── the site ──
def change_site(*, stored: int = 0, reserved: int = 0) -> SiteUsage:
    """Add to what the site has, and has promised room for; what it then is. In the caller's
    transaction, after all else."""
    row = statements.run_of_site(statements.CHANGE_SITE, stored=stored, reserved=reserved)
    return row or recounting.count_site()[0]


def site() -> SiteUsage:
    """What the site has, without a lock. One query, where it was ever counted."""
    found = first(SiteUsage.objects.filter(counted_at__isnull=False))
    if found is None:
        with transaction.atomic():
            found = recounting.count_site()[0]
    return found
