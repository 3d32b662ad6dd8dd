"""The ledger: which bytes each entity pays for, and how many the whole site has; always exact.

A charge says that an entity pays for some bytes, once however many of its images have them: stored
ones, or pending ones that an upload has announced. A usage row has the sums of an entity's charges,
and one row those of the site.

Whoever changes which bytes an entity's images have, or which uploads are under way, calls `balance`
last in the same transaction. It locks the usage row, and only then looks at what is true: all that
was committed before is seen, and whoever commits after it looks after it. So it need not be told
what was changed, and again is no change. Nothing is written that the transaction does not keep:
who is killed before the commit leaves the ledger as it was.

Locked last of all, for the shortest time: first usage rows, by the entity's key, then the site's.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from shub import metrics
from shub.containers.models import Collection, Container, EntityUsage, SiteUsage
from shub.rows import first

log = logging.getLogger(__name__)

# An entity, by its key, and the digest of some bytes.
Pair = tuple[int, str]

# How old a count grows before the sweep counts anew, and how many entities a pass and one
# transaction count: those stand still meanwhile.
COUNTED_EVERY = timedelta(days=1)
ENTITIES_A_PASS = 200
ENTITIES_AT_ONCE = 20

# Postgres asks at the commit whether what a new row names is there, and locks that: images among
# them, which others lock before a usage row. So it is asked now, in the same round trip.
LOCK = """
SET CONSTRAINTS ALL IMMEDIATE;
SET CONSTRAINTS ALL DEFERRED;
SELECT counted_at IS NOT NULL FROM containers_entityusage
WHERE entity_id = ANY(%(keys)s) ORDER BY entity_id FOR UPDATE
"""

# What is asked for, as rows of entity_id and digest, each once.
PAIRS = (
    "SELECT * FROM unnest(%(entities)s::bigint[], %(digests)s::text[]) AS pair (entity_id, digest)"
)
IN_COLLECTION = """
    SELECT DISTINCT %(entity)s::bigint AS entity_id, image.digest
    FROM containers_image AS image
    JOIN containers_container AS container ON container.id = image.container_id
    WHERE container.collection_id = %(place)s AND image.blob_id IS NOT NULL
"""
IN_CONTAINER = """
    SELECT %(entity)s::bigint AS entity_id, image.digest
    FROM containers_image AS image
    WHERE image.container_id = %(place)s AND image.blob_id IS NOT NULL
"""

# What is true of that, and what the charges say. Steps are materialized where Postgres, which knows
# little of how many are asked for, might else begin with all that the entity has.
OF_ASKED = """
WITH asked AS MATERIALIZED ({asked}),
holders AS MATERIALIZED (
    SELECT asked.entity_id, image.digest, image.blob_id, image.container_id
    FROM asked JOIN containers_image AS image ON image.digest = asked.digest
    WHERE image.blob_id IS NOT NULL
),
stored AS (
    SELECT holders.entity_id, holders.digest, max(blob.size) AS size
    FROM holders
    JOIN containers_blob AS blob ON blob.id = holders.blob_id
    JOIN containers_container AS container
        ON container.id = holders.container_id AND container.removed_at IS NULL
    JOIN containers_collection AS collection
        ON collection.id = container.collection_id AND collection.removed_at IS NULL
        AND collection.entity_id = holders.entity_id
    GROUP BY holders.entity_id, holders.digest
),
arriving AS MATERIALIZED (
    SELECT asked.entity_id AS asked_id, under_way.entity_id, under_way.digest, under_way.size
    FROM asked JOIN ({under_way}) AS under_way ON under_way.digest = asked.digest
),
pending AS (
    SELECT entity_id, digest, max(size) AS size
    FROM arriving
    WHERE entity_id = asked_id
    GROUP BY entity_id, digest
),
before AS (
    SELECT charge.* FROM containers_charge AS charge JOIN asked USING (entity_id, digest)
),
"""

# The same of all that entities have.
OF_ENTITIES = """
WITH stored AS (
    SELECT collection.entity_id, image.digest, max(blob.size) AS size
    FROM containers_collection AS collection
    JOIN containers_container AS container
        ON container.collection_id = collection.id AND container.removed_at IS NULL
    JOIN containers_image AS image ON image.container_id = container.id
    JOIN containers_blob AS blob ON blob.id = image.blob_id
    WHERE collection.entity_id = ANY(%(keys)s) AND collection.removed_at IS NULL
    GROUP BY collection.entity_id, image.digest
),
pending AS (
    SELECT entity_id, digest, max(size) AS size
    FROM ({under_way}) AS under_way
    WHERE entity_id = ANY(%(keys)s) AND digest <> ''
    GROUP BY entity_id, digest
),
before AS (
    SELECT charge.* FROM containers_charge AS charge WHERE charge.entity_id = ANY(%(keys)s)
),
"""

# Makes the charges say what is true. It runs with the usage rows locked, as a statement of its own:
# it sees what was committed before it began.
CHARGES = """
truth AS (
    SELECT entity_id, digest, COALESCE(stored.size, pending.size) AS size,
        stored.size IS NOT NULL AS is_stored
    FROM stored FULL JOIN pending USING (entity_id, digest)
),
compared AS MATERIALIZED (
    SELECT entity_id, digest, before.id, before.size AS old_size, before.is_stored AS was_stored,
        truth.size, truth.is_stored
    FROM before FULL JOIN truth USING (entity_id, digest)
),
dropped AS (
    DELETE FROM containers_charge AS charge USING compared
    WHERE charge.id = compared.id AND compared.size IS NULL
    RETURNING charge.entity_id
),
written AS (
    INSERT INTO containers_charge (entity_id, digest, size, is_stored)
    SELECT entity_id, digest, size, is_stored
    FROM compared
    WHERE size IS NOT NULL AND (id IS NULL OR (old_size, was_stored) <> (size, is_stored))
    ON CONFLICT (entity_id, digest)
        DO UPDATE SET size = EXCLUDED.size, is_stored = EXCLUDED.is_stored
    RETURNING entity_id
),
"""

# … and the sums by the difference.
CHANGE_SUMS = """
differences AS (
    SELECT entity_id,
        (COALESCE(sum(size) FILTER (WHERE is_stored), 0)
            - COALESCE(sum(old_size) FILTER (WHERE was_stored), 0))::bigint AS stored,
        (COALESCE(sum(size) FILTER (WHERE NOT is_stored), 0)
            - COALESCE(sum(old_size) FILTER (WHERE NOT was_stored), 0))::bigint AS reserved
    FROM compared
    GROUP BY entity_id
),
changed AS (
    UPDATE containers_entityusage AS usage
    SET stored_bytes = usage.stored_bytes + differences.stored,
        reserved_bytes = usage.reserved_bytes + differences.reserved
    FROM differences
    WHERE usage.entity_id = differences.entity_id
        AND (differences.stored <> 0 OR differences.reserved <> 0)
)
SELECT usage.entity_id, entity.name, entity.quota_bytes, usage.stored_bytes, usage.reserved_bytes,
    COALESCE(differences.stored, 0), COALESCE(differences.reserved, 0)
FROM containers_entityusage AS usage
JOIN accounts_entity AS entity ON entity.id = usage.entity_id
LEFT JOIN differences ON differences.entity_id = usage.entity_id
WHERE usage.entity_id = ANY(%(keys)s)
"""

# … and the sums what the charges add up to: where everything was asked for.
COUNT_SUMS = """
sums AS (
    SELECT entity_id,
        COALESCE(sum(size) FILTER (WHERE is_stored), 0)::bigint AS stored,
        COALESCE(sum(size) FILTER (WHERE NOT is_stored), 0)::bigint AS reserved
    FROM compared
    GROUP BY entity_id
),
corrected AS (
    SELECT entity_id, count(*) AS count
    FROM (SELECT entity_id FROM dropped UNION ALL SELECT entity_id FROM written) AS each
    GROUP BY entity_id
),
counted AS (
    UPDATE containers_entityusage AS usage
    SET stored_bytes = COALESCE(sums.stored, 0), reserved_bytes = COALESCE(sums.reserved, 0),
        counted_at = statement_timestamp()
    FROM unnest(%(keys)s::bigint[]) AS key LEFT JOIN sums ON sums.entity_id = key
    WHERE usage.entity_id = key
)
SELECT usage.entity_id, entity.name, entity.quota_bytes, usage.stored_bytes, usage.reserved_bytes,
    COALESCE(sums.stored, 0), COALESCE(sums.reserved, 0), COALESCE(corrected.count, 0),
    usage.counted_at IS NOT NULL
FROM containers_entityusage AS usage
JOIN accounts_entity AS entity ON entity.id = usage.entity_id
LEFT JOIN sums ON sums.entity_id = usage.entity_id
LEFT JOIN corrected ON corrected.entity_id = usage.entity_id
WHERE usage.entity_id = ANY(%(keys)s)
"""

# The site's: what the store holds until it was asked to remove it, condemned or not.
COUNT_SITE = """
UPDATE containers_siteusage SET
    stored_bytes = (
        SELECT COALESCE(sum(size), 0)::bigint FROM containers_blob WHERE state <> 'gone'
    ),
    reserved_bytes = (
        SELECT COALESCE(sum(size), 0)::bigint FROM ({under_way}) AS arriving
        WHERE NOT arriving.is_object
    ),
    counted_at = statement_timestamp()
RETURNING stored_bytes, reserved_bytes, counted_at
"""
CHANGE_SITE = """
UPDATE containers_siteusage
SET stored_bytes = stored_bytes + %(stored)s, reserved_bytes = reserved_bytes + %(reserved)s
WHERE counted_at IS NOT NULL
RETURNING stored_bytes, reserved_bytes, counted_at
"""


# ── what is told by those above ──
_under_way: list[str] = []


def learn_of_uploads(under_way: str) -> None:
    """Be told, once, how to find the uploads that are under way: by a query without parameters, of
    rows of entity_id, digest, size, and is_object: whether their bytes are an object of the store.
    """
    _under_way[:] = [under_way.replace("%", "%%")]


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
    return _balance(PAIRS, sorted({entity for entity, _ in once}), columns)


def balance_place(place: Container | Collection) -> Change:
    """The same for all that is in the place, which was just removed, or is there again."""
    is_collection = isinstance(place, Collection)
    entity_id = place.entity_id if isinstance(place, Collection) else place.collection.entity_id
    asked = IN_COLLECTION if is_collection else IN_CONTAINER
    return _balance(asked, [entity_id], {"entity": entity_id, "place": place.pk})[entity_id]


def usage_of(entity_id: int) -> EntityUsage:
    """What the entity pays for, without a lock. One query, where it was ever counted."""
    found = first(EntityUsage.objects.filter(entity=entity_id, counted_at__isnull=False))
    if found is None:
        recount([entity_id])
        found = EntityUsage.objects.get(entity=entity_id)
    return found


def _balance(asked: str, keys: list[int], parameters: dict[str, Any]) -> dict[int, Change]:
    if not keys:
        return {}
    if not _lock(keys):
        # Nobody knows what it was before: all of it counts as old.
        return {key: each.change for key, each in _count(keys).items()}
    rows = _run(
        OF_ASKED, CHARGES, CHANGE_SUMS, asked=asked, parameters={**parameters, "keys": keys}
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


def _lock(keys: list[int]) -> bool:
    """Lock the usage rows of the entities, made where they are missing, in order; whether each was
    ever counted."""
    known = _run_lock(keys)
    if len(known) < len(keys):
        EntityUsage.objects.bulk_create(
            (EntityUsage(entity_id=key) for key in keys), ignore_conflicts=True
        )
        known = _run_lock(keys)
    return all(known)


def _run_lock(keys: list[int]) -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"keys": keys})
        return [row[0] for row in cursor.fetchall()]


def _bound(quota: int | None) -> int:
    return int(settings.DEFAULT_QUOTA_BYTES) if quota is None else quota


def _run(*parts: str, asked: str = "", parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    (under_way,) = _under_way
    sql = "".join(parts).format(asked=asked, under_way=under_way)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


# ── the site ──
def change_site(*, stored: int = 0, reserved: int = 0) -> SiteUsage:
    """Add to what the site has, and has promised room for; what it then is. In the caller's
    transaction, after all else."""
    row = _site_row(CHANGE_SITE, stored=stored, reserved=reserved)
    return row or _count_site()[0]


def site() -> SiteUsage:
    """What the site has, without a lock. One query, where it was ever counted."""
    found = first(SiteUsage.objects.filter(counted_at__isnull=False))
    if found is None:
        with transaction.atomic():
            found = _count_site()[0]
    return found


def _count_site() -> tuple[SiteUsage, SiteUsage]:
    """What the site has, counted anew with its row locked; and what the row said before."""
    SiteUsage.objects.bulk_create([SiteUsage()], ignore_conflicts=True)
    before = SiteUsage.objects.select_for_update().get()
    return cast("SiteUsage", _site_row(COUNT_SITE)), before


def _site_row(sql: str, **parameters: int) -> SiteUsage | None:
    (under_way,) = _under_way
    with connection.cursor() as cursor:
        cursor.execute(sql.format(under_way=under_way), parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    return SiteUsage(stored_bytes=row[0], reserved_bytes=row[1], counted_at=row[2])


# ── counting anew ──
@dataclass(frozen=True)
class Count:
    """What counting an entity anew showed. Bytes, stored and promised."""

    change: Change
    said: tuple[int, int]
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
        _lock(ordered)
        counted = _count(ordered)
    return sum(each.was_wrong for each in counted.values())


def recount_site() -> bool:
    """Count the site's row anew, in a transaction; whether it was wrong."""
    with transaction.atomic():
        now, before = _count_site()
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


def recount_all() -> int:
    """Count every entity and the site anew; how many were wrong."""
    _open_accounts()
    wrong = last = 0
    while keys := list(
        EntityUsage.objects.filter(pk__gt=last)
        .order_by("pk")
        .values_list("pk", flat=True)[:ENTITIES_AT_ONCE]
    ):
        wrong += recount(keys)
        last = keys[-1]
    return wrong + recount_site()


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
            _lock(keys)
            found = _counts(keys)
            transaction.set_rollback(True)
        for key, each in found.items():
            if each.was_wrong:
                now = each.change
                yield Drift(key, now.entity_name, each.said, (now.stored, now.reserved))
        last = keys[-1]
    with transaction.atomic():
        site_now, before = _count_site()
        transaction.set_rollback(True)
    said = before.stored_bytes, before.reserved_bytes
    counted = site_now.stored_bytes, site_now.reserved_bytes
    if before.counted_at is not None and said != counted:
        yield Drift(None, "the site", said, counted)


def count_uncounted() -> int:
    """Count the entities that never were, and the site if it never was; how many entities."""
    _open_accounts()
    count = 0
    uncounted = EntityUsage.objects.filter(counted_at__isnull=True).order_by("pk")
    while keys := list(uncounted.values_list("pk", flat=True)[:ENTITIES_AT_ONCE]):
        recount(keys)
        count += len(keys)
    site()
    return count


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


def _count(keys: list[int]) -> dict[int, Count]:
    """Count these entities anew, and say so where one was wrong; their rows are locked."""
    found = _counts(keys)
    for each in found.values():
        if each.was_wrong:
            _tell(each.change.entity_name, each.said, (each.change.stored, each.change.reserved))
    return found


def _counts(keys: list[int]) -> dict[int, Count]:
    found = {}
    for row in _run(OF_ENTITIES, CHARGES, COUNT_SUMS, parameters={"keys": keys}):
        key, name, quota, stored_before, reserved_before, stored, reserved, corrected, known = row
        said, counted = (stored_before, reserved_before), (stored, reserved)
        was_wrong = known and (corrected > 0 or said != counted)
        change = Change(name, _bound(quota), stored, reserved)
        found[key] = Count(change, said, was_wrong)
    return found


def _tell(whose: str, said: tuple[int, int], counted: tuple[int, int]) -> None:
    """Have people look for what wrote it: it is corrected, and it is a fault of ours."""
    metrics.LEDGER_CORRECTED.inc()
    log.error(
        "The ledger was wrong for %s and is corrected: it said %d bytes stored and %d promised; "
        "counted were %d and %d.",
        *(whose, *said, *counted),
    )
