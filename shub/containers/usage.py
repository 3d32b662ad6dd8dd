"""Usage: how much is stored for whom, and how much may be."""

import re
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet, Sum

from shub.accounts.administrators import check_administrator, check_sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.audit import trail
from shub.containers.models import Blob, Image, not_removed
from shub.containers.permissions import may_push
from shub.errors import Invalid, NotFound, OverQuota
from shub.names import folded
from shub.rows import first

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}

# The most that the database's column holds.
MOST_BYTES = 2**63 - 1

# Bytes that several images of an entity share count once; what was removed does not count.
BY_ENTITY = """
SELECT entity.*, COALESCE(kept.bytes, 0) AS used
FROM accounts_entity AS entity
LEFT JOIN (
    SELECT entity_id, sum(size) AS bytes
    FROM (
        SELECT DISTINCT collection.entity_id, image.blob_id
        FROM containers_image AS image
        JOIN containers_container AS container
            ON container.id = image.container_id AND container.removed_at IS NULL
        JOIN containers_collection AS collection
            ON collection.id = container.collection_id AND collection.removed_at IS NULL
        WHERE image.blob_id IS NOT NULL
    ) AS once
    JOIN containers_blob AS blob ON blob.id = once.blob_id
    GROUP BY entity_id
) AS kept ON kept.entity_id = entity.id
ORDER BY used DESC, entity.name
LIMIT %(count)s OFFSET %(start)s
"""


def stored_bytes(entity: Entity) -> int:
    """The bytes of the entity's images; bytes that several of them share count once.

    What was removed does not count, and neither does what is in it.
    """
    blobs = Blob.objects.filter(pk__in=_images(entity).values("blob"))
    return int(blobs.aggregate(total=Sum("size"))["total"] or 0)


def _images(entity: Entity) -> QuerySet[Image]:
    """Those with bytes."""
    there = not_removed("container", "container__collection")
    return Image.objects.filter(there, container__collection__entity=entity, blob__isnull=False)


def quota_bytes(entity: Entity) -> int:
    """How many bytes the entity's images may take; 0 where there is no bound."""
    if entity.quota_bytes is None:
        return int(settings.DEFAULT_QUOTA_BYTES)
    return entity.quota_bytes


def quota_told_to(caller: Caller, entity: Entity) -> int:
    """The quota, to those who may push there; 0 to others: it is not their matter."""
    return quota_bytes(entity) if may_push(caller, entity) else 0


def has_room(entity: Entity, *, digest: str, size: int) -> bool:
    """Whether these bytes fit into what the entity may store.

    Bytes that the entity has already count once. Uploads that are under way do not count: two at
    once may together go beyond the quota.
    """
    quota = quota_bytes(entity)
    if not quota or stored_bytes(entity) + size <= quota:
        return True
    return _images(entity).filter(digest=digest).exists()


def check_quota(entity: Entity, *, digest: str, size: int, by: Caller) -> None:
    """OverQuota unless there is room; with the figures for those who may push into the entity."""
    if not has_room(entity, digest=digest, size=size):
        if not may_push(by, entity):
            raise OverQuota(
                f"The quota of {entity.name} has no room for the {size} bytes of this image. Ask a "
                "maintainer or owner of it, or the administrator."
            )
        raise OverQuota(
            f"The quota of {entity.name} is {quota_bytes(entity)} bytes: {stored_bytes(entity)} "
            f"are used, and this image has {size}. Delete images that are not needed, or ask the "
            "administrator for more."
        )


def check_room_to_return(entity: Entity, blobs: QuerySet[Blob], *, by: Caller | None) -> None:
    """OverQuota unless there is room for these bytes of what was removed.

    With the figures for those who may push into the entity, and at the server's own terminal
    (None).
    """
    quota = quota_bytes(entity)
    if not quota:
        return
    new = blobs.exclude(pk__in=_images(entity).values("blob"))
    size = int(new.aggregate(total=Sum("size"))["total"] or 0)
    used = stored_bytes(entity)
    if used + size <= quota:
        return
    if by is not None and not may_push(by, entity):
        raise OverQuota(
            f"The quota of {entity.name} has no room for what was removed. Ask a maintainer or "
            "owner of it, or the administrator."
        )
    raise OverQuota(
        f"The quota of {entity.name} is {quota} bytes: {used} are used, and what was removed has "
        f"{size} besides. Delete images that are not needed, or ask the administrator for more."
    )


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


@dataclass(frozen=True)
class Used:
    """What an entity stores and may store: bytes; 0: there is no bound."""

    entity: Entity
    bytes: int
    quota: int

    @property
    def percent(self) -> int:
        """How much of the quota is used; 0 where there is none."""
        return self.bytes * 100 // self.quota if self.quota else 0


def by_entity(*, by: Caller, start: int = 0, count: int) -> list[Used]:
    """The entities from the `start`th on, those that store the most first. For administrators and
    auditors. One query, which reads all images: its cost is that of a count of them.
    """
    check_sees_everything(by)
    entities = Entity.objects.raw(BY_ENTITY, {"start": start, "count": count})
    return [Used(entity, int(entity.used), quota_bytes(entity)) for entity in entities]  # type: ignore[attr-defined]


def bytes_of_the_site() -> int:
    """The bytes of all proven blobs: what several images share counts once."""
    proven = Blob.objects.filter(state=Blob.State.PROVEN)
    return int(proven.aggregate(total=Sum("size"))["total"] or 0)


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
        trail.record(
            "entity.quota",
            kind="entity",
            public_id=entity.public_id,
            name=entity.name,
            entity=entity.public_id,
            by=by,
            before=before,
            after=quota,
        )
    return entity
