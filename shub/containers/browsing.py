"""Browsing: what there is on the site, and in its parts, for one who has nothing to search for.

Lists of what the caller may see, in pages, with what a person picks by: how much is in it, and when
something was last pushed there. Each takes so many queries, whatever is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers.contents import in_order
from shub.containers.models import Collection, Container
from shub.containers.permissions import collections_visible_to, containers_visible_to
from shub.rows import Cut, Page

PAGE = 50

# What was pushed lately is looked for in so many containers, of so many of the newest images.
MOST_WALKED = 100
MOST_IMAGES_WALKED = 20_000

# So many of a container's tags are looked at for a list, the newest first, and so many named.
MOST_TAGS_COUNTED = 500
MOST_TAGS_NAMED = 3

# Of each container what a list shows of it, by its indexes: the ORM could only say it by queries
# for each.
SEEN_OF_EACH = """
SELECT looked.id, image.digest, image.arch, image.signed, image.created_at, image.size,
    tags.count, tags.are_more, tags.arches, tags.names
FROM unnest(%(containers)s::bigint[]) AS looked (id)
LEFT JOIN LATERAL (
    SELECT image.digest, image.arch, image.signed, image.created_at, blob.size
    FROM containers_image image JOIN containers_blob blob ON blob.id = image.blob_id
    WHERE image.container_id = looked.id AND blob.state IN ('proven', 'damaged')
    ORDER BY image.id DESC LIMIT 1
) image ON true
LEFT JOIN LATERAL (
    WITH tag AS (
        SELECT name, arch, moved_at FROM containers_tag
        WHERE container_id = looked.id ORDER BY moved_at DESC LIMIT %(most_counted)s
    )
    SELECT (SELECT count(DISTINCT name) FROM tag) AS count,
        (SELECT count(*) FROM tag) = %(most_counted)s AS are_more,
        ARRAY(SELECT DISTINCT arch FROM tag) AS arches,
        ARRAY(
            SELECT name FROM tag GROUP BY name ORDER BY max(moved_at) DESC, name
            LIMIT %(most_named)s
        ) AS names
) tags ON true
"""

# From the newest image backwards, from one container that has not been met to the next, however
# many images were pushed to one of them lately.
LAST_PUSHED_TO = """
WITH RECURSIVE walk AS (
    (
        SELECT id, container_id, ARRAY[container_id] AS met FROM containers_image
        WHERE blob_id IS NOT NULL ORDER BY id DESC LIMIT 1
    )
    UNION ALL
    SELECT next.id, next.container_id, walk.met || next.container_id
    FROM walk CROSS JOIN LATERAL (
        SELECT id, container_id FROM containers_image
        WHERE id < walk.id AND id > (SELECT max(id) FROM containers_image) - %(images)s
            AND blob_id IS NOT NULL AND container_id <> ALL (walk.met)
        ORDER BY id DESC LIMIT 1
    ) next
    WHERE cardinality(walk.met) < %(most)s
)
SELECT container_id FROM walk ORDER BY id DESC
"""

# Of each collection how many containers one may see, and when one of them was last pushed to.
# {visible} is the query of what one may see.
COUNTED = """
SELECT container.collection_id, count(*), max(image.created_at)
FROM containers_container container
LEFT JOIN LATERAL (
    SELECT image.created_at
    FROM containers_image image JOIN containers_blob blob ON blob.id = image.blob_id
    WHERE image.container_id = container.id AND blob.state IN ('proven', 'damaged')
    ORDER BY image.id DESC LIMIT 1
) image ON true
WHERE container.id IN ({visible})
GROUP BY container.collection_id
"""


# ── containers ──
@dataclass(frozen=True)
class Newest:
    """The image that was pushed last."""

    digest: str
    arch: str
    signed: bool
    pushed_at: datetime
    size: int


@dataclass(frozen=True)
class ContainerRow:
    """A container in a list, with its parents."""

    container: Container
    newest: Newest | None
    """None where nothing has arrived yet."""
    tag_count: int
    """Of names; of those that moved last only, where `has_more_tags`."""
    has_more_tags: bool
    tags: Sequence[str]
    """The names that moved last."""
    arches: Sequence[str]
    """Go's names, of its tags."""


def rows_of(containers: Sequence[Container]) -> list[ContainerRow]:
    """What a list shows of each of these, in their order. Of containers that one may see; one
    query."""
    asked: dict[str, Any] = {
        "containers": [container.pk for container in containers],
        "most_counted": MOST_TAGS_COUNTED,
        "most_named": MOST_TAGS_NAMED,
    }
    with connection.cursor() as cursor:
        cursor.execute(SEEN_OF_EACH, asked)
        seen = {row[0]: row[1:] for row in cursor.fetchall()}
    return [_row(container, *seen[container.pk]) for container in containers]


def _row(container: Container, *seen: Any) -> ContainerRow:
    *image, count, are_more, arches, names = seen
    return ContainerRow(
        container=container,
        newest=Newest(*image) if image[0] else None,
        tag_count=count,
        has_more_tags=are_more,
        tags=names,
        arches=in_order(arches),
    )


def containers_of_collection(
    collection: Collection, *, page: int = 1, by: Caller
) -> Page[ContainerRow]:
    """The containers of the collection that one may see, by name. Two queries."""
    cut = Cut.at(page, PAGE)
    containers = containers_visible_to(by).filter(collection=collection)
    taken = cut.of(containers.select_related("collection__entity").order_by("name"))
    return cut.page(rows_of(taken))


def recently_pushed(*, most: int = 10, by: Caller) -> list[ContainerRow]:
    """The containers that something was pushed to last, the newest first. Three queries.

    Of those that one may see among the last that anybody pushed to: there can be fewer than asked
    for.
    """
    with connection.cursor() as cursor:
        cursor.execute(LAST_PUSHED_TO, {"most": MOST_WALKED, "images": MOST_IMAGES_WALKED})
        keys = [key for (key,) in cursor.fetchall()]
    visible = containers_visible_to(by).filter(pk__in=keys).select_related("collection__entity")
    seen = {container.pk: container for container in visible}
    return rows_of([seen[key] for key in keys if key in seen][:most])


# ── collections ──
@dataclass(frozen=True)
class CollectionRow:
    """A collection in a list, with its entity."""

    collection: Collection
    container_count: int
    """Of those that one may see."""
    pushed_at: datetime | None
    """When something was last pushed into one of them."""


def collections_of_entity(entity: Entity, *, page: int = 1, by: Caller) -> Page[CollectionRow]:
    """The collections of the entity that one may see, by name. Two queries."""
    return _collections(collections_visible_to(by).filter(entity=entity), page, by)


def collections(*, page: int = 1, most: int | None = None, by: Caller) -> Page[CollectionRow]:
    """All collections that one may see, by name, so many on a page. Two queries."""
    return _collections(collections_visible_to(by), page, by, most=most)


def _collections(
    rows: QuerySet[Collection], page: int, by: Caller, *, most: int | None = None
) -> Page[CollectionRow]:
    cut = Cut.at(page, most or PAGE)
    taken = cut.of(rows.select_related("entity").order_by("entity__name", "name"))
    counts = _counts(taken, by)
    return cut.page(
        [CollectionRow(collection, *counts.get(collection.pk, (0, None))) for collection in taken]
    )


def _counts(
    collections: Sequence[Collection], by: Caller
) -> dict[int, tuple[int, datetime | None]]:
    keys = [collection.pk for collection in collections]
    visible = containers_visible_to(by).filter(collection__in=keys or [0]).values("pk")
    sql, parameters = visible.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(COUNTED.format(visible=sql), parameters)
        return {key: (count, pushed_at) for key, count, pushed_at in cursor.fetchall()}
