"""Traps that other servers have fallen into, each named by what it looks like from outside."""

import json
import re
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from shub.accounts.models import Entity
from shub.containers.models import Collection, Container
from tests.factories import Person
from tests.protocol.library.exchange import bearer, exchange, send_json
from tests.protocol.library.scene import PATH, Pushed
from tests.sif_files import sif_bytes
from tests.wire import fetch, send, sweep

NEW = sif_bytes(seed=81)
UNKNOWN = [
    "/v1/",
    "/v2/",
    "/v1/nothing",
    "/v1/entities/a/b",
    "/v1/collections/a",
    "/v1/collections/a/b/c",
    "/v1/containers/a/b",
    "/v1/containers/a/b/c/d",
    "/v1/tags",
    "/v2/tags",
    "/v2/images/a",
    "/v2/imagefile",
    "/v1/rbac/users",
    "/v1/oci-redirect/more",
]


@pytest.mark.django_db
@pytest.mark.row("A.13.1")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_an_unknown_address_below_the_api_is_no_page_and_no_success(
    mara: Person, method: str
) -> None:
    for target in UNKNOWN:
        reply = exchange(method, target, headers=bearer(mara.token_text) | {"Accept": "text/html"})
        assert reply.status in {400, 404, 405}, (target, reply)
        assert reply.is_json, (target, reply)
        assert set(reply.json) == {"error"}


@pytest.mark.django_db
@pytest.mark.row("A.13.2")
def test_a_session_with_or_without_a_form_token_opens_and_closes_nothing(pushed: Pushed) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(pushed.owner.user)
    body = json.dumps({"name": "mara"})
    asked = browser.post("/v1/entities", body, content_type="application/json")
    assert (asked.status_code, asked["Content-Type"]) == (401, "application/json")
    token = {"authorization": f"Bearer {pushed.owner.token_text}"}
    asked = browser.post("/v1/entities", body, content_type="application/json", headers=token)
    assert asked.status_code == 200
    gone = browser.delete(f"/v1/images/{PATH}:latest?arch=amd64")
    assert gone.status_code == 401
    assert browser.get(f"/v1/images/{PATH}:latest").status_code == 200


@pytest.mark.django_db
@pytest.mark.row("A.13.7")
def test_what_a_push_finds_missing_on_its_way_is_a_404_for_one_who_may_make_it(
    mara: Person,
) -> None:
    for target in (
        "/v1/collections/mara/new",
        "/v1/containers/mara/new/new",
        f"/v1/images/mara/new/new:sha256.{'a' * 64}?arch=amd64",
        "/v1/entities/nobody",
        "/v1/collections/nobody/new",
    ):
        reply = exchange("GET", target, headers=bearer(mara.token_text))
        assert reply.status == 404, target


@pytest.mark.django_db
@pytest.mark.row("A.13.7")
def test_a_hidden_parent_is_a_404_and_making_it_again_a_403(pushed: Pushed, otto: Person) -> None:
    """Never a second one of the same name: what is made next to it would answer its pulls."""
    Collection.objects.update(visibility="private")
    token = bearer(otto.token_text)
    assert exchange("GET", "/v1/entities/mara", headers=token).status == 404
    reply = send_json("POST", "/v1/entities", {"name": "mara"}, token)
    assert (reply.status, "may not push" in reply.json["error"]["message"]) == (403, True)
    assert Entity.objects.filter(name="mara").count() == 1


@pytest.mark.django_db
@pytest.mark.row("A.13.9")
def test_the_requests_of_a_large_push_and_a_large_pull_meet_no_limit(
    pushed: Pushed, settings: Any
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * 1024**2
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    upload = client.begin_parts(image, 150 * 5 * 1024**2)
    assert upload["totalParts"] == 150
    part = {"uploadID": upload["uploadID"], "partSize": 5 * 1024**2, "sha256sum": "a" * 64}
    for number in range(1, 151):
        body = {**part, "partNumber": number}
        assert client.put(f"/v2/imagefile/{image}/_multipart", body).status == 200
    for _ in range(100):
        assert exchange("GET", f"/v1/images/{PATH}:latest?arch=amd64").status == 200
        assert exchange("GET", f"/v1/imagefile/{PATH}:latest?arch=amd64").status == 303


@pytest.mark.django_db
@pytest.mark.row("A.13.11")
def test_the_database_itself_holds_no_name_with_upper_case(mara: Person) -> None:
    collection = Collection.objects.create(entity=mara.entity, name="tools")
    for create in (
        lambda: Entity.objects.create(name="Tools"),
        lambda: Collection.objects.create(entity=mara.entity, name="Tools"),
        lambda: Container.objects.create(collection=collection, name="GCC"),
    ):
        with pytest.raises(IntegrityError, match="name_form"), transaction.atomic():
            create()


@pytest.mark.django_db
@pytest.mark.row("A.13.3", "A.13.8")
def test_an_image_that_nobody_has_sent_yet_has_the_same_form_as_any(pushed: Pushed) -> None:
    found = pushed.client.announce(PATH, NEW)
    assert set(found) == set(pushed.image)
    for name, value in found.items():
        assert type(value) is type(pushed.image[name]), name
    assert re.fullmatch(r"sha256\.[0-9a-f]{64}", found["hash"])


@pytest.mark.django_db
@pytest.mark.row("A.13.6")
def test_the_end_of_an_upload_in_parts_has_a_body(pushed: Pushed) -> None:
    """An empty one, whatever its status, is an error to every client that sends parts."""
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    upload = client.begin_parts(image, len(NEW))["uploadID"]
    etag = send(client.part_address(image, upload, 1, NEW), NEW).etag
    for _ in range(2):
        answer = client.complete_parts(image, upload, [etag])
        assert answer.status == 200
        assert set(answer.data) >= {"quota", "containerUrl"}
        sweep()


@pytest.mark.django_db
@pytest.mark.row("A.13.4")
def test_sizes_are_integers_also_where_they_are_sums(pushed: Pushed) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    assert send(client.begin_single(image, NEW), NEW).status == 200
    client.complete_single(image)
    sweep()
    quota = client.complete_single(image).data["quota"]
    assert [type(value) for value in quota.values()] == [int, int]
    assert quota["quotaUsage"] == len(pushed.content) + len(NEW)
    for path in ("/v1/entities/mara", "/v1/collections/mara/tools", f"/v1/containers/{PATH}"):
        assert type(client.get(path).data["size"]) is int
    location = client.get(f"/v1/imagefile/{PATH}:latest?arch=amd64").headers["Location"]
    assert len(fetch(location).body) == client.get(f"/v1/images/{PATH}:latest").data["size"]
