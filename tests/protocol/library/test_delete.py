"""Deleting: what a reference means goes, whole, and nothing beside it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub.audit.models import Event
from shub.containers.models import Blob, Collection, Image, PendingTag, RemovedImage, Tag, TagMove
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def test_an_image_that_is_deleted_by_tag_goes_with_all_its_tags_and_its_bytes(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    image = wire(mara).push(PATH, sif_bytes(seed=1), "latest", "1.0")
    other = wire(mara).push(PATH, sif_bytes(seed=2), "2.0")
    answer = wire(mara).call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    assert (answer.status, answer.data["id"]) == (200, image["id"])
    for tag in ("latest", "1.0", image["hash"]):
        assert wire(mara).get(f"/v1/images/{PATH}:{tag}").status == 404
    assert wire(mara).get(f"/v1/images/{PATH}:2.0").data["id"] == other["id"]
    sweep()
    assert [digest(sif_bytes(seed=2)) in key for key in stored_keys(store)] == [True]
    assert open_parts(store) == []
    assert list(Image.objects.values_list("public_id", flat=True)) == [other["id"]]


def test_a_deletion_is_kept_in_the_history_of_each_tag_and_in_the_trail(mara: Person) -> None:
    image = wire(mara).push(PATH, sif_bytes(), "latest")
    wire(mara).call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    move = TagMove.objects.latest("id")
    assert (move.name, move.from_digest, move.to_digest) == ("latest", digest(sif_bytes()), "")
    assert (move.moved_by, move.token) == ("mara", mara.token.public_id)
    event = Event.objects.get(action="image.removed")
    assert (event.public_id, event.actor) == (image["id"], "mara")


def test_only_the_image_of_the_arch_goes_however_the_arch_is_written(mara: Person) -> None:
    for spelling in ("?arch=arm64", "?arch%3Darm64", "?arch=ARM64", "?arch=aarch64"):
        kept = push_for(mara, "amd64")
        gone = push_for(mara, "arm64")
        answer = wire(mara).call("DELETE", f"/v1/images/{PATH}:latest{spelling}")
        assert (answer.status, answer.data["id"]) == (200, gone), spelling
        assert wire(mara).get(f"/v1/images/{PATH}:latest").data["id"] == kept


@pytest.mark.parametrize("query", ["", "?arch="])
def test_a_tag_of_several_archs_is_not_deleted_by_a_guess(mara: Person, query: str) -> None:
    for arch in ("amd64", "arm64"):
        push_for(mara, arch)
    answer = wire(mara).call("DELETE", f"/v1/images/{PATH}:latest{query}")
    assert (answer.status, "amd64, arm64" in answer.message) == (409, True)
    assert Image.objects.count() == 2
    only = wire(mara).push("mara/tools/one", sif_bytes(seed=5), "latest")
    answer = wire(mara).call("DELETE", f"/v1/images/mara/tools/one:latest{query}")
    assert answer.data["id"] == only["id"]


def test_by_hash_and_by_sif_id_the_arch_does_not_count(mara: Person) -> None:
    for seed, name in ((1, "hash"), (2, "sif")):
        image = wire(mara).push(PATH, sif_bytes(seed=seed), "latest")
        ref = image["hash"] if name == "hash" else f"sif.{Image.objects.get().sif_id}"
        answer = wire(mara).call("DELETE", f"/v1/images/{PATH}:{ref}?arch=arm64")
        assert answer.data["id"] == image["id"]
        assert not Tag.objects.exists()


def test_the_bytes_of_a_deleted_image_stay_until_it_cannot_be_brought_back_any_more(
    mara: Person, store: ObjectStore
) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    assert wire(mara).call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64").status == 200
    sweep()
    assert len(stored_keys(store)) == 1
    assert Blob.objects.get().state == "proven"
    RemovedImage.objects.update(kept_until=timezone.now() - timedelta(seconds=1))
    sweep()
    assert stored_keys(store) == []
    assert not RemovedImage.objects.exists()
    assert Blob.objects.get().state == "gone"


def test_a_deleted_image_is_pushed_again_as_a_new_one(mara: Person, store: ObjectStore) -> None:
    image = wire(mara).push(PATH, sif_bytes(), "latest")
    wire(mara).call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    announced = wire(mara).announce(PATH, sif_bytes())
    assert announced["uploaded"] is False, "what was removed is nothing to link to"
    again = wire(mara).push(PATH, sif_bytes(), "latest")
    assert again["id"] != image["id"]
    assert wire().get(f"/v1/imagefile/{PATH}:latest").status == 303
    sweep()
    RemovedImage.objects.update(kept_until=timezone.now() - timedelta(seconds=1))
    sweep()
    assert len(stored_keys(store)) == 1
    assert wire().get(f"/v1/imagefile/{PATH}:latest").status == 303


def test_an_image_that_another_container_has_too_leaves_its_bytes(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    wire(mara).push(PATH, sif_bytes(), "latest")
    wire(mara).push("mara/tools/copy", sif_bytes(), "latest")
    wire(mara).call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    sweep()
    assert len(stored_keys(store)) == 1
    assert wire().get("/v1/imagefile/mara/tools/copy:latest").status == 303
    wire(mara).call("DELETE", "/v1/images/mara/tools/copy:latest?arch=amd64")
    sweep()
    assert stored_keys(store) == []
    assert Blob.objects.get().state == "gone"


def test_deleting_twice_is_missing_and_changes_nothing(mara: Person) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    address = f"/v1/images/{PATH}:latest?arch=amd64"
    assert [wire(mara).call("DELETE", address).status for _ in range(2)] == [200, 404]


def test_a_claim_is_deleted_by_its_pusher_and_what_still_arrives_is_dropped(
    mara: Person, store: ObjectStore
) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert client.tag(image["container"], image["id"], "latest").status == 200
    assert client.call("DELETE", f"/v1/images/{PATH}:{image['hash']}").status == 200
    assert not PendingTag.objects.exists()
    sweep()
    assert Upload.objects.get().state == "done"
    assert stored_keys(store) == []
    assert not Image.objects.exists()


def test_who_may_see_and_not_delete_is_told_so_and_who_may_not_see_finds_nothing(
    mara: Person, otto: Person, administrator: Person
) -> None:
    wire(mara).push(PATH, sif_bytes(), "latest")
    address = f"/v1/images/{PATH}:latest?arch=amd64"
    answer = wire(otto).call("DELETE", address)
    assert (answer.status, "You may not delete" in answer.message) == (403, True)
    assert wire().call("DELETE", address).status == 401
    Collection.objects.update(visibility="private")
    assert wire(otto).call("DELETE", address).status == 404
    assert Tag.objects.count() == 1
    assert wire(administrator).call("DELETE", address).status == 200


def push_for(person: Person, arch: str) -> str:
    """The id of an image for this arch, tagged latest."""
    client = wire(person)
    image = client.push(PATH, sif_bytes(arch=arch))
    assert client.tag(image["container"], image["id"], "latest", arch=arch).status == 200
    return str(image["id"])
