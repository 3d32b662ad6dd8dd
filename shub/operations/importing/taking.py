"""Taking: one file becomes an image, as a push would make it: bytes, proof, tags."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from threading import Event
from time import monotonic
from typing import BinaryIO

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import announcing, images, namespaces, tagging, usage
from shub.containers.models import Collection, Container, Image, Tag
from shub.errors import Conflict, Invalid, NotFound
from shub.operations.importing.files import opened
from shub.operations.importing.naming import Target
from shub.operations.importing.planning import Planned
from shub.uploads import arrivals, body, multipart, verification
from shub.uploads.models import Upload
from shub.uploads.parts import BODY_PART_BYTES, MOST_PARTS

PIECE_BYTES = 1024**2

# Between two looks at an image that a sweep reads back, and how long that may take in all: then it
# is said to wait, and the next run finds what became of it.
LOOK_SECONDS = 0.2
VERDICT_SECONDS = 3600


class Became(Enum):
    """What came of a file."""

    SENT = "sent"
    LINKED = "its bytes were there"
    TAGGED = "was there, is tagged now"
    THERE = "was there"


@dataclass(frozen=True)
class Taken:
    """A file that is an image now, by its SHA-256."""

    digest: str
    became: Became


class Stopped(Exception):
    """The import was told to end."""


@dataclass(frozen=True)
class Work:
    """What every file's way needs to know."""

    folder: Path
    entity: Entity
    by: Caller
    move_tags: bool
    stopping: Event
    read: Callable[[int], None]
    """Told of bytes that were read, to hash them or to send them."""


class Watched:
    """A file whose reading is told of, and ends where the import is told to."""

    def __init__(self, file: BinaryIO, work: Work) -> None:
        self._file = file
        self._work = work

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end."""
        if self._work.stopping.is_set():
            raise Stopped
        piece = self._file.read(size)
        self._work.read(len(piece))
        return piece


@dataclass(frozen=True)
class Arrived:
    """What is known of a file that was read once, and the file, to be read again."""

    arch: str
    digest: str
    size: int
    content: Watched


def take(planned: Planned, work: Work) -> Taken:
    """Make the file an image under each of its names; again is no error, and sends nothing again.

    It is read twice: its hash is part of where its bytes lie, and says whether they are there. A
    Refusal or an OSError where it cannot be done; Stopped.
    """
    with opened(planned.image.path, work.folder) as file:
        digest, size = hashed(Watched(file, work))
        became = set()
        for target in planned.targets:
            file.seek(0)
            arrived = Arrived(planned.arch, digest, size, Watched(file, work))
            became.add(_as(target, arrived, work))
    return Taken(digest, next(each for each in Became if each in became))


def hashed(content: Watched) -> tuple[str, int]:
    """SHA-256 in hex and number of bytes."""
    sha256, size = hashlib.sha256(), 0
    while piece := content.read(PIECE_BYTES):
        sha256.update(piece)
        size += len(piece)
    return sha256.hexdigest(), size


def _as(target: Target, file: Arrived, work: Work) -> Became:
    """The image under one name."""
    usage.check_quota(work.entity, digest=file.digest, size=file.size, by=work.by)
    container = _container(target, work)
    tag = Tag.objects.filter(container=container, name=target.tag, arch=file.arch)
    held = tag.values_list("image__digest", flat=True).first()
    if held == file.digest:
        return Became.THERE
    if held and not work.move_tags:
        raise Conflict(
            f"{container}:{target.tag} means another image there, sha256.{held}: --move-tags moves "
            "the tag to this one."
        )
    known = Image.objects.filter(
        container=container, digest=file.digest, blob__isnull=False
    ).exists()
    image = announcing.announce(
        container_id=container.public_id,
        hash_ref=f"sha256.{file.digest}",
        description="",
        by=work.by,
    )
    if image.is_proven:
        _tag(target, container, image, work)
        return Became.TAGGED if known else Became.LINKED
    if not images.is_arriving(image):
        _send(image, file, work)
    _tag(target, container, image, work)
    _await_verdict(image, work)
    return Became.SENT


def _container(target: Target, work: Work) -> Container:
    """Found or made, as a push does: who may push into a collection only finds that one."""
    try:
        collection: Collection = namespaces.find_collection(
            work.entity.name, target.collection, by=work.by
        )
    except NotFound:
        collection = namespaces.ensure_collection(
            entity_id=work.entity.public_id, name=target.collection, description="", by=work.by
        )
    return namespaces.ensure_container(
        collection_id=collection.public_id, name=target.container, description="", by=work.by
    )


def _send(image: Image, file: Arrived, work: Work) -> None:
    """The bytes to the store, a part at a time; hashed once more, since a file may change."""
    # What no 10,000 small parts hold goes in parts as clients send them; one is held in memory.
    small = file.size <= BODY_PART_BYTES * MOST_PARTS
    kind = Upload.Kind.BODY if small else Upload.Kind.MULTIPART
    upload = multipart.begin(image_id=image.public_id, size=file.size, kind=kind, by=work.by)
    body.receive(upload, file.content)


def _tag(target: Target, container: Container, image: Image, work: Work) -> None:
    tagging.set_tag(
        container_id=container.public_id,
        name=target.tag,
        arch="",
        image_id=image.public_id,
        by=work.by,
    )


def _await_verdict(image: Image, work: Work) -> None:
    """Wait until the bytes are proven, and help to. Invalid with the reason of a refusal."""
    upload = arrivals.latest(image)
    begun = monotonic()
    while upload is not None and upload.state in {Upload.State.JOINING, Upload.State.VERIFYING}:
        if work.stopping.is_set():
            raise Stopped
        if monotonic() - begun > VERDICT_SECONDS:
            raise Conflict("It has arrived and waits to be verified: does the sweep run?")
        # A sweep may be running beside us, or none: each image is read back by one of us.
        if not verification.verify_next():
            work.stopping.wait(LOOK_SECONDS)
        upload.refresh_from_db()
    if upload is not None and upload.state == Upload.State.REFUSED:
        raise Invalid(upload.reason)
