"""A registry with many images, made by SQL: what a large site's database looks like to a query.

The rows are as a push leaves them, but for the bytes: the store holds none of them.
"""

import contextlib
from dataclasses import dataclass

import psycopg2

from tests.clients.live import Live

ENTITIES = 100
COLLECTIONS = 1_000
CONTAINERS = 20_000
IMAGES = 100_000  # and as many tags, and blobs

# Ids and digests are hashes of the row's number: random to an index, and the same each time.
PUBLIC_ID = "substr(md5('{kind}' || n), 1, 24)"
DIGEST = "encode(sha256(convert_to('image' || n, 'UTF8')), 'hex')"

ENTITY_ROWS = f"""
INSERT INTO accounts_entity (public_id, name, description, default_private, created_at)
SELECT {PUBLIC_ID.format(kind="entity")}, 'bench-e' || n, '', false, now()
FROM generate_series(0, {ENTITIES - 1}) AS n
"""

COLLECTION_ROWS = f"""
INSERT INTO containers_collection
    (public_id, entity_id, name, description, visibility, created_at)
SELECT {PUBLIC_ID.format(kind="collection")}, entity.id, 'bench-c' || n, '', 'public', now()
FROM generate_series(0, {COLLECTIONS - 1}) AS n
JOIN accounts_entity entity ON entity.name = 'bench-e' || n % {ENTITIES}
"""

CONTAINER_ROWS = f"""
INSERT INTO containers_container
    (public_id, collection_id, name, description, download_count, created_at)
SELECT {PUBLIC_ID.format(kind="container")}, collection.id, 'bench-k' || n, '', 0, now()
FROM generate_series(0, {CONTAINERS - 1}) AS n
JOIN containers_collection collection ON collection.name = 'bench-c' || n % {COLLECTIONS}
"""

BLOB_ROWS = f"""
INSERT INTO containers_blob
    (public_id, algorithm, digest, size, media_type, state, key, created_at)
SELECT {PUBLIC_ID.format(kind="blob")}, 'sha256', {DIGEST}, 1048576 + n, '', 'proven',
    'bench/' || {DIGEST}, now()
FROM generate_series(0, {IMAGES - 1}) AS n
"""

IMAGE_ROWS = f"""
INSERT INTO containers_image
    (public_id, container_id, digest, blob_id, description, arch, signed, fingerprints, encrypted,
     download_count, created_at)
SELECT {PUBLIC_ID.format(kind="image")}, container.id, {DIGEST}, blob.id, 'An image', 'amd64', true,
    ARRAY[repeat('ab', 20)], false, 0, now()
FROM generate_series(0, {IMAGES - 1}) AS n
JOIN containers_container container ON container.name = 'bench-k' || n % {CONTAINERS}
JOIN containers_blob blob ON blob.key = 'bench/' || {DIGEST}
"""

TAG_ROWS = f"""
INSERT INTO containers_tag (container_id, name, arch, image_id, moved_at)
SELECT image.container_id, 'v' || n, 'amd64', image.id, now()
FROM generate_series(0, {IMAGES - 1}) AS n
JOIN containers_blob blob ON blob.key = 'bench/' || {DIGEST}
JOIN containers_image image ON image.blob_id = blob.id
"""

IN_ORDER = (ENTITY_ROWS, COLLECTION_ROWS, CONTAINER_ROWS, BLOB_ROWS, IMAGE_ROWS, TAG_ROWS)

ALL_TAGS = """
SELECT entity.name || '/' || collection.name || '/' || container.name || ':' || tag.name
FROM containers_tag tag
JOIN containers_container container ON container.id = tag.container_id
JOIN containers_collection collection ON collection.id = container.collection_id
JOIN accounts_entity entity ON entity.id = collection.entity_id
WHERE entity.name LIKE 'bench-e%%' ORDER BY md5(tag.name) LIMIT %s
"""

COUNTS = """
SELECT (SELECT count(*) FROM containers_image), (SELECT count(*) FROM containers_tag),
    (SELECT count(*) FROM containers_container)
"""


@dataclass(frozen=True)
class Filled:
    """How many of each there are now."""

    images: int
    tags: int
    containers: int


def fill(live: Live) -> Filled:
    """Make the rows where they are missing."""
    with contextlib.closing(psycopg2.connect(live.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM accounts_entity WHERE name = 'bench-e0'")
            if cursor.fetchone() is None:
                for statement in IN_ORDER:
                    cursor.execute(statement)
            cursor.execute("VACUUM ANALYZE")
    return Filled(*live.rows(COUNTS)[0])


def references(live: Live, count: int) -> list[str]:
    """ENTITY/COLLECTION/CONTAINER:TAG of so many images, spread over all of them."""
    return [reference for (reference,) in live.rows(ALL_TAGS, count)]
