"""Very many pushes at the same moment, by HTTP, to a registry that runs as its users start it."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest
from minio import Minio

from shub.operations.demo.pushing import Client, NotDone, Place
from tests.clients import live as registry
from tests.clients.live import Live
from tests.quickstart.running import eventually
from tests.sif_files import sif_bytes

pytestmark = pytest.mark.timeout(600)

PUSHES = 200
EQUAL_PUSHES = 50
SETTLED_SECONDS = 120

MOVES = """
SELECT from_digest, to_digest FROM containers_tagmove WHERE name = %s ORDER BY id
"""
MEANS = """
SELECT image.digest FROM containers_tag tag JOIN containers_image image ON image.id = tag.image_id
WHERE tag.name = %s
"""


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """A registry of its own, with the settings that everybody begins with."""
    with registry.started(LOG_LEVEL="WARNING") as running:
        yield running


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What came of each act, from so many threads that begin together; a refusal is an outcome."""
    barrier = Barrier(count)

    def begin(number: int) -> Any:
        barrier.wait(30)
        try:
            return act(number)
        except NotDone as refused:
            return refused

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_of_200_pushes_to_one_tag_one_wins_and_all_images_are_there(live: Live) -> None:
    place = Place(live.entity, "many", "gcc")
    contents = [sif_bytes(seed=10_000 + number) for number in range(PUSHES)]
    digests = [hashlib.sha256(content).hexdigest() for content in contents]

    came = at_once(
        PUSHES,
        lambda number: Client(live.url, live.token).push(place, contents[number], tags=("latest",)),
    )
    assert [refused for refused in came if isinstance(refused, NotDone)] == []
    await_settled(live)

    # A word that a later one overtook while its image was being verified is no move.
    moves = live.rows(MOVES, "latest")
    assert 1 <= len(moves) <= PUSHES
    assert_chain(moves, digests)
    assert live.rows(MEANS, "latest") == [(moves[-1][1],)]
    assert live.rows("SELECT count(*) FROM containers_pendingtag") == [(0,)]

    client = Client(live.url, live.token)
    for content, digest in zip(contents, digests, strict=True):
        assert client.pull(f"{place}:sha256.{digest}") == content
    assert states(live, digests) == {("done", "proven"): PUSHES}
    assert sorted(stored(live, digests)) == sorted(digests)


def test_of_200_words_on_one_tag_each_is_a_move_that_follows_the_one_before(live: Live) -> None:
    rows = live.rows(
        "SELECT image.public_id, container.public_id, image.digest FROM containers_image image"
        " JOIN containers_container container ON container.id = image.container_id"
        " WHERE container.name = 'gcc' ORDER BY image.id LIMIT %s",
        PUSHES,
    )
    assert len(rows) == PUSHES, "the images of the test before"

    def tag(number: int) -> Any:
        image, container, _ = rows[number]
        return Client(live.url, live.token)._ask(
            "POST", f"/v2/tags/{container}", {"Tag": "stable", "ImageID": image, "Arch": ""}
        )

    came = at_once(PUSHES, tag)
    assert [refused for refused in came if isinstance(refused, NotDone)] == []
    moves = live.rows(MOVES, "stable")
    assert len(moves) == PUSHES
    assert_chain(moves, [digest for _, _, digest in rows])
    assert live.rows(MEANS, "stable") == [(moves[-1][1],)]
    told = live.rows(
        "SELECT count(*) FROM audit_event WHERE action = 'tag.moved' AND name LIKE %s", "%:stable"
    )
    assert told == [(PUSHES,)]


def test_50_pushes_of_the_same_image_make_one_image_and_keep_its_bytes_once(live: Live) -> None:
    place = Place(live.entity, "many", "equal")
    content = sif_bytes(seed=20_000)
    digest = hashlib.sha256(content).hexdigest()
    came = at_once(
        EQUAL_PUSHES,
        lambda number: Client(live.url, live.token).push(
            place, content, tags=("latest", f"t{number}")
        ),
    )
    assert [refused for refused in came if isinstance(refused, NotDone)] == []
    assert len(set(came)) == 1
    await_settled(live)
    assert live.rows("SELECT count(*) FROM containers_image WHERE digest = %s", digest) == [(1,)]
    blobs = dict(
        live.rows(
            "SELECT state, count(*) FROM containers_blob WHERE digest = %s GROUP BY state", digest
        )
    )
    assert blobs["proven"] == 1
    assert set(blobs) <= {"proven", "condemned", "gone"}
    # What was condemned may be kept for a while; what has gone is in the store no more.
    assert len(live.stored(digest)) == 1 + blobs.get("condemned", 0)
    assert Client(live.url, live.token).pull(f"{place}:latest") == content
    assert len(live.tags(digest)) == EQUAL_PUSHES + 1
    assert live.rows(
        "SELECT count(*) FROM audit_event WHERE action = 'image.pushed' AND name LIKE %s",
        f"%{digest}",
    ) == [(1,)]


def assert_chain(moves: list[tuple[Any, ...]], digests: list[str]) -> None:
    """Each move begins where the one before has ended, and no image is come to twice."""
    assert moves[0][0] == ""
    for (_, before), (after, _) in pairwise(moves):
        assert after == before
    came_to = [to for _, to in moves]
    assert len(set(came_to)) == len(came_to)
    assert set(came_to) <= set(digests)


def await_settled(live: Live) -> None:
    """Wait until nothing is being verified, and nothing that is condemned waits to go."""
    eventually(
        lambda: (
            not live.rows(
                "SELECT 1 FROM uploads_upload WHERE state IN ('joining', 'verifying')"
                " UNION ALL SELECT 1 FROM containers_blob WHERE state = 'leaving'"
            )
        ),
        "an end of verifying",
        SETTLED_SECONDS,
    )


def states(live: Live, digests: list[str]) -> dict[tuple[str, str], int]:
    """How many uploads of these bytes, by their state and their blob's."""
    return {
        (upload, blob): count
        for upload, blob, count in live.rows(
            "SELECT upload.state, blob.state, count(*) FROM uploads_upload upload"
            " JOIN containers_blob blob ON blob.id = upload.blob_id"
            " WHERE upload.digest = ANY(%s) GROUP BY 1, 2",
            digests,
        )
    }


def stored(live: Live, digests: list[str]) -> list[str]:
    """The digests in the keys of all that the store has of these."""
    client = Minio(
        endpoint=live.store["endpoint"].removeprefix("http://"),
        access_key=live.store["access_key"],
        secret_key=live.store["secret_key"],
        secure=False,
    )
    listed = client.list_objects(bucket_name=live.store["bucket"], prefix="blobs/", recursive=True)
    found = [
        str(each.object_name).split("/")[-1].partition(".")[0] for each in listed if not each.is_dir
    ]
    return [digest for digest in found if digest in set(digests)]
