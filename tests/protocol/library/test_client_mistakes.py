"""What clients do wrong, twice, too late or at the same moment: each is answered in words, and
leaves neither rows nor bytes that nobody needs.

Here are those that no other file has: test_push.py has the single ones, test_access.py those on
somebody else's upload, test_concurrency.py those at once, test_quota.py those without room.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub.audit.models import Event
from shub.containers import removal
from shub.containers.models import Blob, Container, Image, PendingTag, Tag
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, put_part, stored_keys
from tests.wire import Answer, Wire, digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
MIB = 1024**2
PART = 5 * MIB
CONTENT = sif_bytes(size=6 * MIB)
PARTS = (CONTENT[:PART], CONTENT[PART:])
SMALL, OTHER = sif_bytes(seed=1), sif_bytes(seed=2)


@pytest.fixture(autouse=True)
def _small_parts(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.UPLOAD_PART_BYTES = PART


class Sending:
    """An upload in parts of the large image, step by step."""

    def __init__(self, client: Wire, content: bytes = CONTENT) -> None:
        self.client = client
        self.content = content
        self.image = client.announce(PATH, content)
        self.upload = str(client.begin_parts(self.image["id"], len(content))["uploadID"])

    def part(self, number: int, content: bytes | None = None) -> str:
        """Send one; its etag."""
        piece = self.content[(number - 1) * PART : number * PART]
        address = self.client.part_address(self.image["id"], self.upload, number, piece)
        sent = send(address, piece if content is None else content)
        assert sent.status == 200, sent
        return sent.etag

    def all(self) -> list[str]:
        """Send every part; their etags."""
        return [self.part(number) for number in range(1, -(-len(self.content) // PART) + 1)]

    def complete(self, etags: list[str]) -> Answer:
        """Say that all was sent."""
        return self.client.complete_parts(self.image["id"], self.upload, etags)

    def abort(self) -> Answer:
        """Give it up."""
        return self.client.put(
            f"/v2/imagefile/{self.image['id']}/_multipart_abort", {"uploadID": self.upload}
        )


def everything_left(store: ObjectStore) -> dict[str, Any]:
    """What there is, once all that is under way has been given up."""
    sweep()
    long_ago = timedelta(days=2)
    Upload.objects.update(active_at=timezone.now() - long_ago)
    Image.objects.filter(blob=None).update(created_at=timezone.now() - long_ago)
    sweep()
    assert not PendingTag.objects.exists()
    assert not Upload.objects.exclude(state__in=Upload.ENDED).exists()
    assert not Upload.objects.exclude(store_id="").exists()
    return {
        "images": sorted(Image.objects.values_list("digest", flat=True)),
        "tags": sorted(Tag.objects.values_list("name", flat=True)),
        "objects": len(stored_keys(store)),
        "open": len(open_parts(store)),
        "blobs": sorted(Blob.objects.exclude(state="gone").values_list("state", flat=True)),
    }


NOTHING = {"images": [], "tags": [], "objects": 0, "open": 0, "blobs": []}


def only(content: bytes, *tags: str) -> dict[str, Any]:
    """This image and no other."""
    return {
        "images": [digest(content)],
        "tags": sorted(tags),
        "objects": 1,
        "open": 0,
        "blobs": ["proven"],
    }


# ── create ──
def test_an_image_that_is_announced_twice_is_one_and_begun_twice_it_is_two_uploads(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    one, two = Sending(client), Sending(client)
    assert one.image["id"] == two.image["id"]
    assert one.upload != two.upload
    assert Image.objects.count() == 1
    assert two.complete(two.all()).status == 200
    assert everything_left(store) == only(CONTENT)
    states = Upload.objects.order_by("id").values_list("state", flat=True)
    assert list(states)[-1] == "done"
    assert set(states) <= {"done", "expired", "aborted"}


# ── parts ──
def test_a_part_that_is_sent_twice_counts_once_and_the_last_one_is_it(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    sending = Sending(wire(mara))
    wrong = sending.part(1, bytes(PART))
    etags = sending.all()
    assert wrong != etags[0]
    assert sending.complete([wrong, etags[1]]).status == 400
    assert sending.complete(etags).status == 200
    assert everything_left(store) == only(CONTENT)


@pytest.mark.parametrize("number", [0, -1, 3, 10_000, 10_001, 2**40])
def test_a_part_out_of_range_gets_no_address(mara: Person, store: ObjectStore, number: int) -> None:
    sending = Sending(wire(mara))
    answer = sending.client.sign_part(sending.image["id"], sending.upload, number, PARTS[0])
    assert answer.status == 400
    assert sending.complete(sending.all()).status == 200
    assert everything_left(store) == only(CONTENT)


def test_a_part_of_another_image_or_upload_or_of_none_gets_no_address(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    sending = Sending(wire(mara))
    another = wire(mara).announce(PATH, SMALL)
    for image, upload in (
        (another["id"], sending.upload),
        (sending.image["id"], "0" * 24),
        (sending.image["id"], ""),
    ):
        answer = sending.client.sign_part(image, upload, 1, PARTS[0])
        assert answer.status in {400, 409}, answer
    assert wire(otto).sign_part(sending.image["id"], sending.upload, 1, PARTS[0]).status == 403
    sending.abort()
    assert everything_left(store) == NOTHING


# ── complete ──
@pytest.mark.parametrize(
    "named",
    [
        pytest.param(lambda etags: etags[:1], id="missing"),
        pytest.param(lambda etags: [], id="none"),
        pytest.param(lambda etags: [*etags, etags[0]], id="surplus"),
        pytest.param(lambda etags: [etags[0], etags[0]], id="one for another"),
        pytest.param(lambda etags: etags[::-1], id="crosswise"),
        pytest.param(lambda etags: [etags[0], '"' + "0" * 32 + '"'], id="no etag of ours"),
    ],
)
def test_a_completion_with_other_parts_is_refused_and_the_right_ones_are_taken_after_it(
    mara: Person, store: ObjectStore, named: Callable[[list[str]], list[str]]
) -> None:
    sending = Sending(wire(mara))
    etags = sending.all()
    answer = sending.complete(named(etags))
    assert answer.status == 400, answer
    assert answer.message
    assert stored_keys(store) == []
    assert Upload.objects.get().state == "open"
    assert sending.complete(etags).status == 200
    assert everything_left(store) == only(CONTENT)


def test_parts_of_another_upload_are_refused(mara: Person, store: ObjectStore) -> None:
    other_bytes = sif_bytes(size=6 * MIB, seed=8)
    sending, another = Sending(wire(mara)), Sending(wire(mara), other_bytes)
    etags, foreign = sending.all(), another.all()
    assert sending.complete(foreign).status == 400
    assert sending.complete([etags[0], foreign[1]]).status == 400
    assert another.abort().status == 200
    assert sending.complete(etags).status == 200
    assert everything_left(store) == only(CONTENT)


def test_a_number_that_is_named_twice_is_refused(mara: Person, store: ObjectStore) -> None:
    sending = Sending(wire(mara))
    etags = sending.all()
    twice = [
        {"partNumber": 1, "token": etags[0]},
        {"partNumber": 1, "token": etags[0]},
    ]
    answer = sending.client.put(
        f"/v2/imagefile/{sending.image['id']}/_multipart_complete",
        {"uploadID": sending.upload, "completedParts": twice},
    )
    assert answer.status == 400
    sending.abort()
    assert everything_left(store) == NOTHING


def test_completing_twice_is_the_same_answer_before_and_after_the_proof(
    mara: Person, store: ObjectStore
) -> None:
    sending = Sending(wire(mara))
    etags = sending.all()
    answers = [sending.complete(etags) for _ in range(2)]
    sweep()
    answers += [sending.complete(etags) for _ in range(2)]
    # With other parts too: it is over, and they are looked at no more.
    answers.append(sending.complete(["0" * 32]))
    assert [answer.status for answer in answers] == [200] * 5
    assert Event.objects.filter(action="image.pushed").count() == 1
    assert everything_left(store) == only(CONTENT)


# ── abort ──
def test_an_abort_that_comes_twice_is_the_same_and_a_completion_after_it_is_refused(
    mara: Person, store: ObjectStore
) -> None:
    sending = Sending(wire(mara))
    etags = sending.all()
    assert [sending.abort().status for _ in range(3)] == [200] * 3
    answer = sending.complete(etags)
    assert (answer.status, "aborted" in answer.message) == (409, True)
    assert everything_left(store) == NOTHING


def test_an_abort_after_the_completion_takes_nothing_away(mara: Person, store: ObjectStore) -> None:
    sending = Sending(wire(mara))
    assert sending.complete(sending.all()).status == 200
    assert sending.abort().status == 409
    sweep()
    assert sending.abort().status == 409
    assert everything_left(store) == only(CONTENT)


def test_an_abort_of_an_upload_that_never_was_changes_nothing(
    mara: Person, store: ObjectStore
) -> None:
    sending = Sending(wire(mara))
    answer = sending.client.put(
        f"/v2/imagefile/{sending.image['id']}/_multipart_abort", {"uploadID": "f" * 24}
    )
    assert answer.status == 409
    assert sending.complete(sending.all()).status == 200
    assert everything_left(store) == only(CONTENT)


# ── two at once ──
def test_of_two_uploads_of_one_image_the_first_that_is_proven_wins(
    mara: Person, store: ObjectStore
) -> None:
    one, two = Sending(wire(mara)), Sending(wire(mara))
    etags = [one.all(), two.all()]
    assert two.complete(etags[1]).status == 200
    sweep()
    winner = Image.objects.get().blob
    assert winner is not None
    assert one.complete(etags[0]).status == 200
    sweep()
    image = Image.objects.get()
    assert image.blob == winner
    assert Upload.objects.get(public_id=two.upload).blob == winner
    loser = Upload.objects.get(public_id=one.upload).blob
    assert loser is not None
    assert loser.state in {"condemned", "gone"}
    assert everything_left(store) == only(CONTENT)


# ── the place goes meanwhile ──
STAGES = ("announced", "begun", "part sent", "all sent", "completed")


@pytest.mark.parametrize("place", ["container", "collection"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_push_while_its_place_is_removed_ends_in_words_and_leaves_nothing(
    mara: Person, store: ObjectStore, stage: str, place: str
) -> None:
    client = wire(mara)
    if stage == "announced":
        image = client.announce(PATH, CONTENT)
        remove(place, mara)
        answer = client.post(f"/v2/imagefile/{image['id']}/_multipart", {"filesize": len(CONTENT)})
        assert answer.status == 403
    else:
        sending = Sending(client)
        etags = [] if stage == "begun" else [sending.part(1)]
        if stage in {"all sent", "completed"}:
            etags.append(sending.part(2))
        if stage == "completed":
            assert sending.complete(etags).status == 200
            assert client.tag(sending.image["container"], sending.image["id"], "v1").status == 200
        remove(place, mara)
        answers = [
            client.sign_part(sending.image["id"], sending.upload, 1, PARTS[0]),
            sending.complete(etags),
            sending.abort(),
            client.tag(sending.image["container"], sending.image["id"], "v1"),
        ]
        assert {answer.status for answer in answers} == {403}
    assert everything_left(store) == NOTHING
    # The name is free: the same push goes into a new place.
    sending = Sending(client)
    assert sending.complete(sending.all()).status == 200
    assert everything_left(store) == only(CONTENT)


def test_a_push_whose_image_is_removed_before_its_proof_brings_nothing_back(
    mara: Person, store: ObjectStore
) -> None:
    sending = Sending(wire(mara))
    assert sending.complete(sending.all()).status == 200
    ref = f"{PATH}:{sending.image['hash']}"
    assert sending.client.call("DELETE", f"/v1/images/{ref}").status == 200
    assert everything_left(store) == NOTHING


# ── another size ──
def test_an_upload_of_more_or_less_than_was_announced_is_refused_with_both_sizes(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    for last in (PARTS[1] + b"\0" * 1000, PARTS[1][:-1]):
        sending = Sending(wire(mara))
        etags = [sending.part(1), put_part(sending.upload, 2, last)]
        for _ in range(2):
            answer = sending.complete(etags)
            assert answer.status == 400
            assert f"Expected {len(CONTENT)} bytes, received {PART + len(last)}" in answer.message
    assert everything_left(store) == NOTHING
    assert Event.objects.filter(action="upload.refused").count() == 2


@pytest.mark.parametrize("more", [b"\0" * 1000, b""])
def test_one_body_of_another_size_than_was_announced_is_refused(
    mara: Person, store: ObjectStore, settings: Any, more: bytes
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    client = wire(mara)
    image = client.announce(PATH, SMALL)
    body = SMALL + more if more else SMALL[:-1]
    client.begin_single(image["id"], SMALL)
    put_part(Upload.objects.get().public_id, 1, body)
    answer = client.complete_single(image["id"])
    assert answer.status == 400
    assert f"Expected {len(SMALL)} bytes, received {len(body)}" in answer.message
    assert everything_left(store) == NOTHING


def remove(place: str, by: Person) -> None:
    """Remove the container, or the collection that it is in."""
    container = Container.objects.select_related("collection__entity").get(removed_at=None)
    if place == "container":
        removal.remove_container(container, by=by.caller)
    else:
        removal.remove_collection(container.collection, by=by.caller)
