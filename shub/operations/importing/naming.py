"""Naming: which collection, container and tag a file becomes, by its path or by a list of names.

gcc_13.2.sif                    DEFAULT_COLLECTION/gcc:13.2
tools/gcc_13.2_arm64.sif        tools/gcc:13.2             the arch is read from the file
tools/gnu/gcc.sif               tools/gnu-gcc:latest
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shub.errors import Invalid
from shub.names import check_name, check_tag, folded
from shub.sif.layout import ARCHES, MACHINES

DEFAULT_TAG = "latest"

ENDING = re.compile(r"\.(sif|simg|img|sing)$", re.IGNORECASE)

# What says for which machine an image is: the file says so itself, and better.
ARCH = re.compile(
    rf"[._-]({'|'.join(sorted({*ARCHES.values(), *MACHINES}, key=len, reverse=True))})$"
)

# Where a tag begins: as `apptainer pull` writes its files, `gcc_13.2.sif` and `gcc_latest.sif`.
VERSION = re.compile(r"[_:](?=v?[0-9])")
WORD = re.compile(
    r"[_:](?=(latest|stable|main|master|dev|devel|edge|testing|nightly|release)([._-]|$))"
)

# Several of these in a row are no legal name; the first of them says as much.
SEPARATORS = re.compile(r"([._-])[._-]+")


@dataclass(frozen=True, order=True)
class Target:
    """What a file becomes, below the entity."""

    collection: str
    container: str
    tag: str

    def __str__(self) -> str:
        return f"{self.collection}/{self.container}:{self.tag}"


def by_path(name: str, *, collection: str, default_collection: str) -> Target:
    """What the path below the folder says. Invalid where that is no legal name.

    With a `collection` everything goes into it; else the first folder names it. Further folders
    begin the container's name.

    >>> def written(name, collection=""):
    ...     return str(by_path(name, collection=collection, default_collection="default"))
    >>> [written(name) for name in ("gcc_13.2.sif", "tools/GCC.sif", "a/b/c_1.0.sif")]
    ['default/gcc:13.2', 'tools/gcc:latest', 'a/b-c:1.0']
    >>> [written(name, "all") for name in ("a/my_tool_latest.sif", "my_tool_x86_64.sif")]
    ['all/a-my_tool:latest', 'all/my_tool:latest']
    >>> written("bio/samtools_1.9--h91753b0_8.sif")
    'bio/samtools:1.9-h91753b0_8'
    """
    *folders, last = name.split("/")
    if not collection:
        collection = folders.pop(0) if folders else default_collection
    stem = ARCH.sub("", ENDING.sub("", folded(last)))
    container, tag = _split(stem)
    container = "-".join([*folders, container])
    return checked(_tidy(collection), _tidy(container), _tidy(tag))


def _split(stem: str) -> tuple[str, str]:
    """The container's and the tag's part of a file's name."""
    found = VERSION.search(stem, 1) or WORD.search(stem, 1)
    return (stem[: found.start()], stem[found.end() :]) if found else (stem, DEFAULT_TAG)


def _tidy(part: str) -> str:
    return SEPARATORS.sub(r"\1", folded(part))


def by_reference(written: str, *, collection: str) -> Target:
    """What stands in a list of names: COLLECTION/CONTAINER:TAG, or CONTAINER:TAG within one.

    Invalid for what is neither. Without a tag it is `latest`.

    >>> str(by_reference("tools/gcc", collection="")), str(by_reference("gcc:13", collection="all"))
    ('tools/gcc:latest', 'all/gcc:13')
    """
    path, _, tag = written.strip().partition(":")
    parts = path.split("/")
    if collection and len(parts) == 1:
        parts = [collection, *parts]
    if len(parts) != 2 or (collection and folded(parts[0]) != folded(collection)):
        wanted = f"[{collection}/]CONTAINER:TAG" if collection else "COLLECTION/CONTAINER:TAG"
        raise Invalid(f"{written!r} is no name here: expected {wanted}.")
    return checked(folded(parts[0]), folded(parts[1]), tag or DEFAULT_TAG)


def checked(collection: str, container: str, tag: str) -> Target:
    """The target; Invalid unless each of its names is legal."""
    check_name(collection, "collection")
    check_name(container, "container")
    check_tag(tag)
    return Target(collection, container, tag)


def read_list(lines: Iterable[str], *, collection: str) -> dict[str, list[Target]]:
    """A list of names, in CSV: a file's path below the folder, and what it becomes; a file may
    stand there several times. Invalid, with the line, where it cannot be read.

    >>> found = read_list(["a b.sif,tools/ab:1", "a b.sif,tools/ab"], collection="")
    >>> [str(target) for target in found["a b.sif"]]
    ['tools/ab:1', 'tools/ab:latest']
    """
    found: dict[str, list[Target]] = {}
    rows = csv.reader(lines)
    for row in rows:
        if not row or row[0].lstrip().startswith("#"):
            continue
        if len(row) != 2:
            raise Invalid(f"Line {rows.line_num}: expected PATH,NAME, found {len(row)} fields.")
        try:
            target = by_reference(row[1], collection=collection)
        except Invalid as refusal:
            raise Invalid(f"Line {rows.line_num}: {refusal.message}") from None
        found.setdefault(row[0].strip().removeprefix("./"), []).append(target)
    return found
