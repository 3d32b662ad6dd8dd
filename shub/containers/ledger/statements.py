"""Statements: what is asked of the database, and what it is told, in SQL.

Those on entities are put together of three: what is asked for and true of it, what makes the
charges say so, and what makes the sums.
"""

from typing import Any

from django.db import connection

from shub.containers.models import SiteUsage

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


# ── asking ──
def lock(keys: list[int]) -> list[bool]:
    """Lock the usage rows that the entities have, in order; of each whether it was ever counted."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, {"keys": keys})
        return [row[0] for row in cursor.fetchall()]


def run(*parts: str, asked: str = "", parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Put these together to one statement, and run it; its rows."""
    (under_way,) = _under_way
    sql = "".join(parts).format(asked=asked, under_way=under_way)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def run_of_site(sql: str, **parameters: int) -> SiteUsage | None:
    """Run one on the site's row; what the row then says, or None where it changed none."""
    (under_way,) = _under_way
    with connection.cursor() as cursor:
        cursor.execute(sql.format(under_way=under_way), parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    return SiteUsage(stored_bytes=row[0], reserved_bytes=row[1], counted_at=row[2])
