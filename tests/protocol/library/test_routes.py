"""Every route is there, with and without a slash at its end, and none answers with a redirect."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from shub.storage import ObjectStore
from tests.factories import Person
from tests.protocol.library.exchange import Reply, bearer, exchange, send_json
from tests.protocol.library.scene import Pushed, push
from tests.sif_files import sif_bytes
from tests.wire import digest, send

pytestmark = pytest.mark.django_db

seeds = count(100)


@dataclass(frozen=True)
class Ask:
    """One request: its address without the slash, and what it carries."""

    method: str
    path: str
    body: Any = None
    query: str = ""

    def send(self, slash: str, token: str) -> Reply:
        """The answer, with or without the slash."""
        target = f"{self.path}{slash}{self.query}"
        if isinstance(self.body, bytes):
            return exchange(self.method, target, headers=bearer(token), body=self.body)
        if self.body is None:
            return exchange(self.method, target, headers=bearer(token))
        return send_json(self.method, target, self.body, bearer(token))


def new() -> bytes:
    """An image like no other."""
    return sif_bytes(seed=next(seeds))


def announced(pushed: Pushed) -> tuple[str, bytes]:
    """The id of an image whose bytes are still to come, and these."""
    content = new()
    return str(pushed.client.announce(pushed.path, content)["id"]), content


def in_parts(pushed: Pushed) -> tuple[str, bytes, str]:
    """An announced image, its bytes, and the id of an upload of it in parts."""
    image_id, content = announced(pushed)
    return image_id, content, str(pushed.client.begin_parts(image_id, len(content))["uploadID"])


def a_deletion(pushed: Pushed) -> Ask:
    other = push(pushed.owner, "mara/tools/other", seed=next(seeds))
    return Ask("DELETE", f"/v1/images/{other.path}:latest", query="?arch=amd64")


def an_image(pushed: Pushed) -> Ask:
    body = {"hash": f"sha256.{digest(new())}", "container": pushed.container_id}
    return Ask("POST", "/v1/images", body)


def one_body(pushed: Pushed) -> Ask:
    image_id, content = announced(pushed)
    return Ask("POST", f"/v1/imagefile/{image_id}", content)


def an_upload(pushed: Pushed) -> Ask:
    image_id, content = announced(pushed)
    body = {"filesize": len(content), "sha256sum": digest(content), "md5sum": "0" * 32}
    return Ask("POST", f"/v2/imagefile/{image_id}", body)


def the_end_of_an_upload(pushed: Pushed) -> Ask:
    image_id, content = announced(pushed)
    assert send(pushed.client.begin_single(image_id, content), content).status == 200
    return Ask("PUT", f"/v2/imagefile/{image_id}/_complete", {})


def the_beginning_of_parts(pushed: Pushed) -> Ask:
    image_id, content = announced(pushed)
    return Ask("POST", f"/v2/imagefile/{image_id}/_multipart", {"filesize": len(content)})


def a_part(pushed: Pushed) -> Ask:
    image_id, content, upload = in_parts(pushed)
    body = {
        "partSize": len(content),
        "uploadID": upload,
        "partNumber": 1,
        "sha256sum": digest(content),
    }
    return Ask("PUT", f"/v2/imagefile/{image_id}/_multipart", body)


def the_end_of_parts(pushed: Pushed) -> Ask:
    image_id, content, upload = in_parts(pushed)
    etag = send(pushed.client.part_address(image_id, upload, 1, content), content).etag
    body = {"uploadID": upload, "completedParts": [{"partNumber": 1, "token": etag}]}
    return Ask("PUT", f"/v2/imagefile/{image_id}/_multipart_complete", body)


def the_abortion_of_parts(pushed: Pushed) -> Ask:
    image_id, _, upload = in_parts(pushed)
    return Ask("PUT", f"/v2/imagefile/{image_id}/_multipart_abort", {"uploadID": upload})


def entity_id(pushed: Pushed) -> str:
    return str(pushed.client.get("/v1/entities/mara").data["id"])


def collection_id(pushed: Pushed) -> str:
    return str(pushed.client.get("/v1/collections/mara/tools").data["id"])


ROUTES: dict[str, tuple[int, Callable[[Pushed], Ask]]] = {
    "I.1.1": (200, lambda _: Ask("GET", "/assets/config/config.prod.json")),
    "I.1.3": (200, lambda _: Ask("GET", "/version")),
    "I.1.4": (200, lambda _: Ask("GET", "/v1/token-status")),
    "I.1.5": (200, lambda _: Ask("GET", "/v1/rbac/users/current")),
    "I.1.6": (200, lambda _: Ask("GET", "/v1/entities/mara")),
    "I.1.7": (200, lambda _: Ask("POST", "/v1/entities", {"name": "mara"})),
    "I.1.8": (200, lambda _: Ask("GET", "/v1/collections/mara/tools")),
    "I.1.9": (
        200,
        lambda pushed: Ask("POST", "/v1/collections", {"name": "new", "entity": entity_id(pushed)}),
    ),
    "I.1.10": (200, lambda _: Ask("GET", "/v1/containers/mara/tools/gcc")),
    "I.1.11": (
        200,
        lambda pushed: Ask(
            "POST", "/v1/containers", {"name": "new", "collection": collection_id(pushed)}
        ),
    ),
    "I.1.12": (200, lambda pushed: Ask("GET", f"/v1/images/{pushed.path}:latest")),
    "I.1.13": (200, an_image),
    "I.1.14": (200, a_deletion),
    "I.1.15": (200, lambda pushed: Ask("GET", f"/v1/tags/{pushed.container_id}")),
    "I.1.16": (200, lambda pushed: Ask("GET", f"/v2/tags/{pushed.container_id}")),
    "I.1.17": (200, lambda _: Ask("GET", "/v1/search", query="?value=gcc")),
    "I.1.18": (
        303,
        lambda pushed: Ask("GET", f"/v1/imagefile/{pushed.path}:latest", query="?arch=amd64"),
    ),
    "I.1.19": (200, one_body),
    "I.1.20": (200, an_upload),
    "I.1.21": (200, the_end_of_an_upload),
    "I.1.22": (200, the_beginning_of_parts),
    "I.1.23": (200, the_end_of_parts),
    "I.1.24": (200, the_abortion_of_parts),
    "I.1.25": (
        404,
        lambda _: Ask("GET", "/v1/oci-redirect", query="?namespace=a%2Fb%2Fc&accessTypes=pull"),
    ),
    "I.1.27": (
        200,
        lambda _: Ask("GET", "/pks/lookup", query="?op=index&options=mr&search=mara"),
    ),
}
WRITES = {
    "I.1.15": lambda pushed: Ask(
        "POST", f"/v1/tags/{pushed.container_id}", {"Tag": "new", "ImageID": pushed.id}
    ),
    "I.1.16": lambda pushed: Ask(
        "POST",
        f"/v2/tags/{pushed.container_id}",
        {"Arch": "amd64", "Tag": "new", "ImageID": pushed.id},
    ),
    "I.1.22": a_part,
}


def rows(table: dict[str, Any]) -> list[Any]:
    """One set of parameters for each row, marked with it."""
    return [pytest.param(row, marks=pytest.mark.row(row)) for row in table]


@pytest.mark.parametrize("row", rows(ROUTES), ids=list(ROUTES))
def test_a_route_is_served_with_and_without_a_slash_at_its_end(pushed: Pushed, row: str) -> None:
    status, make = ROUTES[row]
    for slash in ("", "/"):
        reply = make(pushed).send(slash, pushed.owner.token_text)
        assert reply.status == status, (slash, reply)
        assert reply.is_json or row in {"I.1.18", "I.1.27"}


@pytest.mark.parametrize("row", rows(WRITES), ids=list(WRITES))
def test_a_route_that_reads_and_writes_does_both_at_either_address(
    pushed: Pushed, row: str
) -> None:
    for slash in ("", "/"):
        reply = WRITES[row](pushed).send(slash, pushed.owner.token_text)
        assert (reply.status, reply.is_json) == (200, True), (slash, reply)


@pytest.mark.row("I.1.2")
def test_the_address_that_login_prints_leads_to_the_page_for_tokens() -> None:
    reply = exchange("GET", "/auth/tokens")
    assert reply.status in {200, 302}
    assert reply.headers.get("location", "/account/sign-in").startswith("/account/sign-in")


@pytest.mark.row("I.1.26")
@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
def test_a_key_is_taken_by_a_form_or_refused_in_words(slash: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = exchange("POST", f"/pks/add{slash}", headers=form, body=b"keytext=x")
    assert reply.status in {400, 403}
    assert reply.json["error"]["message"]


@pytest.mark.row("I.1.28")
@pytest.mark.parametrize("slash", ["", "/"], ids=["bare", "slash"])
def test_an_old_reference_is_served_and_the_rest_of_that_door_is_a_404(
    administrator: Person, store: ObjectStore, settings: Any, slash: str
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    push(administrator, "library/tools/gcc", "13.2")
    for prefix in ("/api", ""):
        reply = exchange("GET", f"{prefix}/container/tools/gcc:13.2{slash}")
        assert (reply.status, reply.json["tag"]) == (200, "13.2")
    for method, path in (
        ("GET", "/api/container/search/name/gcc"),
        ("GET", "/api/labels/search"),
        ("GET", "/api/collections"),
        ("DELETE", "/api/container/tools/gcc/tag/13.2"),
        ("POST", "/api/upload/chunked_upload"),
    ):
        reply = exchange(method, f"{path}{slash}")
        assert (reply.status, reply.is_json) == (404, True), path
