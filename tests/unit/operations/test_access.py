"""The log: a line for each request, without anything that is secret, and a push in one piece."""

import json
import logging
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from shub.audit.models import Event
from shub.log_lines import JSONLines
from shub.request_ids import InLogLines
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import PASSWORD, Person
from tests.sif_files import sif_bytes
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db


class Written:
    """What stands in a log of JSON lines."""

    def __init__(self) -> None:
        self.stream = StringIO()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    @property
    def accesses(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["logger"] == "shub.access"]


@pytest.fixture
def log(settings: Any) -> Iterator[Written]:
    """The product's JSON log at its usual level, with access lines."""
    settings.ACCESS_LOG = True
    written = Written()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(JSONLines())
    handler.addFilter(InLogLines())
    logger = logging.getLogger("shub")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(before)


def test_a_request_is_one_line_with_who_asked_for_what(log: Written, mara: Person) -> None:
    answer = Client(headers={"Authorization": f"Bearer {mara.token_text}"}).get(
        "/v1/entities/mara?arch=amd64"
    )
    (line,) = log.accesses
    assert line["request"] == answer.headers["X-Request-ID"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "library-entity", 200)
    assert line["user"] == mara.user.public_id
    assert 0 < line["milliseconds"] < 60_000
    assert line["time"].endswith("Z")
    assert line["level"] == "INFO"


def test_who_is_signed_in_to_the_pages_is_named_where_the_page_looked(
    log: Written, mara: Person
) -> None:
    client = Client()
    assert client.login(username="mara", password=PASSWORD)
    client.get("/account/tokens")
    client.get("/version")
    tokens, version = log.accesses
    assert tokens["user"] == mara.user.public_id
    assert version["user"] is None


def test_no_line_holds_a_token_an_address_or_a_name_that_was_asked_for(
    log: Written, mara: Person, store: ObjectStore
) -> None:
    content = sif_bytes(seed=4)
    client = wire(mara)
    image = client.announce("mara/unknown-project/gcc", content)
    send(client.begin_single(image["id"], content), content)
    client.complete_single(image["id"])
    sweep()
    Client().get("/account/invitation/shub-secret-word?next=query-secret")
    Client(headers={"Authorization": "Bearer shub_not_a_token"}).get("/v1/search?value=asked-for")
    said = log.stream.getvalue()
    assert len(log.accesses) > 5
    assert mara.token_text not in said
    for word in (
        *("unknown-project", "X-Amz", "Signature", "http", "shub-secret-word", "query-secret"),
        *("shub_not_a_token", "asked-for", store.object_address("blobs/x").split("?")[0]),
    ):
        assert word not in said


def test_one_word_finds_a_push_in_web_and_sweep_and_trail(
    log: Written, mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes(seed=5)
    client = wire(mara)
    image = client.announce("mara/tools/gcc", content)
    begun = client.begin_parts(image["id"], len(content))
    push = begun["uploadID"]
    sent = send(client.part_address(image["id"], push, 1, content), content)
    client.complete_parts(image["id"], push, [sent.etag])
    sweep()
    client.get("/v1/entities/mara")
    found = [line for line in log.lines if line.get("push") == push]
    assert [(line["method"], line["route"]) for line in found if "route" in line] == [
        ("POST", "library-multipart"),
        ("PUT", "library-multipart"),
        ("PUT", "library-multipart-completion"),
    ]
    assert any("begins" in line["message"] for line in found)
    (verdict,) = (line for line in found if line["logger"] == "shub.uploads.verification")
    assert verdict["message"].endswith("done.")
    assert "push" not in log.accesses[-1]
    assert Event.objects.get(action="image.pushed").detail["push"] == push


def test_a_single_upload_and_a_refusal_are_found_by_their_push(
    log: Written, mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = b"no image at all" * 100
    client = wire(mara)
    image = client.announce("mara/tools/gcc", content)
    send(client.begin_single(image["id"], content), content)
    client.complete_single(image["id"])
    sweep()
    push = Upload.objects.get().public_id
    routes = [line["route"] for line in log.accesses if line.get("push") == push]
    assert routes == ["library-single", "library-single-completion"]
    assert Event.objects.get(action="upload.refused").detail["push"] == push


def test_probes_are_no_lines_and_nothing_is_where_the_site_wants_none(
    log: Written, settings: Any
) -> None:
    client = Client()
    client.get("/healthz")
    client.get("/readyz")
    assert log.accesses == []
    settings.ACCESS_LOG = False
    Client().get("/version")
    assert log.accesses == []


def test_an_error_is_one_line_with_its_trace() -> None:
    formatter = JSONLines()
    try:
        {}["a\nfault"]
    except KeyError:
        record = logging.LogRecord("shub", 40, "f", 1, "It %s", ("failed\n",), sys.exc_info())
    line = formatter.format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert found["message"] == "It failed\n"
    assert found["exception"].endswith("KeyError: 'a\\nfault'")
