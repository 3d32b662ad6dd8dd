"""Usage: how much is stored for whom, and how much may be.

What is stored, and promised, is read from the ledger's rows (`shub.containers.ledger`).
"""

import re
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from django.conf import settings
from django.db import transaction

from shub.accounts.administrators import check_administrator, check_sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import ledger, recording
from shub.containers.models import Charge, SiteUsage
from shub.containers.permissions import may_push
from shub.errors import Invalid, NotFound, OverQuota
from shub.names import folded
from shub.rows import first

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}

# The most that the database's column holds.
MOST_BYTES = 2**63 - 1

# Those that store the most first; then those that never stored anything and have no row yet. Read
# by an index as far as the page goes.
BY_ENTITY = """
SELECT entity.*, listed.stored, listed.reserved
FROM (
    (
        SELECT entity_id, stored_bytes AS stored, reserved_bytes AS reserved
        FROM containers_entityusage
        ORDER BY stored_bytes DESC, entity_id
    )
    UNION ALL
    (
        SELECT id, 0, 0 FROM accounts_entity AS newcomer
        WHERE NOT EXISTS (
            SELECT FROM containers_entityusage AS usage WHERE usage.entity_id = newcomer.id
        )
        ORDER BY id
    )
    LIMIT %(count)s OFFSET %(start)s
) AS listed
JOIN accounts_entity AS entity ON entity.id = listed.entity_id
ORDER BY listed.stored DESC, entity.id
"""


# ── of an entity ──
def stored_bytes(entity: Entity) -> int:
    """The bytes of the entity's images; bytes that several of them share count once.

    What was removed does not count, and neither does what is in it.
    """
    return ledger.usage_of(entity.pk).stored_bytes


def quota_bytes(entity: Entity) -> int:
    """How many bytes the entity's images may take; 0 where there is no bound."""
    if entity.quota_bytes is None:
        return int(settings.DEFAULT_QUOTA_BYTES)
    return entity.quota_bytes


def quota_told_to(caller: Caller, entity: Entity) -> int:
    """The quota, to those who may push there; 0 to others: it is not their matter."""
    return quota_bytes(entity) if may_push(caller, entity) else 0


def has_room(entity: Entity, *, digest: str, size: int) -> bool:
    """Whether these bytes fit into what the entity may store, beside what is promised to others.

    Bytes that the entity has already, or is promised, count once; what it was promised before its
    quota was made smaller, it may send no more. It is true at this moment only: who writes
    something asks once more, by `check_change`.
    """
    quota = quota_bytes(entity)
    if not quota:
        return True
    now = ledger.usage_of(entity.pk)
    all_together = now.stored_bytes + now.reserved_bytes
    if all_together + size <= quota:
        return True
    charge = first(Charge.objects.filter(entity=entity, digest=digest))
    if charge is None:
        return False
    # More than is stored may be announced, and sent, although it will be refused.
    new = max(size - charge.size, 0)
    if new and all_together + new > quota:
        return False
    return charge.is_stored or now.stored_bytes + size <= quota


def check_quota(entity: Entity, *, digest: str, size: int, by: Caller) -> None:
    """OverQuota unless there is room; with the figures for those who may push into the entity."""
    if not has_room(entity, digest=digest, size=size):
        now = ledger.usage_of(entity.pk)
        room = Room(entity, quota_bytes(entity), now.stored_bytes, now.reserved_bytes)
        _refuse(room, f"this image has {size}", f"the {size} bytes of this image", by=by)


def check_still_room(entity: Entity, *, digest: str, size: int, by: Caller) -> None:
    """OverQuota where bytes that were promised room have none any more, since the quota was made
    smaller: what is stored by now counts, and no other promise."""
    quota = quota_bytes(entity)
    if not quota:
        return
    stored = ledger.usage_of(entity.pk).stored_bytes
    if stored + size <= quota or Charge.objects.filter(
        entity=entity, digest=digest, is_stored=True
    ):
        return
    room = Room(entity, quota, stored, reserved=0)
    _refuse(room, f"this image has {size}", f"the {size} bytes of this image", by=by)


def check_change(change: ledger.Change, entity: Entity, *, size: int, by: Caller) -> None:
    """OverQuota where an image of so many bytes made it more than may be: exact, since the change
    was written with the entity's row locked. Whoever wrote it rolls it back."""
    if change.is_over:
        room = Room.before(change, entity)
        _refuse(room, f"this image has {size}", f"the {size} bytes of this image", by=by)


def check_return(change: ledger.Change, entity: Entity, *, by: Caller | None) -> None:
    """The same where what was removed is there again. `by` is None for whoever is at the server's
    own terminal."""
    if change.is_over:
        besides = f"what was removed has {change.more} besides"
        _refuse(Room.before(change, entity), besides, "what was removed", by=by)


def no_room(change: ledger.Change, size: int) -> str:
    """Why bytes that have arrived are refused after all. Without figures: all who may push into the
    container read it."""
    return (
        f"The quota of {change.entity_name} was made smaller while this image was on its way, and "
        f"has no room for its {size} bytes any more. Ask the administrator for more, then push it "
        "again."
    )


@dataclass(frozen=True)
class Room:
    """What an entity may have, and has; bytes."""

    entity: Entity
    quota: int
    stored: int
    reserved: int

    @classmethod
    def before(cls, change: ledger.Change, entity: Entity) -> Self:
        """As it was before the change."""
        stored, reserved = (
            change.stored - change.more_stored,
            change.reserved - change.more_reserved,
        )
        return cls(entity, change.quota, stored, reserved)


def _refuse(room: Room, has: str, what: str, *, by: Caller | None) -> NoReturn:
    """OverQuota, with the figures for those who may push into the entity, and at the terminal."""
    name = room.entity.name
    if by is not None and not may_push(by, room.entity):
        raise OverQuota(
            f"The quota of {name} has no room for {what}. Ask a maintainer or owner of it, or the "
            "administrator."
        )
    promised = f", {room.reserved} are promised to uploads under way" if room.reserved else ""
    raise OverQuota(
        f"The quota of {name} is {room.quota} bytes: {room.stored} are used{promised}, and {has}. "
        "Delete images that are not needed, or ask the administrator for more."
    )


# ── of the site ──
def site_lacks(size: int) -> int:
    """How many bytes the site lacks for so many more, beside what is promised to uploads; 0: none.

    What is merely kept for a while takes room too.
    """
    bound = settings.SITE_QUOTA_BYTES
    if not bound:
        return 0
    now = ledger.site()
    return max(now.stored_bytes + now.reserved_bytes + size - bound, 0)


def check_site_room(size: int) -> None:
    """OverQuota where the site has no room for an image of so many bytes. True at this moment: who
    writes something asks once more, by `check_site_change`."""
    if site_lacks(size):
        _refuse_by_site(size)


def check_site_change(now: SiteUsage, *, size: int) -> None:
    """OverQuota where an image of so many bytes made it more than may be: exact, since it was
    written with the site's row locked. Whoever wrote it rolls it back."""
    if 0 < settings.SITE_QUOTA_BYTES < now.stored_bytes + now.reserved_bytes:
        _refuse_by_site(size)


def check_still_site_room(size: int) -> None:
    """OverQuota where the site has no room any more for bytes that were promised it, since its
    quota was made smaller: what is stored by now counts, and no other promise."""
    bound = settings.SITE_QUOTA_BYTES
    if bound and ledger.site().stored_bytes + size > bound:
        _refuse_by_site(size)


def _refuse_by_site(size: int) -> NoReturn:
    raise OverQuota(
        f"This registry has no room for the {size} bytes of this image: all that its images may "
        "take together is used, or promised to uploads under way. Ask the administrator."
    )


# ── as people write it ──
def quota_written(written: str) -> int | None:
    """Bytes of a quota as people write it: 0 for no bound, None for the site's default.

    >>> [quota_written(written) for written in ("500GB", "1 TiB", "none", "default")]
    [500000000000, 1099511627776, 0, None]
    """
    word = written.strip().upper()
    if word in {"NONE", "DEFAULT"}:
        return 0 if word == "NONE" else None
    found = re.fullmatch(r"([0-9]{1,18})\s*([KMGT]?I?B?)", word)
    unit = UNITS.get(found[2]) if found else None
    if found is None or unit is None or int(found[1]) * unit > MOST_BYTES:
        raise Invalid(
            f"{written!r} is no size: expected a number of bytes, a size such as 500GB or 1TiB, "
            "'none' for no bound, or 'default' for DEFAULT_QUOTA_BYTES"
        )
    return int(found[1]) * unit


# ── for administrators ──
@dataclass(frozen=True)
class Used:
    """What an entity stores and may store: bytes; 0: there is no bound."""

    entity: Entity
    bytes: int
    quota: int
    reserved: int = 0
    """Promised to uploads that are under way."""

    @property
    def percent(self) -> int:
        """How much of the quota is used; 0 where there is none."""
        return self.bytes * 100 // self.quota if self.quota else 0


def by_entity(*, by: Caller, start: int = 0, count: int) -> list[Used]:
    """The entities from the `start`th on, those that store the most first. For administrators and
    auditors. One query.
    """
    check_sees_everything(by)
    entities: Any = Entity.objects.raw(BY_ENTITY, {"start": start, "count": count})
    return [Used(each, each.stored, quota_bytes(each), each.reserved) for each in entities]


def set_quota(*, name: str, quota: int | None, by: Caller | None) -> Entity:
    """Give the entity a quota of its own: bytes, 0 for no bound, None for the site's default.

    `by` is None for whoever is at the server's own terminal; of others, administrators may.
    """
    if by is not None:
        check_administrator(by)
    if quota is not None and quota < 0:
        raise Invalid(f"A quota is 0 bytes or more, not {quota}.")
    with transaction.atomic():
        entity = first(Entity.objects.select_for_update(no_key=True).filter(name=folded(name)))
        if entity is None:
            raise NotFound(f"There is no entity {name!r}.")
        before, entity.quota_bytes = entity.quota_bytes, quota
        entity.save(update_fields=["quota_bytes"])
        recording.record("entity.quota", entity, by=by, before=before, after=quota)
    return entity
