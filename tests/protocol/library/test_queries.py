"""How many queries the hot requests take: none may grow with what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import send, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@contextmanager
def queries(count: int) -> Iterator[None]:
    """The block takes exactly so many queries, savepoints apart."""
    with CaptureQueriesContext(connection) as captured:
        yield
    asked = [each["sql"] for each in captured.captured_queries if "SAVEPOINT" not in each["sql"]]
    assert len(asked) == count, "\n".join(asked)


def test_image_by_tag_takes_two_queries(mara: Person) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    with queries(2):  # the token with its user; the tag with its image and parents
        assert wire(mara).get(f"/v1/images/{PATH}:latest?arch=amd64").status == 200
    with queries(1):
        assert wire().get(f"/v1/images/{PATH}:latest?arch=amd64").status == 200


def test_image_file_takes_three_queries(mara: Person) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    with queries(3):  # … and the download, appended
        assert wire(mara).get(f"/v1/imagefile/{PATH}:latest?arch=amd64").status == 303


def test_tags_take_three_queries_however_many_there_are(mara: Person) -> None:
    image = wire(mara).push(PATH, sif_bytes(), "a", "b", "c", "d")
    with queries(3):  # the token; the container; its tags
        assert wire(mara).get(f"/v2/tags/{image['container']}").status == 200


def test_the_start_of_an_upload_takes_three_queries(mara: Person) -> None:
    image = wire(mara).announce(PATH, sif_bytes())
    with queries(3):  # the token; the image; the new upload
        wire(mara).begin_parts(image["id"], 40_000)


def test_a_part_takes_three_queries(mara: Person) -> None:
    client = wire(mara)
    content = sif_bytes()
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    with queries(3):  # the token; the image; the upload
        assert send(client.part_address(image["id"], upload, 1, content), content).status == 200
