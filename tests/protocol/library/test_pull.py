"""Which way the bytes of a pull go, by who asks and where the store is; streams, byte by byte."""

import time
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import Sum

from shub.api import transfers
from shub.containers import downloads, images
from shub.containers.models import Collection, Image
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import Answer, Wire, fetch, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(size=300_000)
FILE = f"/v1/imagefile/{PATH}:latest"


@pytest.fixture(autouse=True)
def _pushed(settings: Any, store: ObjectStore, mara: Person) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push(PATH, CONTENT, "latest")


def assert_streamed(answer: Answer) -> None:
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def assert_sent_to_the_store(answer: Answer) -> None:
    assert answer.status == 303
    assert answer.headers["Cache-Control"] == "no-store"
    assert fetch(answer.headers["Location"]).body == CONTENT


def test_whoever_has_no_token_is_sent_to_the_store_whatever_the_layout(
    settings: Any, mara: Person
) -> None:
    settings.PUBLIC_URL = f"http://{settings.MINIO_EXTERNAL_SERVER}"
    for nobody in (wire(), Wire(token=" "), Wire(token="abc", scheme="Basic")):
        for query in ("", "?arch=", "?arch=amd64"):
            assert_sent_to_the_store(nobody.get(FILE + query))


def test_a_current_client_with_a_token_is_sent_to_the_store(mara: Person) -> None:
    for query in ("?arch=amd64", "?arch=", "?arch=AMD64"):
        assert_sent_to_the_store(wire(mara).get(FILE + query))


@pytest.mark.parametrize("where", ["public address", "asked host", "other letters"])
def test_a_current_client_gets_a_stream_where_its_token_would_be_sent_along(
    settings: Any, mara: Person, where: str
) -> None:
    server = settings.MINIO_EXTERNAL_SERVER
    client = wire(mara)
    if where == "asked host":
        client.http.defaults["HTTP_HOST"] = server
    else:
        settings.PUBLIC_URL = f"{'HTTP' if where == 'other letters' else 'http'}://{server}"
    assert_streamed(client.get(f"{FILE}?arch=amd64"))
    settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION = True
    assert_sent_to_the_store(client.get(f"{FILE}?arch=amd64"))


@pytest.mark.parametrize(
    ("scheme", "query"), [("BEARER", "?arch=amd64"), ("Bearer", ""), ("bearer", "?arch=amd64")]
)
def test_an_older_client_with_a_token_gets_a_stream_unless_the_token_is_dropped(
    settings: Any, mara: Person, scheme: str, query: str
) -> None:
    client = wire(mara, scheme=scheme)
    assert_streamed(client.get(FILE + query))
    settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION = True
    assert_sent_to_the_store(client.get(FILE + query))


def test_everybody_gets_a_stream_where_users_cannot_reach_the_store(
    settings: Any, mara: Person
) -> None:
    settings.STREAM_ALWAYS = settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION = True
    for client in (wire(), wire(mara), wire(mara, scheme="BEARER")):
        assert_streamed(client.get(f"{FILE}?arch=amd64"))


def test_behind_nginx_it_carries_the_stream(settings: Any, mara: Person) -> None:
    settings.STREAM_ALWAYS = True
    settings.NGINX_STORE_LOCATION = "/-/store/"
    answer = wire().get(f"{FILE}?arch=amd64")
    assert (answer.status, answer.body) == (200, b"")
    location = answer.headers["X-Accel-Redirect"]
    assert location.startswith(f"/-/store/{settings.MINIO_BUCKET}/blobs/")
    inner = f"http://{settings.MINIO_SERVER}{location.removeprefix('/-/store')}"
    assert fetch(inner).body == CONTENT


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-1024", 206, 0, 1025),
        ("bytes=299990-", 206, 299_990, 300_000),
        ("bytes=299990-999999", 206, 299_990, 300_000),
        ("bytes=-10", 206, 299_990, 300_000),
        ("bytes=-999999", 206, 0, 300_000),
        ("bytes=100000-100000", 206, 100_000, 100_001),
        ("Bytes=0-0", 206, 0, 1),
        ("bytes=300000-", 416, 0, 0),
        ("bytes=-0", 416, 0, 0),
        ("bytes=5-1", 200, 0, 300_000),
        ("bytes=0-1,5-6", 200, 0, 300_000),
        ("items=0-1", 200, 0, 300_000),
        ("bytes=a-b", 200, 0, 300_000),
        ("bytes=-", 200, 0, 300_000),
        ("bytes=²-", 200, 0, 300_000),
        ("bytes=" + "9" * 5000 + "-", 200, 0, 300_000),
    ],
)
def test_a_stream_takes_one_range(
    settings: Any, asked: str, status: int, start: int, end: int
) -> None:
    settings.STREAM_ALWAYS = True
    client = wire()
    client.http.defaults["HTTP_RANGE"] = asked
    answer = client.get(FILE)
    assert answer.status == status
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */300000"
        return
    assert answer.body == CONTENT[start:end]
    assert answer.headers["Content-Length"] == str(end - start)
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/300000"


def test_a_range_of_what_may_have_changed_is_answered_with_the_whole(settings: Any) -> None:
    settings.STREAM_ALWAYS = True
    client = wire()
    client.http.defaults |= {"HTTP_RANGE": "bytes=5-9", "HTTP_IF_RANGE": '"abc"'}
    assert_streamed(client.get(FILE))


def test_a_client_that_takes_an_image_too_slowly_is_given_up(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAM_ALWAYS = True
    monkeypatch.setattr(transfers, "FIRST_SECONDS", 0.1)
    answer = wire().http.get(FILE)
    pieces = iter(answer)
    next(pieces)
    time.sleep(3)
    with pytest.raises(TimeoutError):
        next(pieces)
    hang_up(answer)


def test_a_head_says_the_length_gives_no_bytes_and_counts_nothing(mara: Person) -> None:
    for client in (wire(), wire(mara, scheme="BEARER")):
        answer = client.call("HEAD", FILE)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(CONTENT))
    assert wire().call("HEAD", f"{FILE}s").status == 404
    assert pulls() == 0


def test_a_pull_is_counted_once_and_a_later_range_of_a_stream_is_not(
    settings: Any, mara: Person
) -> None:
    wire().get(FILE)
    assert pulls() == 1
    settings.STREAM_ALWAYS = True
    client = wire()
    client.get(FILE)
    client.http.defaults["HTTP_RANGE"] = "bytes=5-"
    client.get(FILE)
    settings.NGINX_STORE_LOCATION = "/-/store/"
    client.get(FILE)
    assert pulls() == 2
    client.http.defaults["HTTP_RANGE"] = "bytes=0-5"
    client.get(FILE)
    assert pulls() == 3


def test_when_all_places_are_taken_the_next_is_told_and_places_come_back(
    settings: Any, mara: Person
) -> None:
    settings.STREAM_ALWAYS = True
    held = [wire().http.get(FILE) for _ in range(settings.TRANSFER_THREADS)]
    answer = wire().get(FILE)
    assert (answer.status, "Try again in a minute" in answer.message) == (503, True)
    for each in held:
        hang_up(each)
        hang_up(each)
    assert_streamed(wire().get(FILE))
    image = wire(mara).announce(PATH, sif_bytes(seed=2))
    held = [wire().http.get(FILE) for _ in range(settings.TRANSFER_THREADS)]
    answer = wire(mara).send_body(image["id"], sif_bytes(seed=2))
    assert (answer.status, "Try again in a minute" in answer.message) == (503, True)
    for each in held:
        hang_up(each)
    assert wire(mara).send_body(image["id"], sif_bytes(seed=2)).status == 200


def test_a_pull_that_cannot_be_counted_leaves_its_place(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STREAM_ALWAYS = True

    def fail(image: Image) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as broken:
        broken.setattr(downloads, "record", fail)
        for _ in range(settings.TRANSFER_THREADS + 1):
            assert wire().get(FILE).status == 503
    assert_streamed(wire().get(FILE))


def test_a_stream_whose_object_is_gone_is_an_error_before_its_first_byte(
    settings: Any, store: ObjectStore
) -> None:
    settings.STREAM_ALWAYS = True
    image = Image.objects.select_related("blob").get()
    assert image.blob
    store.remove([image.blob.key])
    for _ in range(settings.TRANSFER_THREADS + 1):
        answer = wire().get(FILE)
        assert (answer.status, "lost" in answer.message) == (503, True)


def test_a_private_image_is_streamed_to_its_owner_only(
    settings: Any, mara: Person, otto: Person
) -> None:
    settings.STREAM_ALWAYS = True
    Collection.objects.update(visibility="private")
    assert_streamed(wire(mara).get(FILE))
    assert wire(otto).get(FILE).status == wire().get(FILE).status == 404


def hang_up(answer: Any) -> None:
    """What the server does when the client goes; all but the signal, which ends the test's
    connection to the database too."""
    for close in answer._resource_closers:
        close()


def pulls() -> int:
    """How many pulls were counted."""
    downloads.sum_up()
    return int(Image.objects.aggregate(total=Sum("download_count"))["total"])


@pytest.fixture(autouse=True)
def _all_places_free() -> None:
    transfers.forget_places()


def test_an_image_whose_proof_comes_while_it_is_looked_for_is_pulled(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = sif_bytes(seed=7)
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    file = f"/v1/imagefile/{PATH}:{image['hash']}"
    assert client.get(file).status == 503
    is_arriving = images.is_arriving

    def proven_before_that(found: Image) -> bool:
        sweep()
        return is_arriving(found)

    monkeypatch.setattr(images, "is_arriving", proven_before_that)
    assert client.get(file).status in {200, 303}
