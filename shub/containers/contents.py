"""Contents: what is in one container, in pages: its tags, what they meant before, its images.

Of a container that the caller may see; else NotFound, as if it were not there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from shub.accounts.callers import Caller
from shub.containers.models import Blob, Container, Image, Tag, TagMove
from shub.containers.permissions import may_view
from shub.containers.refs import DEFAULT_TAG
from shub.errors import NotFound
from shub.rows import Cut, Page

PAGE = 30

# So many tags are named of one image in a list; and on its own page.
MOST_TAGS = 20
MOST_TAGS_OF_ONE = 200

# The archs that most ask for stand first.
FIRST_ARCHES = ("amd64", "arm64")

# By the index that begins with container and name: no tag is read for it.
ARCHES_AND_NAMES = """
SELECT
    ARRAY(SELECT arch FROM containers_tag WHERE container_id = %(container)s GROUP BY arch),
    (SELECT count(*) FROM (
        SELECT FROM containers_tag WHERE container_id = %(container)s GROUP BY name
    ) names)
"""

# The names whose tags moved last, by the index of the newest: the first pages of a container with
# very many tags read few of them.
NEWEST_NAMES = """
SELECT name FROM (
    (
        SELECT name, moved_at FROM containers_tag
        WHERE container_id = %(container)s AND name <> %(first)s
            AND position(%(contains)s IN lower(name)) > 0
        ORDER BY moved_at DESC, name LIMIT %(most)s
    )
    UNION ALL
    SELECT name, moved_at FROM containers_tag
    WHERE container_id = %(container)s AND name = %(first)s
        AND position(%(contains)s IN lower(name)) > 0
) newest
GROUP BY name ORDER BY name = %(first)s DESC, max(moved_at) DESC, name
OFFSET %(skipped)s LIMIT %(taken)s
"""

# Of each name its last move, by the index of the history: no name's moves are all looked at.
LAST_MOVES = """
SELECT asked.name, last.moved_by
FROM unnest(%(names)s::text[]) AS asked (name)
CROSS JOIN LATERAL (
    SELECT move.moved_by FROM containers_tagmove move
    WHERE move.container_id = %(container)s AND move.name = asked.name
    ORDER BY move.moved_at DESC, move.id DESC LIMIT 1
) last
"""

TAGS_OF_EACH = """
SELECT asked.id, newest.name
FROM unnest(%(images)s::bigint[]) AS asked (id)
CROSS JOIN LATERAL (
    SELECT tag.name FROM containers_tag tag WHERE tag.image_id = asked.id
    ORDER BY tag.moved_at DESC, tag.name LIMIT %(most)s
) newest
"""


# ── the grid ──
@dataclass(frozen=True)
class GridRow:
    """One name, and the tag that it is for each arch of the grid, with its image and blob; None for
    an arch that the name lacks."""

    name: str
    cells: Sequence[Tag | None]
    tags: Sequence[Tag]
    """Those of the cells that there are."""
    moved_by: str
    """Who moved it last, by sign-in name; empty where the history does not say."""

    @property
    def moved_at(self) -> datetime | None:
        """When one of them was moved last; None where they have gone at this moment."""
        return max((tag.moved_at for tag in self.tags), default=None)

    @property
    def is_frozen(self) -> bool:
        """Whether the name goes on meaning what it means."""
        return any(tag.is_frozen for tag in self.tags)

    @property
    def images(self) -> list[Image]:
        """The images that the name means, one for each arch that it has."""
        return [tag.image for tag in self.tags]

    @property
    def size(self) -> int:
        """Bytes of the first of them."""
        return next((image.blob.size for image in self.images if image.blob), 0)

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of the smallest and of the largest of them."""
        found = [image.blob.size for image in self.images if image.blob]
        return min(found, default=0), max(found, default=0)


@dataclass(frozen=True)
class Grid:
    """A page of a container's tags by name and arch."""

    arches: Sequence[str]
    """Go's names, of all tags of the container; empty for images of unknown arch, which is last."""
    page: Page[GridRow]


def tag_grid(container: Container, *, page: int = 1, contains: str = "", by: Caller) -> Grid:
    """The names of a container's tags: `latest` first, then what moved last.

    `contains` narrows them to names with this in them, in any case of letters. Four queries.
    """
    _check_visible(container, by)
    cut = Cut.at(page, PAGE)
    arches, total = _arches_and_names(container)
    names = _names(container, cut, arches=len(arches), contains=contains)
    cells = _cells(container, names[: cut.size])
    moved_by = _moved_by(container, names[: cut.size])
    rows = []
    for name in names:
        row = [cells.get((name, arch)) for arch in arches]
        tags = [tag for tag in row if tag is not None]
        rows.append(GridRow(name=name, cells=row, tags=tags, moved_by=moved_by.get(name, "")))
    return Grid(arches, cut.page(rows, None if contains else total))


def _arches_and_names(container: Container) -> tuple[list[str], int]:
    """The archs of all tags, and how many names there are."""
    with connection.cursor() as cursor:
        cursor.execute(ARCHES_AND_NAMES, {"container": container.pk})
        arches, names = cursor.fetchone()
    return in_order(arches), names


def _names(container: Container, cut: Cut, *, arches: int, contains: str) -> list[str]:
    asked: dict[str, Any] = {
        "container": container.pk,
        "first": DEFAULT_TAG,
        "contains": _searchable(contains).lower(),
        # A name has a tag for each arch at most: so many tags are of no fewer names than wanted.
        "most": (cut.skipped + cut.size + 1) * max(arches, 1),
        "skipped": cut.skipped,
        "taken": cut.size + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_NAMES, asked)
        return [name for (name,) in cursor.fetchall()]


def in_order(arches: Iterable[str]) -> list[str]:
    """Archs as people look for them: the two that most ask for, then the others, then unknown.

    >>> in_order(["", "ppc64le", "arm64", "amd64"])
    ['amd64', 'arm64', 'ppc64le', '']
    """
    first = {arch: place for place, arch in enumerate(FIRST_ARCHES)}
    return sorted(arches, key=lambda arch: (not arch, first.get(arch, len(first)), arch))


def _searchable(text: str) -> str:
    """Postgres has no NUL in any text."""
    return text.replace("\0", "\ufffd")


def _cells(container: Container, names: Sequence[str]) -> dict[tuple[str, str], Tag]:
    found = Tag.objects.filter(container=container, name__in=names).select_related("image__blob")
    return {(tag.name, tag.arch): tag for tag in found}


def _moved_by(container: Container, names: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(LAST_MOVES, {"names": list(names), "container": container.pk})
        return dict(cursor.fetchall())


def tags_named(container: Container, name: str, *, by: Caller) -> list[Tag]:
    """What the name means for each arch, with image and blob; none where there is no such tag."""
    _check_visible(container, by)
    found = Tag.objects.filter(container=container, name=_searchable(name))
    tags = {tag.arch: tag for tag in found.select_related("image__blob")}
    return [tags[arch] for arch in in_order(tags)]


# ── the history ──
@dataclass(frozen=True)
class Moved:
    """One move of a tag, and the images that it went between, as far as they are still there."""

    move: TagMove
    before: Image | None
    after: Image | None


def history(container: Container, *, tag: str = "", page: int = 1, by: Caller) -> Page[Moved]:
    """The moves of the container's tags, or of one name's, newest first. Two queries."""
    _check_visible(container, by)
    cut = Cut.at(page, PAGE)
    moves = TagMove.objects.filter(container=container)
    if tag:
        moves = moves.filter(name=_searchable(tag)).order_by("-moved_at", "-id")
    else:
        moves = moves.order_by("-id")
    taken = cut.of(moves)
    digests = {digest for move in taken for digest in (move.from_digest, move.to_digest)}
    there = Image.objects.filter(
        container=container, digest__in=digests, blob__state__in=Blob.HELD
    ).select_related("blob")
    images = {image.digest: image for image in there}
    return cut.page(
        [Moved(move, images.get(move.from_digest), images.get(move.to_digest)) for move in taken]
    )


# ── the images ──
@dataclass(frozen=True)
class Listed:
    """One image with its blob, and its tags: the names that moved last, each once for an arch."""

    image: Image
    tags: Sequence[str]
    has_more_tags: bool


def images_of(
    container: Container, *, untagged_only: bool = False, page: int = 1, by: Caller
) -> Page[Listed]:
    """The images of the container that have bytes, newest first. Two queries."""
    _check_visible(container, by)
    cut = Cut.at(page, PAGE)
    images = Image.objects.filter(container=container, blob__state__in=Blob.HELD)
    if untagged_only:
        # Not `Exists`: Postgres would look at the tags of the whole site for it.
        images = images.exclude(pk__in=Tag.objects.filter(container=container).values("image"))
    taken = cut.of(images.select_related("blob").order_by("-id"))
    for image in taken:
        image.container = container
    tags = _tags_of_each(taken)
    return cut.page(
        [
            Listed(
                image,
                tags.get(image.pk, [])[:MOST_TAGS],
                has_more_tags=len(tags.get(image.pk, [])) > MOST_TAGS,
            )
            for image in taken
        ]
    )


def _tags_of_each(images: Sequence[Image]) -> dict[int, list[str]]:
    asked: dict[str, Any] = {"images": [image.pk for image in images], "most": MOST_TAGS + 1}
    found: dict[int, list[str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(TAGS_OF_EACH, asked)
        for image, name in cursor.fetchall():
            found.setdefault(image, []).append(name)
    return found


def tags_of_image(image: Image, *, by: Caller) -> list[Tag]:
    """The tags that mean the image, those that moved last first; MOST_TAGS_OF_ONE at most."""
    _check_visible(image.container, by)
    found = Tag.objects.filter(image=image).order_by("-moved_at", "name")
    return list(found[:MOST_TAGS_OF_ONE])


def _check_visible(container: Container, by: Caller) -> None:
    if not may_view(by, container):
        raise NotFound(f"There is no container {container}, or you may not see it.")
