"""An image as one body to the registry itself: stored in parts, proven like any other."""

from io import BytesIO
from typing import Any

import pytest

from shub.audit.models import Event
from shub.containers.models import Image
from shub.errors import Invalid
from shub.storage import ObjectStore
from shub.uploads import body
from shub.uploads.models import Upload
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import digest, fetch, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
MIB = 1024**2


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.mark.parametrize("size", [40_000, 8 * MIB, 16 * MIB + 1])
def test_a_body_is_stored_in_parts_and_comes_back_equal(
    mara: Person, store: ObjectStore, size: int
) -> None:
    content = sif_bytes(size=size)
    client = wire(mara)
    image = client.announce(PATH, content)
    answer = client.send_body(image["id"], content)
    assert (answer.status, answer.data["containerUrl"]) == (200, f"library/{PATH}")
    assert (
        client.post(f"/v1/tags/{image['container']}", {"Tag": "v1", "ImageID": image["id"]}).status
        == 200
    )
    sweep()
    upload = Upload.objects.get()
    assert (upload.kind, upload.state, len(upload.parts)) == ("body", "done", -(-size // (8 * MIB)))
    found = wire().get(f"/v1/images/{PATH}:v1").data
    assert (found["hash"], found["size"], found["arch"]) == (image["hash"], size, "amd64")
    assert fetch(wire().get(f"/v1/imagefile/{PATH}:v1").headers["Location"]).body == content
    assert open_parts(store) == []


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (sif_bytes(seed=2), "do not have the SHA-256"),
        (sif_bytes(size=40_001), "do not have the SHA-256"),
        (b"x", "do not have the SHA-256"),
    ],
)
def test_other_bytes_are_refused_at_once_and_leave_nothing(
    mara: Person, store: ObjectStore, sent: bytes, words: str
) -> None:
    client = wire(mara)
    image = client.announce(PATH, sif_bytes(seed=1))
    answer = client.send_body(image["id"], sent)
    assert (answer.status, words in answer.message) == (400, True), answer
    assert open_parts(store) == stored_keys(store) == []
    assert not Image.objects.exists()
    assert Upload.objects.get().state == "refused"
    assert Event.objects.filter(action="upload.refused").count() == 1


def test_what_is_no_sif_is_refused_with_the_reason(mara: Person, store: ObjectStore) -> None:
    script = b"#!/bin/sh\n" * 100
    client = wire(mara)
    image = client.announce(PATH, script)
    assert client.send_body(image["id"], script).status == 200
    sweep()
    assert "no SIF image" in Upload.objects.get().reason
    assert stored_keys(store) == []


@pytest.mark.parametrize("length", [8 * MIB + 5, 40_001])
def test_a_body_that_breaks_off_is_given_up_and_leaves_nothing(
    mara: Person, store: ObjectStore, length: int
) -> None:
    content = sif_bytes()
    image = wire(mara).announce(PATH, content)
    upload = body.begin(image_id=image["id"], size=length, by=mara.client)
    with pytest.raises(Invalid, match=f"Expected {length} bytes, received {len(content)}"):
        body.receive(upload, BytesIO(content))
    assert open_parts(store) == stored_keys(store) == []
    assert Upload.objects.get().state == "aborted"
    assert Image.objects.exists(), "the claim waits for another try, or for the sweep"


@pytest.mark.parametrize(
    ("length", "status", "word"),
    [("", 411, "Content-Length"), ("x", 400, "number"), ("-1", 400, "number"), ("0", 400, "byte")],
)
def test_a_body_of_no_known_length_is_refused(
    mara: Person, length: str, status: int, word: str
) -> None:
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.send_body(image["id"], b"", **{"content-length": length})
    assert (answer.status, word in answer.message) == (status, True)
    assert not Upload.objects.exists()


def test_nobody_sends_a_body_for_an_image_of_somebody_else(mara: Person, otto: Person) -> None:
    content = sif_bytes()
    image = wire(mara).announce(PATH, content)
    assert wire(otto).send_body(image["id"], content).status == 403
    assert wire().send_body(image["id"], content).status == 401
    assert wire(mara).send_body("0" * 24, content).status == 403
    assert not Upload.objects.exists()


def test_a_body_for_an_image_that_is_proven_leaves_it_as_it_was(
    mara: Person, store: ObjectStore
) -> None:
    content = sif_bytes()
    image = wire(mara).push(PATH, content, "v1")
    assert wire(mara).send_body(image["id"], content).status == 200
    sweep()
    assert len(stored_keys(store)) == 1
    assert digest(content) in stored_keys(store)[0]
