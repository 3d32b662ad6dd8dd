"""Identical bytes are not sent twice by one who may read them; asking gives them to nobody else."""

from typing import Any

import pytest

from shub.containers import blobs, ledger
from shub.containers.models import Blob, Collection, Image, PendingTag, Tag
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

CONTENT = sif_bytes(arch="arm64", fingerprints=["AB" * 20])
HASH = f"sha256.{digest(CONTENT)}"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def test_bytes_that_the_pusher_may_read_elsewhere_are_there_at_once_with_their_facts(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    image = wire(otto).announce("otto/tools/gcc", CONTENT)
    assert (image["uploaded"], image["size"]) == (True, len(CONTENT))
    assert (image["arch"], image["signed"], image["fingerprints"]) == ("arm64", True, ["AB" * 20])
    assert wire(otto).tag(image["container"], image["id"], "v1", arch="arm64").status == 200
    assert wire().get("/v1/images/otto/tools/gcc:v1?arch=arm64").data["hash"] == HASH
    assert Upload.objects.count() == 1
    assert len(stored_keys(store)) == 1


def test_bytes_that_the_pusher_may_not_read_are_as_unknown_as_any(
    mara: Person, otto: Person
) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    Collection.objects.update(visibility="private")
    secret = wire(otto).announce("otto/tools/gcc", CONTENT)
    unknown = wire(otto).announce("otto/tools/gcc", sif_bytes(seed=99))
    own = {"id", "hash", "createdAt"}
    assert {name: value for name, value in secret.items() if name not in own} == {
        name: value for name, value in unknown.items() if name not in own
    }
    assert secret["uploaded"] is False


def test_the_owner_of_private_bytes_need_not_send_them_again(mara: Person) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    Collection.objects.update(visibility="private")
    assert wire(mara).announce("mara/other/gcc", CONTENT)["uploaded"] is True


def test_bytes_that_would_be_over_the_quota_are_not_linked(mara: Person, otto: Person) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    otto.entity.quota_bytes = len(CONTENT) - 1
    otto.entity.save()
    image = wire(otto).announce("otto/tools/gcc", CONTENT)
    assert image["uploaded"] is False
    answer = wire(otto).post(f"/v2/imagefile/{image['id']}", {"filesize": len(CONTENT)})
    assert answer.status == 507


def test_a_blob_that_was_condemned_is_taken_back_and_one_that_leaves_is_not(
    mara: Person, store: ObjectStore
) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    blob = Blob.objects.get()
    blobs.condemn(blob)
    kept = blobs.keep(blob)
    assert kept is not None
    assert (kept.pk, kept.state) == (blob.pk, "proven")
    blobs.collect(blob)
    assert stored_keys(store) == [blob.key], "what was taken back is not collected"
    for state in ("leaving", "gone", "damaged"):
        Blob.objects.update(state=state)
        assert blobs.keep(blob) is None


def test_what_was_left_while_leaving_is_collected_by_the_next_sweep(
    mara: Person, store: ObjectStore
) -> None:
    wire(mara).push("mara/tools/gcc", CONTENT)
    Image.objects.all().delete()
    Blob.objects.update(state="leaving")
    ledger.forget_counts()
    sweep()
    assert stored_keys(store) == []
    assert Blob.objects.get().state == "gone"


def test_a_tag_that_waits_for_an_upload_moves_when_its_image_is_linked_meanwhile(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    client = wire(otto)
    image = client.announce("otto/tools/gcc", CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert client.tag(image["container"], image["id"], "v1", arch="arm64").status == 200
    wire(mara).push("mara/tools/gcc", CONTENT)
    assert PendingTag.objects.exists() or Tag.objects.exists()
    announced = {"hash": HASH, "container": image["container"]}
    assert client.post("/v1/images", announced).data["uploaded"] is True
    sweep()
    assert client.get("/v1/images/otto/tools/gcc:v1?arch=arm64").data["id"] == image["id"]
    assert not PendingTag.objects.exists()
    assert len(stored_keys(store)) == 1
