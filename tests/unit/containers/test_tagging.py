"""Which image a tag means to a client of this arch, and what the history of tags refuses."""

from contextlib import suppress
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from shub.containers import images, refs
from shub.containers.models import Tag, TagMove
from shub.errors import NotFound, Refusal
from shub.names import check_name, check_tag
from shub.storage import ObjectStore
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import send, sweep, wire

PATH = "mara/tools/gcc"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.mark.django_db
def test_one_tag_means_an_image_for_each_arch(mara: Person, store: ObjectStore) -> None:
    client = wire(mara)
    pushed = {}
    for arch in ("arm64", "amd64", "riscv64"):
        content = sif_bytes(arch=arch)
        image = client.push(PATH, content)
        assert client.tag(image["container"], image["id"], "latest", arch=arch).status == 200
        pushed[arch] = image["id"]
    for arch, image_id in pushed.items():
        assert client.get(f"/v1/images/{PATH}:latest?arch={arch}").data["id"] == image_id
    assert client.get(f"/v1/images/{PATH}:latest").data["id"] == pushed["amd64"]
    assert client.get(f"/v1/images/{PATH}:latest?arch=").data["id"] == pushed["amd64"]
    assert client.get(f"/v1/images/{PATH}:latest?arch=s390x").status == 404
    maps = client.get(f"/v2/tags/{image['container']}").data
    assert maps == {arch: {"latest": image_id} for arch, image_id in pushed.items()}
    assert client.get(f"/v1/tags/{image['container']}").data == {"latest": pushed["amd64"]}


@pytest.mark.django_db
def test_the_sif_header_decides_the_arch_and_not_the_client(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image = client.push(PATH, sif_bytes(arch="arm64"))
    answer = client.tag(image["container"], image["id"], "latest", arch="amd64")
    assert (answer.status, "is for arm64" in answer.message) == (400, True)
    answer = client.post(
        f"/v1/tags/{image['container']}", {"Tag": "latest", "ImageID": image["id"]}
    )
    assert answer.status == 200
    assert list(Tag.objects.values_list("arch", flat=True)) == ["arm64"]


@pytest.mark.django_db
def test_a_tag_that_moves_to_where_it_is_has_not_moved(mara: Person, store: ObjectStore) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    wire(mara).push(PATH, sif_bytes(), "latest")
    assert TagMove.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("tag", ["", "UPPER", "a b", "a/b", "-x", f"sha256.{'0' * 64}", "x" * 129])
def test_a_tag_that_no_client_could_pull_is_refused(
    mara: Person, store: ObjectStore, tag: str
) -> None:
    image = wire(mara).push(PATH, sif_bytes())
    assert wire(mara).tag(image["container"], image["id"], tag).status == 400
    assert not Tag.objects.exists()


@pytest.mark.django_db
def test_the_history_of_tags_cannot_be_changed(mara: Person, store: ObjectStore) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    for change in (
        lambda: TagMove.objects.update(moved_by="otto"),
        lambda: TagMove.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


@pytest.mark.django_db
def test_the_latest_word_on_a_tag_counts_though_an_earlier_one_still_waits(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    proven = client.push(PATH, sif_bytes(seed=1))
    content = sif_bytes(seed=2)
    waiting = client.announce(PATH, content)
    assert send(client.begin_single(waiting["id"], content), content).status == 200
    client.complete_single(waiting["id"])
    assert client.tag(waiting["container"], waiting["id"], "latest").status == 200
    assert client.tag(waiting["container"], proven["id"], "latest").status == 200
    sweep()
    assert client.get(f"/v1/images/{PATH}:latest").data["id"] == proven["id"]


def test_an_image_of_unknown_arch_serves_where_the_name_means_nothing_else() -> None:
    unknown, amd64 = Tag(arch=""), Tag(arch="amd64")
    assert images.choose_tag([unknown], "arm64") is unknown
    assert images.choose_tag([unknown, amd64], "arm64") is None
    assert images.choose_tag([unknown, amd64], "amd64") is amd64
    assert images.choose_tag([], "") is None


@pytest.mark.parametrize("written", ["", "/", "a/b/c/d", "a/b/c/d:e"])
def test_what_is_no_reference_is_not_found(written: str) -> None:
    with pytest.raises(NotFound):
        refs.parse(written)


@given(st.text(max_size=200))
def test_no_text_makes_reading_a_name_fail_in_another_way(text: str) -> None:
    for read in (refs.parse, check_tag, lambda name: check_name(name, "entity")):
        with suppress(Refusal):
            read(text)
