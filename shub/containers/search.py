"""Search: what matches a text, of what the caller may see, in lists of bounded length.

Names match by any part of them, descriptions likewise, in any case of letters. A text with slashes
is the end of one name and the beginning of the next: `tools/gc` finds `mara/tools/gcc`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Case, Q, QuerySet, Value, When

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers.models import Blob, Collection, Container, Image, Tag
from shub.containers.permissions import (
    collections_visible_to,
    containers_visible_to,
    entities_visible_to,
)
from shub.errors import Invalid

# The clients refuse less, and it would match nearly everything.
LEAST_CHARACTERS = 3
MOST_CHARACTERS = 400

# Of each kind. The protocol knows no pages, and nobody reads more on a terminal.
MOST_FOUND = 100

# Of how many containers the images are looked at, and how many of the newest of each.
CONTAINERS_LOOKED_INTO = 50
NEWEST_OF_EACH = 20

# How many tags are named of one image, or of one container.
MOST_TAGS = 100

# Of each container the newest by its index, and no container as a whole: the ORM could only say it
# by a query for each, which costs it more than it costs Postgres.
NEWEST_IMAGES = """
SELECT newest.id
FROM unnest(%(containers)s::bigint[]) WITH ORDINALITY AS looked (id, place)
CROSS JOIN LATERAL (
    SELECT image.id
    FROM containers_image image JOIN containers_blob blob ON blob.id = image.blob_id
    WHERE image.container_id = looked.id AND blob.state IN ('proven', 'damaged')
        AND (%(any_arch)s OR image.arch = ANY (%(arches)s))
        AND (image.signed OR NOT %(signed_only)s)
    ORDER BY image.id DESC LIMIT %(most)s
) newest
ORDER BY looked.place, newest.id DESC
"""
NEWEST_TAGS = """
SELECT looked.id, newest.name, image.public_id
FROM unnest(%(containers)s::bigint[]) AS looked (id)
CROSS JOIN LATERAL (
    SELECT tag.name, tag.image_id FROM containers_tag tag
    WHERE tag.container_id = looked.id ORDER BY tag.moved_at DESC LIMIT %(most)s
) newest
JOIN containers_image image ON image.id = newest.image_id
"""


@dataclass(frozen=True)
class Found:
    """What matched, best first. Images have their parents and blobs fetched, containers parents.

    `tags` are the tags of those images, by the image's key; `container_tags` tag → the image's
    public id, by the container's key.
    """

    entities: list[Entity]
    collections: list[Collection]
    containers: list[Container]
    images: list[Image]
    tags: dict[int, list[str]]
    container_tags: dict[int, dict[str, str]]


def find(text: str, *, arches: Sequence[str] = (), signed_only: bool = False, by: Caller) -> Found:
    """What matches the text. `arches` (Go's names) and `signed_only` narrow the images.

    Invalid for a text that is too short or too long.
    """
    text = text.strip().lower()
    if not LEAST_CHARACTERS <= len(text) <= MOST_CHARACTERS:
        raise Invalid(
            f"A search text has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters; this one has "
            f"{len(text)}."
        )
    visible = containers_visible_to(by)
    containers = list(
        visible.filter(matching_container(text))
        .select_related("collection__entity")
        .order_by(_nearness(text), "name", "id")[:MOST_FOUND]
    )
    images = _images(text, containers, visible, arches=arches, signed_only=signed_only)
    return Found(
        entities=list(
            entities_visible_to(by)
            .filter(name__contains=text)
            .order_by(_nearness(text), "name")[:MOST_FOUND]
        ),
        collections=list(
            collections_visible_to(by)
            .filter(_matching_collection(text))
            .select_related("entity")
            .order_by(_nearness(text), "name", "id")[:MOST_FOUND]
        ),
        containers=containers,
        images=images,
        tags=_tags_of(images),
        container_tags=_tags_in(containers),
    )


def _nearness(text: str) -> Case:
    """What is called so comes first, then what begins so. Of a path its last name counts."""
    name = text.rpartition("/")[2]
    return Case(
        When(name=name, then=Value(0)), When(name__startswith=name, then=Value(1)), default=Value(2)
    )


def _matching_collection(text: str) -> Q:
    entity, slash, name = text.partition("/")
    if slash:
        return Q(entity__name__endswith=entity, name__startswith=name)
    return Q(name__contains=text) | Q(description__icontains=text)


def matching_container(text: str) -> Q:
    """The containers of this name or description, or of these parts of names."""
    parts = text.split("/")
    if len(parts) == 1:
        return Q(name__contains=text) | Q(description__icontains=text)
    if len(parts) == 2:
        return Q(collection__name__endswith=parts[0], name__startswith=parts[1])
    entity, collection, name = parts[0], parts[1], "/".join(parts[2:])
    return Q(
        collection__entity__name__endswith=entity,
        collection__name=collection,
        name__startswith=name,
    )


def _images(
    text: str,
    containers: Sequence[Container],
    visible: QuerySet[Container],
    *,
    arches: Sequence[str],
    signed_only: bool,
) -> list[Image]:
    """The newest images of the containers that match, then those whose own description does."""
    proven = Image.objects.filter(blob__state__in=Blob.HELD)
    if arches:
        proven = proven.filter(arch__in=arches)
    if signed_only:
        proven = proven.filter(signed=True)

    asked: dict[str, Any] = {
        "containers": [container.pk for container in containers[:CONTAINERS_LOOKED_INTO]],
        "any_arch": not arches,
        "arches": list(arches),
        "signed_only": signed_only,
        "most": NEWEST_OF_EACH,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_IMAGES, asked)
        keys = [key for (key,) in cursor.fetchall()]
    if len(keys) < MOST_FOUND:
        described = proven.filter(description__icontains=text, container__in=visible).order_by(
            "-id"
        )
        keys += described.values_list("pk", flat=True)[:MOST_FOUND]

    found = Image.objects.select_related("blob", "container__collection__entity").in_bulk(
        list(dict.fromkeys(keys))[:MOST_FOUND]
    )
    return [found[key] for key in dict.fromkeys(keys) if key in found]


def _tags_of(images: Sequence[Image]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    tags = Tag.objects.filter(image__in=images).order_by("-moved_at", "name")
    for image_id, name in tags.values_list("image_id", "name")[: MOST_FOUND * MOST_TAGS]:
        known = names.setdefault(image_id, [])
        if len(known) < MOST_TAGS:
            known.append(name)
    return names


def _tags_in(containers: Sequence[Container]) -> dict[int, dict[str, str]]:
    """Of each container its newest tags, one image each."""
    asked: dict[str, Any] = {
        "containers": [container.pk for container in containers[:CONTAINERS_LOOKED_INTO]],
        "most": MOST_TAGS,
    }
    maps: dict[int, dict[str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_TAGS, asked)
        for container, name, image in cursor.fetchall():
            maps.setdefault(container, {}).setdefault(name, image)
    return maps
