"""`shub://` references, as every client still asks for them: anonymous, and of public images."""

from typing import Any

import pytest

from shub.containers.models import Collection
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import fetch, wire

pytestmark = pytest.mark.django_db

CONTENT = sif_bytes()


@pytest.fixture(autouse=True)
def _pushed(settings: Any, store: ObjectStore, administrator: Person) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(administrator).push("library/tools/gcc", CONTENT, "latest", "13.2")


@pytest.mark.parametrize(
    "address",
    [
        "/api/container/tools/gcc:13.2",
        "/api/container/tools/gcc",
        "/api/container/Tools/GCC:latest/",
        "/api/container/tools/gcc:latest@sha256.abc",
        "/container/tools/gcc:13.2",
    ],
)
def test_an_old_reference_leads_to_the_bytes(address: str, settings: Any) -> None:
    answer = wire().get(address)
    assert answer.status == 200
    found = answer.body
    assert (found["collection"], found["name"]) == ("tools", "gcc")
    assert found["tag"] in {"13.2", "latest"}
    assert found["image"].startswith(f"{settings.PUBLIC_URL}/v1/imagefile/library/tools/gcc:sha256")
    path = found["image"].removeprefix(settings.PUBLIC_URL)
    assert wire().call("HEAD", path).status == 200
    assert fetch(wire().get(path).headers["Location"]).body == CONTENT


def test_what_is_private_is_missing_even_to_its_owner(administrator: Person) -> None:
    Collection.objects.update(visibility="private")
    for client in (wire(), wire(administrator)):
        assert client.get("/api/container/tools/gcc:13.2").status == 404


def test_what_is_not_there_is_missing() -> None:
    for name in ("tools/gcc:14", "tools/none", "none/gcc", "tools/g%00cc"):
        assert wire().get(f"/api/container/{name}").status == 404
