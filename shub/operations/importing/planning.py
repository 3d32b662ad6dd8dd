"""Planning: what each file of the folder becomes, before a byte of it is sent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from shub.errors import Invalid
from shub.operations.importing import naming
from shub.operations.importing.files import Image, NotTaken, Other, look_through, opened
from shub.operations.importing.naming import Target
from shub.sif import PREFIX_BYTES, UnreadableSIF, read_facts


@dataclass(frozen=True)
class Planned:
    """An image, and the names that it gets: all of one container or of several."""

    image: Image
    targets: tuple[Target, ...]
    arch: str
    """By its header; empty where that names none that is known."""


@dataclass
class Plan:
    """What is to be done with the folder."""

    folder: Path
    taken: list[Planned] = field(default_factory=list)
    not_taken: list[NotTaken] = field(default_factory=list)
    others: int = 0

    @property
    def total_bytes(self) -> int:
        """Of all images that are taken."""
        return sum(planned.image.size for planned in self.taken)


def plan(
    folder: Path,
    *,
    collection: str,
    default_collection: str,
    named: Mapping[str, Sequence[Target]] | None = None,
) -> Plan:
    """Look through the folder. With a list of names, only what it names is taken.

    OSError where the folder itself cannot be read.
    """
    made = Plan(folder.resolve(strict=True))
    givers: dict[tuple[Target, str], Image] = {}
    seen = set()
    for found in look_through(folder):
        seen.add(found.name)
        if isinstance(found, Other):
            if named and found.name in named:
                made.not_taken.append(NotTaken(found.name, "no SIF image"))
            made.others += 1
        elif isinstance(found, NotTaken):
            made.not_taken.append(found)
        else:
            try:
                planned = _planned(found, made.folder, collection, default_collection, named)
                _check_once(planned, givers)
                made.taken.append(planned)
            except Invalid as refusal:
                made.not_taken.append(NotTaken(found.name, refusal.message))
    for name in sorted(set(named or ()) - seen):
        made.not_taken.append(NotTaken(name, "named in the list, and not in the folder"))
    return made


def _planned(
    image: Image,
    folder: Path,
    collection: str,
    default_collection: str,
    named: Mapping[str, Sequence[Target]] | None,
) -> Planned:
    """Invalid, with the reason, where the image cannot be taken."""
    try:
        with opened(image.path, folder) as file:
            facts = read_facts(_beginning(file), image.size)
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror or error}") from None
    except UnreadableSIF as fault:
        raise Invalid(str(fault)) from None
    if named is None:
        target = naming.by_path(
            image.name, collection=collection, default_collection=default_collection
        )
        return Planned(image, (target,), facts.arch)
    if image.name not in named:
        raise Invalid("not in the list of names")
    return Planned(image, tuple(dict.fromkeys(named[image.name])), facts.arch)


def _beginning(file: BinaryIO) -> bytes:
    pieces = []
    left = PREFIX_BYTES
    while left and (piece := file.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _check_once(planned: Planned, givers: dict[tuple[Target, str], Image]) -> None:
    """Invalid where another file is to be the image of the same name for the same arch."""
    for target in planned.targets:
        first = givers.get((target, planned.arch))
        if first is not None and first.path != planned.image.path:
            arch = planned.arch or "an unknown arch"
            raise Invalid(
                f"{first.name} becomes {target} for {arch} already: tell them apart by --names"
            )
    for target in planned.targets:
        givers[target, planned.arch] = planned.image
