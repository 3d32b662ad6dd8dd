"""Finding: what a person searches for among the containers, with why it is found, and what narrows
it further.

Each word of the text is part of a container's name or of its description, or begins one of its
tags, or the hash of one of its images; where all words have one or two characters, each begins the
name. A word with slashes is the end of one name and the beginning of the next, as in
`shub.containers.search`.
"""

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from typing import Any, TypeAlias

from django.db import connection
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Value, When

from shub.accounts.callers import Caller
from shub.containers.browsing import ContainerRow, rows_of
from shub.containers.contents import in_order
from shub.containers.models import Blob, Container, Image, Tag
from shub.containers.permissions import containers_visible_to
from shub.containers.search import LEAST_CHARACTERS, MOST_CHARACTERS, matching_container
from shub.names import folded
from shub.rows import Cut, Page

PAGE = 20

# So many words are looked for; who writes more has pasted something.
MOST_WORDS = 5

# So many matches are looked at: listed, counted, and put into order.
MOST_MATCHES = 300

# Of each of them so many of the newest images count in the figures.
MOST_IMAGES_COUNTED = 3

# So many entities are named with how much of theirs matches.
MOST_ENTITIES = 20

# Of one container so many tags and images are named that match.
MOST_REASONS = 5

# A word that can be the beginning of a hash: eight digits are what pages show.
_hash = re.compile(r"^(?:sha256[.:])?([0-9a-f]{8,64})$")
# By one digit a sixteenth of all images would be looked at, for each word.
_marked_hash = re.compile(r"^sha256[.:]([0-9a-f]{2,64})$")

BEST, NEWEST, NAME, DOWNLOADS = "best", "newest", "name", "downloads"
ORDERS: Sequence[str] = (BEST, NEWEST, NAME, DOWNLOADS)

# The lower bounds of the classes that sizes are counted in, in bytes: of one up to the next.
SIZE_CLASSES: Sequence[int] = (0, 100_000_000, 1_000_000_000, 10_000_000_000)

DAYS: Sequence[int] = (1, 7, 30, 365)

# As Postgres writes them.
SAID = {"true": True, "false": False}

Span: TypeAlias = tuple[int, int]

# Counted by Postgres: some hundred containers' images as objects here would take ten times as long.
# Each container counts once for each kind of image that it has.
FIGURES = """
WITH fitting AS (
    SELECT looked.id, newest.arch, newest.signed, newest.class, newest.created_at
    FROM unnest(%(containers)s::bigint[]) AS looked (id)
    CROSS JOIN LATERAL (
        SELECT image.arch COLLATE "C" AS arch, image.signed, image.created_at,
            width_bucket(blob.size, %(bounds)s::bigint[]) AS class
        FROM containers_image image JOIN containers_blob blob ON blob.id = image.blob_id
        WHERE image.container_id = looked.id AND blob.state IN ('proven', 'damaged')
            AND (%(arch)s = '' OR image.arch = %(arch)s)
            AND (%(signed)s::boolean IS NULL OR image.signed = %(signed)s)
            AND (%(min_size)s::bigint IS NULL OR blob.size >= %(min_size)s)
            AND (%(max_size)s::bigint IS NULL OR blob.size < %(max_size)s)
            AND (%(pushed_since)s::timestamptz IS NULL OR image.created_at >= %(pushed_since)s)
        ORDER BY image.id DESC LIMIT %(most)s
    ) newest
)
SELECT 'arch', arch, count(DISTINCT id) FROM fitting GROUP BY arch
UNION ALL
SELECT 'signed', signed::text, count(DISTINCT id) FROM fitting GROUP BY signed
UNION ALL
SELECT 'class', class::text, count(DISTINCT id) FROM fitting GROUP BY class
UNION ALL
SELECT 'days', within.days::text, count(DISTINCT fitting.id)
FROM unnest(%(days)s::int[]) AS within (days)
JOIN fitting ON fitting.created_at >= now() - within.days * interval '1 day'
GROUP BY within.days
UNION ALL
SELECT 'entity', name, count FROM (
    SELECT entity.name, count(*) AS count
    FROM unnest(%(containers)s::bigint[]) AS looked (id)
    JOIN containers_container container ON container.id = looked.id
    JOIN containers_collection collection ON collection.id = container.collection_id
    JOIN accounts_entity entity ON entity.id = collection.entity_id
    GROUP BY entity.name ORDER BY count(*) DESC, entity.name LIMIT %(most_entities)s
) most
"""

NEWEST_FIRST = """
SELECT looked.id
FROM unnest(%(containers)s::bigint[]) WITH ORDINALITY AS looked (id, place)
LEFT JOIN LATERAL (
    SELECT image.id FROM containers_image image
    WHERE image.container_id = looked.id AND image.blob_id IS NOT NULL
    ORDER BY image.id DESC LIMIT 1
) newest ON true
ORDER BY newest.id DESC NULLS LAST, looked.place
"""


@dataclass(frozen=True)
class Filters:
    """What an image must be, for its container to be listed. All of it holds for one image."""

    arch: str = ""
    """Go's name; empty: any."""
    signed: bool | None = None
    entity: str = ""
    min_size: int | None = None
    """Bytes, this one included."""
    max_size: int | None = None
    """Bytes, this one not included."""
    pushed_since: datetime | None = None

    def are_of_images(self) -> bool:
        """Whether they say anything of images."""
        given = (self.signed, self.min_size, self.max_size, self.pushed_since)
        return bool(self.arch) or any(each is not None for each in given)

    def images(self) -> Q:
        """The images that they let through: all that ever had their bytes proven.

        Whether these are still whole is asked of what is listed: to ask it of all here would double
        the time.
        """
        q = Q(blob__isnull=False)
        if self.arch:
            q &= Q(arch=self.arch)
        if self.signed is not None:
            q &= Q(signed=self.signed)
        if self.min_size is not None:
            q &= Q(blob__size__gte=self.min_size)
        if self.max_size is not None:
            q &= Q(blob__size__lt=self.max_size)
        if self.pushed_since is not None:
            q &= Q(created_at__gte=self.pushed_since)
        return q


@dataclass(frozen=True)
class Hit:
    """A container that matches, and why."""

    row: ContainerRow
    name_spans: Sequence[Span]
    """Which pieces of its name match, from character to character; the later not included. Of a
    word with slashes, the piece that is in the name."""
    description_spans: Sequence[Span]
    tags: Sequence[str]
    """Its tags that a word of the text begins; the newest of them."""
    digests: Sequence[str]
    """The hashes of its images, in hex, that a word of the text begins."""

    @property
    def container(self) -> Container:
        """The container, with its parents."""
        return self.row.container

    @property
    def why(self) -> list[str]:
        """Of `name`, `description`, `tag` and `hash`, what matches."""
        reasons = {
            "name": self.name_spans,
            "description": self.description_spans,
            "tag": self.tags,
            "hash": self.digests,
        }
        return [reason for reason, found in reasons.items() if found]


@dataclass(frozen=True)
class Facets:
    """How many of the containers that match have an image of each kind, the filters applied."""

    arches: Mapping[str, int]
    signed: Mapping[bool, int]
    entities: Mapping[str, int]
    """Of those that most of them are of."""
    sizes: Mapping[int, int]
    """By the lower bounds in SIZE_CLASSES."""
    days: Mapping[int, int]
    """Pushed within so many days, of DAYS."""


@dataclass(frozen=True)
class Search:
    """What was found. `page.total` is how many, as far as they were looked at."""

    page: Page[Hit]
    facets: Facets
    counted_all: bool
    """False where more match than are looked at: the figures are of those, and so is the list."""


def find_containers(
    text: str,
    *,
    filters: Filters | None = None,
    order: str = BEST,
    page: int = 1,
    by: Caller,
) -> Search:
    """The containers that one may see and that match; an empty text matches all of them.

    Seven queries at most, whatever there is. An order that is none of ORDERS is the best.
    """
    words = words_of(text)
    filters = filters or Filters()
    keys, counted_all = _matches(words, filters, order, by)
    if order == NEWEST:
        keys = _newest_first(keys)
    cut = Cut.at(page, PAGE)
    shown = keys[cut.skipped : cut.skipped + cut.size + 1]
    hits = _hits(shown, words)
    return Search(
        page=cut.page(hits, total=len(keys)),
        facets=_facets(keys, filters),
        counted_all=counted_all,
    )


def words_of(text: str) -> list[str]:
    """The words that are looked for, in lower case, each once.

    >>> words_of("  GCC tools gcc")
    ['gcc', 'tools']
    """
    text = folded(text.replace("\0", " "))[:MOST_CHARACTERS]
    return list(dict.fromkeys(text.split()))[:MOST_WORDS]


def hash_prefix(word: str) -> str:
    """The hex digits of a word that can be the beginning of a hash; else empty.

    >>> hash_prefix("sha256.4b"), hash_prefix("4be1c0aa"), hash_prefix("4be1")
    ('4b', '4be1c0aa', '')
    >>> hash_prefix("sha256.4")
    ''
    """
    found = _marked_hash.match(word) or _hash.match(word)
    return found.group(1) if found else ""


# ── which ──
def _matches(
    words: Sequence[str], filters: Filters, order: str, by: Caller
) -> tuple[list[int], bool]:
    """The keys of the containers that match, in order; and whether these are all."""
    containers = containers_visible_to(by)
    are_short = all(len(word) < LEAST_CHARACTERS for word in words)
    for word in words:
        containers = containers.filter(pk__in=_begun(word) if are_short else _candidates(word))
    if filters.entity:
        containers = containers.filter(collection__entity__name=folded(filters.entity))
    if filters.are_of_images():
        of_it = Image.objects.filter(filters.images(), container=OuterRef("pk"))
        containers = containers.filter(Exists(of_it))
    keys = list(_ordered(containers, words, order).values_list("pk", flat=True)[: MOST_MATCHES + 1])
    return keys[:MOST_MATCHES], len(keys) <= MOST_MATCHES


def _begun(word: str) -> QuerySet[Any, Any]:
    """The keys of all containers whose name the word begins: it is part of nearly every other."""
    return Container.objects.filter(name__startswith=word).values_list("pk")


def _candidates(word: str) -> QuerySet[Any, Any]:
    """The keys of all containers that the word matches. Apart, so that each goes by its index."""
    found: list[QuerySet[Any, Any]] = [
        Container.objects.filter(matching_container(word)).values_list("pk")
    ]
    if "/" not in word and len(word) >= LEAST_CHARACTERS:
        found.append(Tag.objects.filter(name__startswith=word).values_list("container"))
    digits = hash_prefix(word)
    if digits:
        of_hash = Image.objects.filter(digest__startswith=digits, blob__state__in=Blob.HELD)
        found.append(of_hash.values_list("container"))
    return found[0].union(*found[1:]) if len(found) > 1 else found[0]


def _ordered(
    containers: QuerySet[Container], words: Sequence[str], order: str
) -> QuerySet[Container]:
    if order == DOWNLOADS:
        return containers.order_by("-download_count", "name", "id")
    if order == NAME or not words:
        return containers.order_by("name", "id")
    nearness = reduce(operator.add, [_distance(word) for word in words])
    return containers.order_by(nearness, "name", "id")


def _distance(word: str) -> Case:
    """How far a container's name is from a word: is it, begins so, has it in it, has it not."""
    name = word.rpartition("/")[2]
    return Case(
        When(name=name, then=Value(0)),
        When(name__startswith=name, then=Value(1)),
        When(name__contains=name, then=Value(2)),
        default=Value(3),
    )


def _newest_first(keys: Sequence[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_FIRST, {"containers": list(keys)})
        return [key for (key,) in cursor.fetchall()]


# ── the figures ──
def _facets(keys: Sequence[int], filters: Filters) -> Facets:
    asked: dict[str, Any] = {
        **vars(filters),
        "containers": list(keys),
        "bounds": list(SIZE_CLASSES),
        "days": list(DAYS),
        "most": MOST_IMAGES_COUNTED,
        "most_entities": MOST_ENTITIES,
    }
    counts: dict[str, dict[str, int]] = {}
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, asked)
        for kind, value, count in cursor.fetchall():
            counts.setdefault(kind, {})[value] = count
    arches, signed = counts.get("arch", {}), counts.get("signed", {})
    classes, days = counts.get("class", {}), counts.get("days", {})
    entities = sorted(counts.get("entity", {}).items(), key=lambda each: (-each[1], each[0]))
    return Facets(
        arches={arch: arches[arch] for arch in in_order(arches)},
        signed={value: signed[said] for said, value in SAID.items() if said in signed},
        entities=dict(entities),
        sizes={
            low: classes[str(number)]
            for number, low in enumerate(SIZE_CLASSES, 1)
            if str(number) in classes
        },
        days={each: days[str(each)] for each in DAYS if str(each) in days},
    )


# ── why ──
def _hits(keys: Sequence[int], words: Sequence[str]) -> list[Hit]:
    found = Container.objects.select_related("collection__entity").in_bulk(keys)
    rows = rows_of([found[key] for key in keys if key in found])
    tags = _tags(keys, words)
    digests = _digests(keys, words)
    return [
        Hit(
            row=row,
            name_spans=_spans(row.container.name, [word.rpartition("/")[2] for word in words]),
            description_spans=_spans(row.container.description, words),
            tags=tags.get(row.container.pk, []),
            digests=digests.get(row.container.pk, []),
        )
        for row in rows
    ]


def _tags(keys: Sequence[int], words: Sequence[str]) -> dict[int, list[str]]:
    long_enough = [word for word in words if len(word) >= LEAST_CHARACTERS and "/" not in word]
    begun = [Q(name__startswith=word) for word in long_enough]
    return _some(Tag.objects.filter(container__in=keys), begun, "name", "-moved_at")


def _digests(keys: Sequence[int], words: Sequence[str]) -> dict[int, list[str]]:
    begun = [Q(digest__startswith=digits) for word in words if (digits := hash_prefix(word))]
    return _some(
        Image.objects.filter(container__in=keys, blob__state__in=Blob.HELD), begun, "digest", "-id"
    )


def _some(rows: QuerySet[Any], any_of: Sequence[Q], field: str, order: str) -> dict[int, list[str]]:
    """The field's values by container, some of each; none where nothing is asked for."""
    if not any_of:
        return {}
    wanted = any_of[0]
    for each in any_of[1:]:
        wanted |= each
    found: dict[int, list[str]] = {}
    for key, value in (
        rows.filter(wanted).order_by(order, field).values_list("container", field)[:MOST_MATCHES]
    ):
        known = found.setdefault(key, [])
        if value not in known and len(known) < MOST_REASONS:
            known.append(value)
    return found


def _spans(text: str, words: Sequence[str]) -> list[Span]:
    """Where the words are in the text, in order; those that touch are one.

    >>> _spans("Tools of tools", ["tool", "ols"])
    [(0, 5), (9, 14)]
    """
    sought = [re.escape(word) for word in words if word]
    found = sorted(
        each.span() for word in sought for each in re.finditer(word, text, re.IGNORECASE)
    )
    spans: list[Span] = []
    for start, end in found:
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans
