"""Which statuses clients take for a success, and in which form they can show a refusal.

Clients are strict: a 201 for a tag and a 204 for a delete are failures to them, and the words of a
refusal are shown only from exactly the envelope.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shub.containers.models import Collection
from tests.factories import Person
from tests.protocol.library.exchange import Reply, bearer, exchange, send_json
from tests.protocol.library.scene import PATH, Pushed
from tests.protocol.library.strict import ERROR, QUOTA, decode, read
from tests.sif_files import sif_bytes
from tests.wire import digest, request, send, sweep, wire

pytestmark = pytest.mark.django_db

NEW = sif_bytes(seed=78)
NO_ID = "0" * 24


# ── 0.5: refusals ──


def refusals(pushed: Pushed, stranger: Person) -> Iterator[tuple[str, Reply]]:
    """A refusal of every kind, from every door of the library; each with what was done."""
    token = bearer(pushed.owner.token_text)
    strange = bearer(stranger.token_text)
    unsent = pushed.client.announce(pushed.path, NEW)["id"]

    def ask(method: str, target: str, headers: dict[str, str], body: Any = None) -> Any:
        reply = (
            exchange(method, target, headers=headers, body=body)
            if body is None or isinstance(body, bytes)
            else send_json(method, target, body, headers)
        )
        return f"{method} {target}", reply

    for kind in ("entities/no", "collections/no/no", "containers/no/no/no", "images/no/no/no:no"):
        yield ask("GET", f"/v1/{kind}", token)
    yield ask("GET", "/v1/entities/mara", bearer("unknown"))
    yield ask("GET", "/v1/token-status", bearer("unknown"))
    yield ask("GET", "/v1/rbac/users/current", {})
    yield ask("GET", "/v1/oci-redirect?namespace=a&accessTypes=pull", token)
    yield ask("GET", f"/v1/imagefile/{PATH}:no", token)
    yield ask("GET", "/v1/search?value=ab", token)
    yield ask("GET", "/v1/search", token)
    yield ask("GET", "/v1/nothing", token)
    yield ask("GET", f"/v2/imagefile/{unsent}/_nothing", token)
    yield ask("PUT", "/v1/images/a", token)
    yield ask("GET", "/v1/images/%00", token)
    for headers in ({}, strange):
        yield ask("POST", "/v1/entities", headers, {"name": "mara"})
        yield ask("POST", "/v1/images", headers, {"hash": pushed.hash, "container": NO_ID})
        yield ask("DELETE", f"/v1/images/{PATH}:latest?arch=amd64", headers)
        yield ask("POST", f"/v1/imagefile/{unsent}", headers, NEW)
        yield ask("POST", f"/v2/imagefile/{unsent}", headers, {"filesize": len(NEW)})
        yield ask("PUT", f"/v2/imagefile/{unsent}/_complete", headers, {})
        yield ask("POST", f"/v2/tags/{NO_ID}", headers, {"Tag": "a", "ImageID": NO_ID})
    for body in (b"{", b"[]", b"\xff", b'{"name": 5}'):
        yield ask("POST", "/v1/collections", token, body)
    yield ask("POST", f"/v1/imagefile/{NO_ID}", token, NEW)
    yield ask("POST", f"/v1/imagefile/{unsent}", token)
    yield ask("POST", f"/v2/imagefile/{unsent}", token, {"filesize": 0})
    yield ask("PUT", f"/v2/imagefile/{unsent}/_complete", token, {})
    yield ask("PUT", f"/v2/imagefile/{unsent}/_multipart", token, {"uploadID": "x"})
    yield ask("DELETE", f"/v1/images/{PATH}:no?arch=amd64", token)
    yield ask("GET", f"/v2/tags/{NO_ID}", token)
    yield ask("GET", f"/v1/tags/{NO_ID}", token)
    for tag in ("UPPER", "a/b", pushed.hash):
        body = {"Arch": "amd64", "Tag": tag, "ImageID": pushed.id}
        yield ask("POST", f"/v2/tags/{pushed.container_id}", token, body)
    body = {"Arch": "amd64", "Tag": "a", "ImageID": unsent}
    yield ask("POST", f"/v2/tags/{pushed.container_id}", token, body)
    # Last: of what was announced with these bytes' hash, nothing is left.
    yield ask("POST", f"/v1/imagefile/{unsent}", token, b"#!/bin/sh\n")


@pytest.mark.row("0.5.1", "0.5.2", "0.5.3", "0.5.5", "0.5.8")
def test_every_refusal_can_be_read_by_every_client(pushed: Pushed, otto: Person) -> None:
    seen = set()
    for what, reply in refusals(pushed, otto):
        assert reply.status >= 400, (what, reply)
        assert reply.is_json, (what, reply)
        body = read(reply.content)
        assert set(body) == {"error"}, (what, reply)
        error = decode(body["error"], ERROR)
        assert error["code"] == reply.status, (what, reply)
        assert error["message"].strip(), (what, reply)
        assert "<" not in error["message"], (what, reply)
        seen.add(reply.status)
    assert seen >= {400, 401, 403, 404, 405, 409}


@pytest.mark.row("0.5.4", "I.2.11")
def test_what_a_pusher_has_to_read_is_no_404(
    pushed: Pushed, otto: Person, settings: Any, tmp_path: Path
) -> None:
    """The words of a 404 are lost, so a right, a limit or a login is never told by one."""
    stranger, nobody, owner = wire(otto), wire(), pushed.client
    unsent = owner.announce(PATH, NEW)["id"]
    assert "may not push" in stranger.post("/v1/entities", {"name": "mara"}).message
    assert "token" in nobody.post("/v1/entities", {"name": "mara"}).message
    tag = {"Arch": "amd64", "Tag": "a", "ImageID": unsent}
    assert owner.post(f"/v2/tags/{pushed.container_id}", tag).status == 409
    assert owner.complete_single(unsent).status == 400
    settings.MINIO_FOLDER = str(tmp_path)
    answer = owner.post(f"/v2/imagefile/{unsent}", {"filesize": 5 * 1024**3})
    if answer.status != 200:  # where this machine's disk holds so much, there is room
        assert answer.status == 507
    answer = owner.post(f"/v2/imagefile/{unsent}/_multipart", {"filesize": 2**45})
    assert (answer.status, bool(answer.message)) == (507, True)


@pytest.mark.row("0.5.4")
def test_only_tags_and_the_body_of_old_clients_may_tell_by_a_404(pushed: Pushed) -> None:
    """There the words of a 404 are shown, so there have to be some."""
    answer = pushed.client.get(f"/v2/tags/{NO_ID}")
    assert (answer.status, bool(answer.message)) == (404, True)


@pytest.mark.row("0.5.6")
def test_every_success_stands_in_the_envelope(pushed: Pushed) -> None:
    for path in (
        "/version",
        "/v1/token-status",
        "/v1/entities/mara",
        "/v1/collections/mara/tools",
        f"/v1/containers/{PATH}",
        f"/v1/images/{PATH}:latest",
        f"/v1/tags/{pushed.container_id}",
        f"/v2/tags/{pushed.container_id}",
        "/v1/search?value=gcc",
    ):
        answer = pushed.client.get(path)
        assert (answer.status, set(answer.body)) == (200, {"data"}), path


@pytest.mark.row("0.5.7", "H.20")
def test_who_one_is_is_a_bare_object_with_texts(mara: Person) -> None:
    reply = exchange("GET", "/v1/rbac/users/current", headers=bearer(mara.token_text))
    found = read(reply.content)
    assert found["username"] == "mara"
    assert {"error", "data"} & set(found) == set()
    assert {type(found[name]) for name in ("username", "email", "realname")} == {str}


# ── 0.6: successes ──


@pytest.mark.row("0.6.1")
def test_a_look_up_is_a_200_or_a_404(pushed: Pushed) -> None:
    for found, missing in (
        ("/v1/entities/mara", "/v1/entities/no"),
        ("/v1/collections/mara/tools", "/v1/collections/mara/no"),
        (f"/v1/containers/{PATH}", "/v1/containers/mara/tools/no"),
        (f"/v1/images/{PATH}:latest?arch=amd64", f"/v1/images/{PATH}:no?arch=amd64"),
    ):
        assert pushed.client.get(found).status == 200
        assert pushed.client.get(missing).status == 404
    assert pushed.client.get("/v1/search?value=no-such-thing&arch=amd64").status == 200


@pytest.mark.row("0.6.2", "H.2")
def test_making_and_beginning_is_a_200_or_a_201_with_the_object(pushed: Pushed) -> None:
    client = pushed.client
    entity = client.post("/v1/entities", {"name": "mara"})
    collection = client.post("/v1/collections", {"name": "x", "entity": entity.data["id"]})
    container = client.post("/v1/containers", {"name": "x", "collection": collection.data["id"]})
    body = {"hash": f"sha256.{'a' * 64}", "container": container.data["id"]}
    image = client.post("/v1/images", body)
    begun = client.post(f"/v2/imagefile/{image.data['id']}", {"filesize": 5})
    parts = client.post(f"/v2/imagefile/{image.data['id']}/_multipart", {"filesize": 5})
    answers = [entity, collection, container, image, begun, parts]
    assert {answer.status for answer in answers} <= {200, 201}
    assert [answer.data["name"] for answer in answers[:3]] == ["mara", "x", "x"]
    assert image.data["hash"] == body["hash"]


@pytest.mark.row("0.6.3", "H.13")
def test_going_on_and_ending_is_a_200_with_a_body_and_a_404_names_nothing_in_between(
    pushed: Pushed,
) -> None:
    """After the first step of an upload in parts, a 404 makes clients send a cut file."""
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    upload = client.begin_parts(image, len(NEW))["uploadID"]
    signed = client.sign_part(image, upload, 1, NEW)
    etag = send(signed.data["presignedURL"], NEW).etag
    done = client.complete_parts(image, upload, [etag])
    other = client.begin_parts(image, len(NEW))["uploadID"]
    ended = client.put(f"/v2/imagefile/{image}/_multipart_abort", {"uploadID": other})
    single = sif_bytes(seed=79)
    single_id = client.announce(PATH, single)["id"]
    send(client.begin_single(single_id, single), single)
    completed = client.complete_single(single_id)
    assert {answer.status for answer in (signed, done, ended, completed)} == {200}
    for upload_id in (other, NO_ID, "nonsense"):
        assert client.sign_part(image, upload_id, 1, NEW).status not in {200, 404}
        assert client.complete_parts(image, upload_id, [etag]).status not in {200, 404}


@pytest.mark.row("0.6.4", "A.13.6", "H.14")
def test_a_delete_is_exactly_200(pushed: Pushed) -> None:
    answer = pushed.client.call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    assert (answer.status, set(answer.body)) == (200, {"data"})
    answer = pushed.client.call("DELETE", f"/v1/images/{PATH}:latest?arch=amd64")
    assert answer.status == 404


@pytest.mark.row("0.6.5", "A.13.6", "H.3")
def test_tags_are_read_and_set_by_exactly_200(pushed: Pushed) -> None:
    client, here = pushed.client, pushed.container_id
    v2 = {"Arch": "amd64", "Tag": "a", "ImageID": pushed.id}
    for path, body in ((f"/v2/tags/{here}", v2), (f"/v1/tags/{here}", {"b": pushed.id})):
        assert client.get(path).status == 200
        for _ in range(2):
            assert client.post(path, body).status == 200
    answer = client.post(f"/v2/tags/{here}", {**v2, "Tag": "-"})
    assert (answer.status, "not a legal tag" in answer.message) == (400, True)


@pytest.mark.row("0.6.6", "H.8", "I.1.19")
def test_an_image_as_one_body_is_exactly_200_or_refused_in_words(
    pushed: Pushed, otto: Person
) -> None:
    target = f"/v1/imagefile/{pushed.client.announce(PATH, NEW)['id']}"
    token = bearer(pushed.owner.token_text)
    refused = [
        exchange("POST", target, body=NEW),
        exchange("POST", target, headers=bearer(otto.token_text), body=NEW),
        exchange("POST", target, headers=token),
        exchange("POST", target, headers=token, body=NEW[:-1]),
    ]
    assert [reply.status for reply in refused] == [401, 403, 411, 400]
    assert all(reply.json["error"]["message"] for reply in refused)
    # What was refused for its bytes is announced anew, as each push does.
    target = f"/v1/imagefile/{pushed.client.announce(PATH, NEW)['id']}"
    reply = exchange("POST", target, headers=token, body=NEW)
    assert (reply.status, reply.is_json) == (200, True)
    sweep()
    assert pushed.client.announce(PATH, NEW)["uploaded"] is True


@pytest.mark.row("0.6.7", "H.11", "I.2.10")
@pytest.mark.parametrize("signing", [True, False])
def test_an_address_for_bytes_opens_itself_and_answers_200_with_an_etag(
    pushed: Pushed, settings: Any, signing: bool
) -> None:
    """Clients read in the address whether it signs their hash, and send it exactly then."""
    settings.MINIO_SIGN_CONTENT_SHA256 = signing
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    upload = client.begin_parts(image, len(NEW))
    assert upload["options"] == {"s3compliant": "true" if signing else "false"}
    for address in (
        client.begin_single(image, NEW),
        client.part_address(image, upload["uploadID"], 1, NEW),
    ):
        assert urlsplit(address).netloc == settings.MINIO_EXTERNAL_SERVER
        query = parse_qs(urlsplit(address).query)
        signed = query["X-Amz-SignedHeaders"][0].split(";")
        assert ("x-amz-content-sha256" in signed) == signing
        headers = {"x-amz-content-sha256": digest(NEW)} if signing else {}
        sent = request("PUT", address, NEW, headers)
        assert (sent.status, bool(sent.etag)) == (200, True), sent


@pytest.mark.row("0.6.8", "H.4")
def test_the_version_decodes_for_anybody_and_switches_every_feature_on(mara: Person) -> None:
    for headers in ({}, bearer(mara.token_text), bearer("unknown"), {"Authorization": "Bearer"}):
        reply = exchange("GET", "/version", headers=headers)
        assert reply.status == 200
        assert type(reply.data["version"]) is str
        assert is_at_least_alpha_2(reply.data["apiVersion"])


def is_at_least_alpha_2(text: str) -> bool:
    """Whether a strict reader of semantic versions finds 2.0.0-alpha.2 or more."""
    release, _, pre = text.partition("-")
    numbers = tuple(int(number) for number in release.split("."))
    assert len(numbers) == 3
    if numbers != (2, 0, 0):
        return numbers > (2, 0, 0)
    kind, _, count = pre.partition(".")
    return not pre or kind > "alpha" or (kind == "alpha" and int(count or 0) >= 2)


@pytest.mark.row("0.6.9")
def test_an_image_file_is_a_200_or_a_303(pushed: Pushed) -> None:
    token = pushed.owner.token_text
    target = f"/v1/imagefile/{PATH}:latest"
    for headers in ({}, bearer(token), bearer(token, "BEARER")):
        for query in ("", "?arch=", "?arch=amd64"):
            reply = exchange("GET", target + query, headers=headers)
            assert reply.status in {200, 303}
            assert reply.status == 303 or reply.content == pushed.content
    assert exchange("GET", f"{target}?arch=arm64").status == 404


@pytest.mark.row("0.6.10", "H.16", "I.1.25")
def test_the_way_to_oci_is_a_404_for_pulls_and_pushes(mara: Person) -> None:
    for access in ("pull", "pull%2Cpush"):
        for mapped in ("", "&mapped=1"):
            query = f"?accessTypes={access}{mapped}&namespace=mara%2Ftools%2Fgcc"
            for headers in ({}, bearer(mara.token_text)):
                reply = exchange("GET", f"/v1/oci-redirect{query}", headers=headers)
                assert reply.status == 404
                assert "url" not in reply.json


@pytest.mark.row("H.9")
def test_an_upload_as_one_body_ends_with_the_quota_and_the_containers_address(
    pushed: Pushed,
) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    assert send(client.begin_single(image, NEW), NEW).status == 200
    answer = client.complete_single(image)
    assert set(answer.data) >= {"quota", "containerUrl"}
    quota = decode(answer.data["quota"], QUOTA)
    assert quota["quotaUsage"] >= 0
    assert answer.data["containerUrl"] == f"library/{PATH}"


@pytest.mark.row("H.1")
def test_a_look_up_with_a_bad_token_is_a_401_and_of_something_hidden_a_404(
    pushed: Pushed, otto: Person
) -> None:
    Collection.objects.update(visibility="private")
    for path in ("/v1/collections/mara/tools", f"/v1/images/{PATH}:latest"):
        assert exchange("GET", path, headers=bearer("unknown")).status == 401
        assert exchange("GET", path, headers=bearer(otto.token_text)).status == 404
        first = exchange("GET", path, headers=bearer(pushed.owner.token_text))
        assert first.data == exchange("GET", path, headers=bearer(pushed.owner.token_text)).data
