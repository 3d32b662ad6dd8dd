"""Looking at one key: its rows, its object, and its rows again, until both looks say the same."""

from dataclasses import dataclass
from time import sleep

from shub.containers import images
from shub.containers.models import Blob, Image, RemovedImage
from shub.operations.fsck.kinds import (
    DAMAGED,
    GONE_OBJECT,
    MISSING,
    OTHER_SIZE,
    PENDING_MISSING,
    UNKNOWN_OBJECT,
    Kind,
)
from shub.rows import first
from shub.storage import NoSuchObject, StoredObject, object_store
from shub.uploads.models import Upload

State = Blob.State

# What changes faster than that is alive, and no finding.
LOOKS = 8
PAUSE_SECONDS = 0.1

# Some of the images that a finding concerns.
MOST_IMAGES = 5


@dataclass(frozen=True)
class Known:
    """What the rows say of a key."""

    blob: int | None
    state: str
    size: int
    damage: str
    upload: str
    """The state of the upload that brings its bytes; empty where there is none."""


@dataclass(frozen=True)
class Seen:
    """What is true of a key: rows and object at one moment. `kind` is None where they agree."""

    key: str
    known: Known
    stored: StoredObject | None
    kind: Kind | None

    @property
    def words(self) -> str:
        """What was seen."""
        size = f"{self.stored.size} bytes" if self.stored else "no object"
        if self.kind is UNKNOWN_OBJECT:
            of = f", of an upload that is {self.known.upload}" if self.known.upload else ""
            return f"{size}{of}"
        if self.kind is DAMAGED:
            return self.known.damage or size
        if self.kind is GONE_OBJECT:
            return size
        return f"{size}, and the {self.known.state} blob has {self.known.size} bytes"


def look(key: str) -> Seen:
    """What is true of the key, looked at until it stands still. Unavailable."""
    before = known(key)
    for _ in range(LOOKS):
        stored = _stat(key)
        after = known(key)
        if before == after:
            return Seen(key, after, stored, _judge(after, stored))
        before = after
        sleep(PAUSE_SECONDS)
    return Seen(key, before, None, None)


def known(key: str) -> Known:
    """What the rows say. Two queries."""
    blob = first(Blob.objects.filter(key=key))
    upload = first(Upload.objects.filter(key=key).only("state"))
    return Known(
        blob.pk if blob else None,
        blob.state if blob else "",
        blob.size if blob else 0,
        blob.damage if blob else "",
        upload.state if upload else "",
    )


def _stat(key: str) -> StoredObject | None:
    try:
        return object_store().stat(key)
    except NoSuchObject:
        return None


def _judge(known: Known, stored: StoredObject | None) -> Kind | None:
    if known.blob is None:
        return UNKNOWN_OBJECT if stored and known.upload not in Upload.UNDER_WAY else None
    return judge(known.state, known.size, stored.size if stored else None)


def judge(state: str, size: int, stored: int | None) -> Kind | None:
    """What is wrong with a blob of this state and size whose object has `stored` bytes; None: it
    has none."""
    if state == State.DAMAGED:
        return DAMAGED
    if state == State.GONE:
        return GONE_OBJECT if stored is not None else None
    if state == State.PROVEN and stored != size:
        return MISSING if stored is None else OTHER_SIZE
    if state == State.PENDING and stored != size:
        return PENDING_MISSING
    return None


def images_of(blob: int | None) -> tuple[str, ...]:
    """Some images that have the blob, by name; removed ones say so."""
    if blob is None:
        return ()
    having = (
        Image.objects.filter(blob=blob).select_related(images.PARENTS).order_by("pk")[:MOST_IMAGES]
    )
    removed = RemovedImage.objects.filter(blob=blob).select_related(images.PARENTS).order_by("pk")
    return (
        *map(str, having),
        *(f"{image} (removed)" for image in removed[:MOST_IMAGES]),
    )
