"""Pushing, request by request, against the real store; and what a push must not leave."""

from typing import Any

import pytest

from shub.audit.models import Event
from shub.containers.models import Blob, Collection, Image, Tag, TagMove
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person, make_team
from tests.sif_files import sif_bytes
from tests.stored import open_parts, put_part, stored_keys
from tests.wire import CUT_OFF, digest, fetch, send, sweep, sweep_after, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
MIB = 1024**2


@pytest.fixture(autouse=True)
def _no_waiting(settings: pytest.FixtureRequest, store: ObjectStore) -> None:
    """The sweep runs when a test says so, so nobody is kept waiting for it."""
    settings.VERIFY_WAIT_SECONDS = 0


def test_a_pushed_image_is_found_by_tag_with_its_facts_from_the_header(mara: Person) -> None:
    content = sif_bytes(arch="arm64")
    client = wire(mara)
    image = client.announce(PATH, content)
    assert image["uploaded"] is False
    address = client.begin_single(image["id"], content)
    assert send(address, content).status == 200
    answer = sweep_after(lambda: client.complete_single(image["id"]))
    assert answer.data["containerUrl"] == "library/mara/tools/gcc"
    assert answer.data["quota"] == {"quotaTotal": 0, "quotaUsage": len(content)}
    assert client.tag(image["container"], image["id"], "13.2", arch="arm64").status == 200
    found = client.get(f"/v1/images/{PATH}:13.2?arch=arm64").data
    assert found["hash"] == f"sha256.{digest(content)}"
    assert (found["size"], found["arch"], found["uploaded"]) == (len(content), "arm64", True)


def test_names_of_their_full_length_are_pushed_tagged_and_written_down(mara: Person) -> None:
    make_team("e" * 128, mara)
    path, client = "/".join(letter * 128 for letter in "ecn"), wire(mara)
    content = sif_bytes()
    waiting = client.announce(path, content)
    assert send(client.begin_single(waiting["id"], content), content).status == 200
    assert client.complete_single(waiting["id"]).status == 200
    assert client.tag(waiting["container"], waiting["id"], "t" * 128).status == 200
    sweep()
    assert client.get(f"/v1/images/{path}:{'t' * 128}").data["id"] == waiting["id"]
    assert Event.objects.get(action="tag.moved").name == f"{path}:{'t' * 128}"


def test_a_pull_is_sent_to_an_address_that_gives_the_same_bytes(mara: Person) -> None:
    content = sif_bytes(seed=1)
    wire(mara).push(PATH, content, "latest")
    answer = wire().get(f"/v1/imagefile/{PATH}:latest?arch=amd64")
    assert answer.status == 303
    got = fetch(answer.headers["Location"])
    assert got.body == content
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    part = fetch(answer.headers["Location"], Range="bytes=0-1024")
    assert (part.status, part.body) == (206, content[:1025])
    assert part.headers["content-range"] == f"bytes 0-1024/{len(content)}"


def test_parts_may_be_sent_in_any_order_and_make_the_same_image(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    content = sif_bytes(size=11 * MIB)
    client = wire(mara)
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))
    assert (upload["totalParts"], upload["partSize"]) == (3, 5 * MIB)
    assert upload["options"] == {"s3compliant": "true"}
    etags = {}
    for number in (3, 1, 2):
        part = content[(number - 1) * 5 * MIB : number * 5 * MIB]
        address = client.part_address(image["id"], upload["uploadID"], number, part)
        etags[number] = send(address, part).etag
    in_order = [etags[number] for number in (1, 2, 3)]
    answer = sweep_after(lambda: client.complete_parts(image["id"], upload["uploadID"], in_order))
    assert answer.status == 200
    location = client.get(file_of(content)).headers["Location"]
    assert fetch(location).body == content


def test_an_exact_multiple_of_the_part_size_has_no_empty_last_part(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    content = sif_bytes(size=10 * MIB)
    client = wire(mara)
    upload = client.begin_parts(client.announce(PATH, content)["id"], len(content))
    assert upload["totalParts"] == 2


def test_bytes_that_are_not_what_was_announced_leave_neither_bytes_nor_image(
    mara: Person, settings: pytest.FixtureRequest, store: ObjectStore
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False  # else the store itself refuses them
    content, other = sif_bytes(seed=1), sif_bytes(seed=2)
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), other).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert client.tag(image["container"], image["id"], "latest").status == 200
    sweep()
    refused = Upload.objects.get()
    assert refused.state == Upload.State.REFUSED
    assert digest(content) in refused.reason
    assert digest(other) not in refused.reason  # or a copied secret could be told by its hash
    assert not Image.objects.exists()
    assert not Tag.objects.exists()
    assert stored_keys(store) == []
    assert Blob.objects.get().state == Blob.State.GONE


def test_a_wrong_body_under_a_signed_hash_is_refused_by_the_store(mara: Person) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    address = client.begin_single(image["id"], content)
    assert send(address, sif_bytes(seed=5)).status in {400, 403, CUT_OFF}
    assert client.complete_single(image["id"]).status == 400


@pytest.mark.parametrize("signing", [True, False])
def test_no_address_that_was_handed_out_writes_after_completion(
    mara: Person, settings: pytest.FixtureRequest, signing: bool
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    settings.MINIO_SIGN_CONTENT_SHA256 = signing
    content, other = sif_bytes(size=6 * MIB), sif_bytes(size=6 * MIB, seed=9)
    parts = [content[: 5 * MIB], content[5 * MIB :]]
    client = wire(mara)
    image_id = client.announce(PATH, content)["id"]
    addresses = [client.begin_single(image_id, content)]
    assert send(addresses[0], content).status == 200
    sweep_after(lambda: client.complete_single(image_id))
    upload = client.begin_parts(image_id, len(content))["uploadID"]
    etags = []
    for number, part in enumerate(parts, 1):
        addresses.append(client.part_address(image_id, upload, number, part))
        etags.append(send(addresses[-1], part).etag)
    sweep_after(lambda: client.complete_parts(image_id, upload, etags))
    for address in addresses:
        for body in (other, other[: 5 * MIB], content):
            assert send(address, body).status >= 400
    location = client.get(file_of(content)).headers["Location"]
    assert fetch(location).body == content


def test_completing_twice_is_no_error_and_makes_one_object(
    mara: Person, store: ObjectStore
) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    for _ in range(3):
        assert client.complete_single(image["id"]).status == 200
    sweep()
    assert client.complete_single(image["id"]).status == 200
    assert len(stored_keys(store)) == 1


def test_a_client_that_says_no_hash_sends_no_header_and_other_bytes_are_refused_all_the_same(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    for content, status in ((sif_bytes(seed=1), 200), (sif_bytes(seed=2), 400)):
        image = client.announce(PATH, content)
        start = {"filesize": len(content), "md5sum": "0" * 32}
        address = client.post(f"/v2/imagefile/{image['id']}", start).data["uploadURL"]
        assert "x-amz-content-sha256" not in address
        sent = content if status == 200 else sif_bytes(seed=3)
        assert send(address, sent).status == 200
        answer = sweep_after(lambda image=image: client.complete_single(image["id"]))
        assert answer.status == status, answer
    assert [digest(sif_bytes(seed=1)) in key for key in stored_keys(store)] == [True]


def test_completing_without_bytes_is_refused_in_words(mara: Person) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    client.begin_single(image["id"], content)
    answer = client.complete_single(image["id"])
    assert answer.status == 400
    assert "No bytes have arrived" in answer.message


def test_completion_takes_the_newest_upload_whose_bytes_are_there(mara: Person) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.begin_single(image["id"], content)
    answer = sweep_after(lambda: client.complete_single(image["id"]))
    assert answer.status == 200
    assert client.announce(PATH, content)["uploaded"] is True


def test_a_short_body_is_refused_with_both_sizes(
    mara: Person, settings: pytest.FixtureRequest, store: ObjectStore
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    client.begin_single(image["id"], content)
    put_part(Upload.objects.get().public_id, 1, content[:-1])
    answer = client.complete_single(image["id"])
    assert answer.status == 400
    assert f"Expected {len(content)} bytes, received {len(content) - 1}" in answer.message
    sweep()
    assert stored_keys(store) == []
    assert open_parts(store) == []
    assert not Image.objects.exists()


def test_parts_that_make_another_size_are_refused_at_once_and_leave_nothing(
    mara: Person, settings: pytest.FixtureRequest, store: ObjectStore
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    short = content[:-1]
    etag = put_part(upload, 1, short)
    for _ in range(2):
        answer = client.complete_parts(image["id"], upload, [etag])
        assert answer.status == 400
        assert f"Expected {len(content)} bytes, received {len(short)}" in answer.message
    sweep()
    assert stored_keys(store) == []
    assert not Image.objects.exists()


@pytest.mark.parametrize("signs_hashes", [True, False])
def test_no_address_takes_more_or_fewer_bytes_than_were_announced(
    mara: Person, settings: Any, store: ObjectStore, signs_hashes: bool
) -> None:
    """Nobody fills the store with what was not announced, and no quota has let in."""
    settings.MINIO_SIGN_CONTENT_SHA256 = signs_hashes
    client = wire(mara)
    content = sif_bytes()
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    addresses = [
        client.begin_single(image["id"], content),
        client.part_address(image["id"], upload, 1, content),
    ]
    for address in addresses:
        for other in (content + b"x", content * 20, content[:-1], b""):
            assert send(address, other).status in {403, CUT_OFF}
        assert send(address, content).status == 200
    for row in Upload.objects.all():
        (part,) = store.list_parts(row.key, row.store_id)
        assert part.size == len(content)


def test_an_address_of_an_old_client_that_says_no_hash_is_bound_to_the_size_too(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    content = sif_bytes()
    image = client.announce(PATH, content)
    answer = client.post(f"/v2/imagefile/{image['id']}", {"filesize": len(content)})
    address = answer.data["uploadURL"]
    assert "x-amz-content-sha256" not in address
    headers = {"content-type": "application/octet-stream"}
    assert send(address, content + b"x", headers=headers).status == 403
    assert send(address, content, headers=headers).status == 200


def test_a_refused_completion_that_is_repeated_is_refused_with_the_same_reason(
    mara: Person, otto: Person
) -> None:
    script = b"#!/bin/sh\n" * 100
    client = wire(mara)
    image = client.announce(PATH, script)
    assert send(client.begin_single(image["id"], script), script).status == 200
    answer = sweep_after(lambda: client.complete_single(image["id"]))
    assert (answer.status, "no SIF image" in answer.message) == (400, True)
    assert not Image.objects.exists()
    assert wire(otto).complete_single(image["id"]).status == 403


def test_missing_parts_are_refused_and_can_still_be_sent(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    content = sif_bytes(size=6 * MIB)
    parts = [content[: 5 * MIB], content[5 * MIB :]]
    client = wire(mara)
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    first = send(client.part_address(image["id"], upload, 1, parts[0]), parts[0]).etag
    assert client.complete_parts(image["id"], upload, [first]).status == 400
    answer = client.complete_parts(image["id"], upload, [first, '"0123"'])
    assert answer.status == 400
    second = send(client.part_address(image["id"], upload, 2, parts[1]), parts[1]).etag
    answer = sweep_after(lambda: client.complete_parts(image["id"], upload, [first, second]))
    assert answer.status == 200


def test_a_part_of_another_size_or_number_gets_no_address(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    client = wire(mara)
    content = sif_bytes(size=6 * MIB)
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    assert "Part 2 has" in client.sign_part(image["id"], upload, 2, content[: 5 * MIB]).message
    assert "no part 3" in client.sign_part(image["id"], upload, 3, content[: 5 * MIB]).message


def test_an_aborted_upload_leaves_no_parts_and_takes_no_more(
    mara: Person, settings: pytest.FixtureRequest, store: ObjectStore
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * MIB
    content = sif_bytes(size=6 * MIB)
    client = wire(mara)
    image = client.announce(PATH, content)
    upload = client.begin_parts(image["id"], len(content))["uploadID"]
    address = client.part_address(image["id"], upload, 1, content[: 5 * MIB])
    etag = send(address, content[: 5 * MIB]).etag
    abort = {"uploadID": upload}
    for _ in range(2):
        assert client.put(f"/v2/imagefile/{image['id']}/_multipart_abort", abort).status == 200
    assert send(address, content[: 5 * MIB]).status in {404, CUT_OFF}
    answer = client.sign_part(image["id"], upload, 1, content[: 5 * MIB])
    assert (answer.status, "aborted" in answer.message) == (409, True)
    assert client.complete_parts(image["id"], upload, [etag, etag]).status == 409


def test_the_site_can_do_without_parts_and_says_so_by_404(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    settings.MINIO_MULTIPART_UPLOAD = False
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.post(f"/v2/imagefile/{image['id']}/_multipart", {"filesize": 100})
    assert answer.status == 404


@pytest.mark.parametrize("in_parts", [True, False])
def test_one_body_beyond_what_a_store_takes_is_refused_before_it_is_sent(
    mara: Person, settings: pytest.FixtureRequest, store: ObjectStore, in_parts: bool
) -> None:
    settings.MINIO_MULTIPART_UPLOAD = in_parts
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.post(f"/v2/imagefile/{image['id']}", {"filesize": 5 * 1024**3 + 1})
    helps = "a client that sends parts" if in_parts else "MINIO_MULTIPART_UPLOAD"
    assert (answer.status, "(5 GiB)" in answer.message, helps in answer.message) == (
        400,
        True,
        True,
    )
    assert open_parts(store) == []
    assert not Upload.objects.exists()


def test_clients_are_told_whether_the_store_takes_their_hashes(
    mara: Person, settings: pytest.FixtureRequest
) -> None:
    image = wire(mara).announce(PATH, sif_bytes())
    for signing, told in ((True, "true"), (False, "false")):
        settings.MINIO_SIGN_CONTENT_SHA256 = signing
        assert wire(mara).begin_parts(image["id"], 100)["options"] == {"s3compliant": told}


def test_an_image_is_sent_once_however_often_it_is_pushed(mara: Person) -> None:
    content = sif_bytes()
    client = wire(mara)
    client.push(PATH, content, "a")
    assert client.announce(PATH, content)["uploaded"] is True
    assert Upload.objects.count() == 1


def test_the_same_bytes_pushed_by_two_people_are_kept_once(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    content = sif_bytes()
    wire(mara).push("mara/tools/gcc", content, "latest")
    Collection.objects.filter(entity=mara.entity).update(visibility="private")
    assert wire(otto).announce("otto/tools/gcc", content)["uploaded"] is False
    wire(otto).push("otto/tools/gcc", content, "latest")
    assert len(stored_keys(store)) == 1
    assert Image.objects.filter(blob__state="proven").count() == 2


def test_what_is_no_sif_is_refused_with_the_reason(mara: Person, store: ObjectStore) -> None:
    content = b"#!/bin/sh\necho this is a script\n" * 100
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    sweep()
    assert "no SIF image" in Upload.objects.get().reason
    assert stored_keys(store) == []


def test_an_image_being_verified_is_seen_by_its_pusher_and_missing_to_others(
    mara: Person,
) -> None:
    content = sif_bytes()
    client = wire(mara)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    assert client.complete_single(image["id"]).status == 200
    ref = f"{PATH}:sha256.{digest(content)}"
    assert client.get(f"/v1/images/{ref}").data["uploaded"] is True
    assert wire().get(f"/v1/images/{ref}").status == 404
    answer = client.get(f"/v1/imagefile/{ref}")
    assert (answer.status, "being verified" in answer.message) == (503, True)
    assert wire().get(f"/v1/imagefile/{ref}").status == 404


def test_a_tag_moves_when_its_image_is_proven_and_answers_with_the_one_before(
    mara: Person,
) -> None:
    before, after = sif_bytes(seed=1), sif_bytes(seed=2)
    client = wire(mara)
    client.push(PATH, before, "latest")
    image = client.announce(PATH, after)
    assert send(client.begin_single(image["id"], after), after).status == 200
    client.complete_single(image["id"])
    assert client.tag(image["container"], image["id"], "latest").status == 200
    found = client.get(f"/v1/images/{PATH}:latest").data
    assert found["hash"] == f"sha256.{digest(before)}"
    sweep()
    found = client.get(f"/v1/images/{PATH}:latest").data
    assert found["hash"] == f"sha256.{digest(after)}"
    moves = TagMove.objects.order_by("id").values_list("from_digest", "to_digest", "moved_by")
    assert list(moves) == [
        ("", digest(before), "mara"),
        (digest(before), digest(after), "mara"),
    ]


def test_an_image_without_a_completed_upload_cannot_be_tagged(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.tag(image["container"], image["id"], "latest")
    assert (answer.status, "has no bytes yet" in answer.message) == (409, True)


def test_a_claim_of_another_hash_at_the_first_step_is_refused(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.post(f"/v2/imagefile/{image['id']}", {"filesize": 10, "sha256sum": "ab" * 32})
    assert (answer.status, "announced with the hash" in answer.message) == (400, True)


@pytest.mark.parametrize("size", [0, -1, 6 * 1024**3, 10**30])
def test_a_size_that_no_store_takes_in_one_body_is_refused_at_the_first_step(
    mara: Person, size: int
) -> None:
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    assert client.post(f"/v2/imagefile/{image['id']}", {"filesize": size}).status == 400
    assert not Upload.objects.exists()


def test_an_image_that_the_stores_disk_has_no_room_for_is_refused_before_it_is_sent(
    mara: Person, settings: pytest.FixtureRequest, tmp_path: object
) -> None:
    settings.MINIO_FOLDER = str(tmp_path)
    client = wire(mara)
    image = client.announce(PATH, sif_bytes())
    answer = client.post(f"/v2/imagefile/{image['id']}/_multipart", {"filesize": 2**45})
    assert (answer.status, "has room for" in answer.message) == (507, True)


def file_of(content: bytes) -> str:
    """Where a current client that is logged in fetches these bytes."""
    return f"/v1/imagefile/{PATH}:sha256.{digest(content)}?arch=amd64"
