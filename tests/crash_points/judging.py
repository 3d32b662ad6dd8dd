"""The judge: what holds at every moment, and what holds once nothing is under way any more.

Reads rows and the store past the product's own checks, so that a fault of those hides nothing.
"""

import hashlib
from collections import Counter, defaultdict

from shub.audit.models import Event
from shub.containers import ledger
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Image,
    PendingTag,
    RemovedImage,
    Tag,
    TagMove,
)
from shub.uploads.models import Upload
from tests.crash_points.world import World, image_at

State = Blob.State

# The store has these bytes, whole. Of `damaged` it may have anything, of `leaving` too.
THERE = frozenset({State.PENDING, State.PROVEN, State.CONDEMNED})

# States in which an upload may have an object that no blob has yet.
BEING_JOINED = frozenset({Upload.State.JOINING})

# Actions by which a tag is moved or goes; each stands beside one row of the history.
TAG_MOVES = ("tag.moved", "tag.removed")

# By one of these an image came to its bytes.
CAME = ("image.pushed", "image.linked", "image.restored")


def assert_honest(world: World) -> None:
    """What holds at every moment, whoever was killed: no row promises too much.

    Of what the scenario itself has broken it holds once that was mended.
    """
    objects = world.objects()
    blobs = {blob.key: blob for blob in Blob.objects.all()}
    for blob in blobs.values():
        if blob.key in world.broken | world.untrue:
            continue
        if blob.state in THERE:
            assert objects.get(blob.key) == blob.size, f"{blob} without its bytes"
        if blob.state == State.GONE:
            assert blob.key not in objects, f"{blob}, and the store has its bytes"
    joining = set(Upload.objects.filter(state__in=BEING_JOINED).values_list("key", flat=True))
    for key in objects:
        known = key in blobs and blobs[key].state != State.GONE
        is_foreseen = key in joining or key in world.broken
        assert known or is_foreseen, f"an object that no row knows: {key}"
    for upload in Upload.objects.filter(state=Upload.State.VERIFYING).select_related("blob"):
        assert upload.blob is not None, f"{upload}, without bytes"
        assert upload.blob.state == State.PENDING, f"{upload}, whose bytes are {upload.blob}"
    begun = {(parts.key, parts.store_id) for parts in world.open_parts()}
    for upload in Upload.objects.filter(state=Upload.State.OPEN):
        assert (upload.key, upload.store_id) in begun, f"{upload}, of which the store knows nothing"
    _assert_images_have_bytes(world)
    _assert_history_is_whole()
    _assert_trail_is_whole()
    _assert_acknowledged(world)
    drifts = [drift for drift in ledger.drifts() if drift.whose not in world.untrue]
    assert drifts == [], "the ledger says what is not so"
    foreseen = world.broken | world.untrue
    faults = [error for error in world.errors if not any(each in error for each in foreseen)]
    assert faults == [], "a sweep has logged a fault of ours"


def _assert_images_have_bytes(world: World) -> None:
    for image in Image.objects.select_related("blob").exclude(blob=None):
        assert image.blob is not None
        has = image.blob.state in {State.PROVEN, State.DAMAGED}
        assert has or image.blob.key in world.untrue, f"{image.hash}: {image.blob}"
        assert image.blob.digest == image.digest
    for tag in Tag.objects.select_related("image__blob"):
        assert tag.image.blob is not None, f"the tag {tag} means a claim"
    for removed in RemovedImage.objects.select_related("blob"):
        assert removed.blob.state in {State.PROVEN, State.DAMAGED}, f"removed: {removed.blob}"
    doubled = Counter(Blob.objects.filter(state=State.PROVEN).values_list("digest", flat=True))
    assert max(doubled.values(), default=1) == 1, "two proven blobs of one digest"


def _assert_history_is_whole() -> None:
    """Each move of a tag begins where the one before has ended; the last is what the tag means."""
    last: dict[tuple[int, str, str], str] = defaultdict(str)
    for move in TagMove.objects.order_by("id"):
        name = (move.container_id, move.name, move.arch)
        assert move.from_digest == last[name], f"a gap in the history of {name}"
        last[name] = move.to_digest
    means = {
        (tag.container_id, tag.name, tag.arch): tag.image.digest
        for tag in Tag.objects.select_related("image")
    }
    told = {name: digest for name, digest in last.items() if digest}
    assert told == means, "the history says that tags mean something else"


def _assert_trail_is_whole() -> None:
    events = list(Event.objects.all())
    came = Counter(event.public_id for event in events if event.action in CAME)
    came.update(str(event.detail.get("image", "")) for event in events)
    for image in Image.objects.exclude(blob=None):
        assert came[image.public_id], f"nothing says how {image.hash} came"
    pushed = Counter(event.public_id for event in events if event.action == "image.pushed")
    assert max(pushed.values(), default=1) == 1, "an image was pushed twice"
    refused = Counter(event.detail["push"] for event in events if event.action == "upload.refused")
    again = Counter(event.detail["push"] for event in events if event.action == "upload.restored")
    for upload in Upload.objects.all():
        wanted = again[upload.public_id] + (upload.state == Upload.State.REFUSED)
        assert refused[upload.public_id] == wanted, f"{refused[upload.public_id]} of {upload}"
    gone = {event.public_id for event in events if event.action.endswith(".removed")}
    for model in (Container, Collection):
        for place in model.objects.exclude(removed_at=None):
            assert place.public_id in gone, f"nothing says that {place} was removed"
    for removed in RemovedImage.objects.all():
        assert removed.public_id in gone, f"nothing says that {removed.hash} was removed"
    moves = [event for event in events if event.action in TAG_MOVES]
    assert len(moves) == TagMove.objects.count(), "moves of tags that the trail does not have"


def _assert_acknowledged(world: World) -> None:
    for (path, digest), content in world.proven.items():
        image = image_at(path, digest)
        assert image is not None, f"acknowledged, and not there: {path} {digest}"
        assert image.is_proven, f"acknowledged, and not proven: {image.blob}"
        assert image.blob is not None
        _assert_bytes(world, image.blob, content)
    for (_, digest), content in world.kept.items():
        rows: list[Image | RemovedImage] = [
            *Image.objects.select_related("blob").filter(digest=digest).exclude(blob=None),
            *RemovedImage.objects.select_related("blob").filter(digest=digest),
        ]
        assert rows, f"removed, and cannot be brought back: {digest}"
        for row in rows:
            assert row.blob is not None
            _assert_bytes(world, row.blob, content)


def _assert_bytes(world: World, blob: Blob, content: bytes) -> None:
    assert hashlib.sha256(world.bytes_of(blob.key)).hexdigest() == blob.digest
    assert blob.size == len(content)


def assert_arrived(world: World) -> None:
    """Some minutes after the kill: what a client was told is well has been proven by now."""
    assert_honest(world)
    for (path, digest), content in world.arriving.items():
        image = image_at(path, digest)
        assert image is not None, f"said to be well, and not there: {path} {digest}"
        assert image.is_proven, f"said to be well, and not proven: {path} {digest}"
        assert image.blob is not None
        _assert_bytes(world, image.blob, content)
    stuck = Upload.objects.filter(state__in=["joining", "verifying"])
    assert not stuck.exists(), f"stuck: {list(stuck)}"
    assert not PendingTag.objects.exists(), "tags that wait for nothing"


def assert_settled(world: World) -> None:
    """When all is past its time: what is left is of use, and all of it is known."""
    assert_arrived(world)
    objects, blobs = world.objects(), Blob.objects.exclude(state=State.GONE)
    left = [
        blob
        for blob in blobs
        if blob.state != State.PROVEN
        and not (blob.state == State.DAMAGED and blob.key in world.broken)
    ]
    assert left == [], "left"
    lost = world.broken - set(objects)
    wanted = {blob.key for blob in blobs} - lost
    assert set(objects) == wanted, "objects of no use"
    held = set(Image.objects.values_list("blob", flat=True))
    for blob in blobs:
        assert blob.pk in held, f"{blob}, which no image has"
    assert world.open_parts() == [], "parts in the store that nobody is going to join"
    under_way = Upload.objects.exclude(state__in=Upload.ENDED)
    assert not under_way.exists(), f"uploads that do not end: {list(under_way)}"
    naming = Upload.objects.exclude(store_id="")
    assert not naming.exists(), f"uploads that still name one of the store's: {list(naming)}"
    assert not Image.objects.filter(blob=None).exists(), "claims of images that never came"
    assert not RemovedImage.objects.exists(), "removed images past their time"
    for model in (Container, Collection):
        late = model.objects.exclude(removed_at=None)
        assert not late.exists(), f"removed, and past its time: {list(late)}"
