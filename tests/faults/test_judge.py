"""The judge finds what it is there to find: each rule is watched as it fails, and passes before."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.live import Live
from tests.faults import inventory
from tests.faults.crowd import Image, Quick, Round
from tests.faults.journal import Act, End, Journal, Kind
from tests.faults.judge import Judge
from tests.faults.layouts import Layout, Replicas
from tests.faults.rounds import ground, laid_out
from tests.quickstart.running import eventually
from tests.sif_files import sif_bytes

pytestmark = pytest.mark.timeout(600)


@dataclass
class Court:
    """A registry at rest, and one client of it."""

    layout: Layout
    client: Quick
    journal: Journal
    seed: int = 0

    def judge(self) -> Judge:
        return Judge(self.layout, self.journal)

    @property
    def live(self) -> Live:
        return self.layout.live

    def push(self) -> Image:
        """One image, acknowledged, proven, and with a tag that is the beginning of its digest."""
        self.seed += 1
        client = self.client
        image = client.send(client.place, client.container_id, 50_000, self.seed)
        client.tag(image, image.digest[:8])
        eventually(lambda: self.live.tags(image.digest) != [], "a proven image")
        return image

    def key(self, image: Image) -> str:
        (key,) = self.live.stored(image.digest)
        return key

    def store(self) -> Any:
        return inventory.client(self.live)

    @property
    def bucket(self) -> str:
        return self.live.store["bucket"]


@pytest.fixture(scope="module")
def court() -> Iterator[Court]:
    with ground() as on:
        place = on.place / "court"
        place.mkdir()
        with laid_out(Replicas.name, on, place) as layout:
            journal = Journal()
            round_ = Round(
                layout.live, layout.password, journal, "1", time.monotonic(), threading.Event()
            )
            client = Quick(round_, "c1")
            client.enter()
            yield Court(layout, client, journal)


Spoil = Callable[[Court, Image], None]


def object_goes(court: Court, image: Image) -> None:
    court.store().delete_object(Bucket=court.bucket, Key=court.key(image))


def bytes_flip(court: Court, image: Image) -> None:
    key = court.key(image)
    content = bytearray(sif_bytes(size=image.size, seed=court.seed))
    content[-1] ^= 1
    court.store().put_object(Bucket=court.bucket, Key=key, Body=bytes(content))


def object_appears(court: Court, image: Image) -> None:
    key = f"blobs/{image.digest[:2]}/{image.digest}.{'0' * 24}"
    court.store().put_object(Bucket=court.bucket, Key=key, Body=b"nobody's")


def parts_stay_open(court: Court, image: Image) -> None:
    key = f"blobs/{image.digest[:2]}/{image.digest}.{'1' * 24}"
    court.store().create_multipart_upload(Bucket=court.bucket, Key=key)


def tag_goes(court: Court, image: Image) -> None:
    court.live.change("DELETE FROM containers_tag WHERE name = %s", image.digest[:8])


def image_goes(court: Court, image: Image) -> None:
    tag_goes(court, image)
    court.live.change("UPDATE uploads_upload SET image_id = NULL WHERE digest = %s", image.digest)
    court.live.change("DELETE FROM containers_image WHERE digest = %s", image.digest)


def deletion_is_forgotten(court: Court, image: Image) -> None:
    now = time.monotonic()
    act = Act("c1", Kind.DELETE, court.client.place, image.digest, "", now, now, End.DONE)
    court.journal.acts.append(act)


def upload_sticks(court: Court, image: Image) -> None:
    court.live.change(
        "UPDATE uploads_upload SET state = 'verifying', lease = 'x',"
        " leased_until = now() + interval '1 d' WHERE digest = %s",
        image.digest,
    )


def upload_names_parts(court: Court, image: Image) -> None:
    court.live.change("UPDATE uploads_upload SET store_id = 'x' WHERE digest = %s", image.digest)


def right_bytes_are_refused(court: Court, image: Image) -> None:
    court.live.change(
        "UPDATE uploads_upload SET state = 'refused', reason = 'other bytes' WHERE digest = %s",
        image.digest,
    )


def claim_stays(court: Court, image: Image) -> None:
    court.live.change("UPDATE containers_image SET blob_id = NULL WHERE digest = %s", image.digest)


def tag_waits(court: Court, image: Image) -> None:
    court.live.change(
        "INSERT INTO containers_pendingtag (image_id, name, arch, asked_at, asked_by_id)"
        " SELECT id, %s, '', now(), created_by_id FROM containers_image WHERE digest = %s",
        f"waits-{image.digest[:8]}",
        image.digest,
    )


def history_breaks(court: Court, image: Image) -> None:
    court.live.change(
        "INSERT INTO containers_tagmove"
        " (container_id, name, arch, from_digest, to_digest, moved_at, moved_by, token)"
        " SELECT container_id, name, arch, %s, to_digest, now(), '', '' FROM containers_tagmove"
        " WHERE name = %s",
        "0" * 64,
        image.digest[:8],
    )


def log_has_a_trace(court: Court, image: Image) -> None:
    with court.layout.logs()[0].open("a") as log:
        log.write(
            f'Traceback (most recent call last):\n  File "x"\nValueError: {image.digest[:8]}\n'
        )


def size_differs(court: Court, image: Image) -> None:
    court.live.change("UPDATE containers_blob SET size = 7 WHERE digest = %s", image.digest)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (object_goes, "rows_and_store_agree"),
        (object_goes, "everything_is_pulled"),
        (bytes_flip, "everything_is_pulled"),
        (size_differs, "rows_and_store_agree"),
        (object_appears, "rows_and_store_agree"),
        (object_appears, "nothing_is_left_of_attempts"),
        (object_appears, "nothing_is_kept"),
        (parts_stay_open, "nothing_is_left_of_attempts"),
        (tag_goes, "tags_are_as_acknowledged"),
        (tag_goes, "histories_are_unbroken"),
        (image_goes, "images_are_as_acknowledged"),
        (image_goes, "nothing_is_kept"),
        (deletion_is_forgotten, "images_are_as_acknowledged"),
        (upload_sticks, "uploads_end"),
        (upload_sticks, "nothing_is_left_of_attempts"),
        (upload_names_parts, "nothing_is_left_of_attempts"),
        (right_bytes_are_refused, "uploads_end"),
        (claim_stays, "images_are_as_acknowledged"),
        (claim_stays, "rows_and_store_agree"),
        (claim_stays, "nothing_is_left_of_attempts"),
        (tag_waits, "nothing_is_left_of_attempts"),
        (history_breaks, "histories_are_unbroken"),
        (log_has_a_trace, "logs_are_quiet"),
    ],
)
def test_a_rule_finds_what_is_wrong_and_nothing_before(
    court: Court, spoil: Spoil, rule: str
) -> None:
    image = court.push()
    judge = court.judge()
    ask: Callable[[], list[str]] = getattr(judge, rule)
    before = ask()
    spoil(court, image)
    found = [words for words in ask() if words not in before]
    assert len(found) >= 1, before
    assert any(image.digest[:8] in words or "upload" in words for words in found), found


def test_an_answer_with_other_bytes_and_an_acknowledged_image_that_is_missing_are_written_down(
    court: Court, tmp_path: Path
) -> None:
    journal = court.journal
    before = list(journal.faults)
    image = court.push()
    other = hashlib.sha256(b"other").hexdigest()
    ref = f"{court.client.place}:sha256.{image.digest}"
    court.client.check_pull(ref, court.client.place, image.digest)
    assert journal.faults == before
    court.client.check_pull(ref, court.client.place, other)
    assert "other bytes" in journal.faults[-1]
    court.client.images = {other: Image(other, 1, "0" * 24)}
    court.client.delete()
    assert "was acknowledged, and is not there" in journal.faults[-1]
    journal.write(tmp_path / "journal.jsonl")
    assert (tmp_path / "journal.jsonl").read_text().count('"fault"') == len(journal.faults)
