"""How many queries each request takes: none grows with what is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shub.accounts import tokens
from shub.accounts.models import FormerName
from shub.containers import ledger, naming
from shub.containers.models import Collection, Container, Image, Tag
from shub.storage import ObjectStore
from tests.described import description
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import Wire, digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes()

# Every operation of the description, and the most queries that it takes with a token.
MOST = {
    ("GET", "/assets/config/config.prod.json"): 0,
    ("GET", "/version"): 0,
    ("GET", "/v1/token-status"): 1,
    ("GET", "/v1/rbac/users/current"): 1,
    ("GET", "/v1/oci-redirect"): 0,
    ("GET", "/v1/entities/{entity}"): 2,
    ("POST", "/v1/entities"): 3,
    ("GET", "/v1/collections/{entity}/{collection}"): 2,
    ("POST", "/v1/collections"): 4,
    ("GET", "/v1/containers/{entity}/{collection}/{container}"): 2,
    ("POST", "/v1/containers"): 4,
    ("GET", "/v1/images/{ref}"): 2,
    ("POST", "/v1/images"): 8,  # one of them: has this caller an open upload of it?
    ("DELETE", "/v1/images/{ref}"): 23,  # one of them locks the tags that wait
    ("GET", "/v1/imagefile/{ref}"): 3,
    ("POST", "/v1/imagefile/{ref}"): 21,  # the rights once more, after the last byte
    ("GET", "/v1/search"): 10,  # one of them counts it
    ("GET", "/v1/tags/{container_id}"): 3,
    ("POST", "/v1/tags/{container_id}"): 11,
    ("GET", "/v2/tags/{container_id}"): 3,
    ("POST", "/v2/tags/{container_id}"): 8,
    ("POST", "/v2/imagefile/{image_id}"): 7,  # three of them keep room for it
    ("PUT", "/v2/imagefile/{image_id}/_complete"): 15,
    ("POST", "/v2/imagefile/{image_id}/_multipart"): 7,
    ("PUT", "/v2/imagefile/{image_id}/_multipart"): 4,
    ("PUT", "/v2/imagefile/{image_id}/_multipart_complete"): 15,
    ("PUT", "/v2/imagefile/{image_id}/_multipart_abort"): 8,
    ("GET", "/pks/lookup"): 0,
    ("POST", "/pks/add"): 0,
    # Asked for what is not there: by the names of before too.
    ("GET", "/api/container/{collection}/{name}"): 4,
    ("GET", "/container/{collection}/{name}"): 4,
}


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@contextmanager
def counted() -> Iterator[list[str]]:
    """The queries of the block, savepoints apart."""
    asked: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield asked
    asked += [each["sql"] for each in captured.captured_queries if "SAVEPOINT" not in each["sql"]]


@contextmanager
def queries(count: int) -> Iterator[None]:
    """The block takes exactly so many queries, savepoints apart."""
    with counted() as asked:
        yield
    assert len(asked) == count, "\n".join(asked)


def test_image_by_tag_takes_two_queries(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT, "latest")
    with queries(2):  # the token with its user; the tag with its image and parents
        assert wire(mara).get(f"/v1/images/{PATH}:latest?arch=amd64").status == 200
    with queries(1):
        assert wire().get(f"/v1/images/{PATH}:latest?arch=amd64").status == 200


def test_image_file_takes_three_queries(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT, "latest")
    with queries(3):  # … and the download, appended
        assert wire(mara).get(f"/v1/imagefile/{PATH}:latest?arch=amd64").status == 303


def test_every_operation_has_its_bound() -> None:
    described = {
        (method.upper(), path)
        for path, operations in description()["paths"].items()
        for method in operations
    }
    assert described == set(MOST)


def course(client: Wire, content: bytes) -> Iterator[tuple[str, str, Any]]:
    """Each operation once, in an order that works: method, path of the description, and a call."""

    def get(described: str, address: str) -> tuple[str, str, Any]:
        return "GET", described, lambda: client.get(address)

    def post(described: str, address: str, body: Any) -> tuple[str, str, Any]:
        return "POST", described, lambda: client.post(address, body)

    hash_ref = f"sha256.{digest(content)}"
    for address in ("/assets/config/config.prod.json", "/version", "/v1/token-status"):
        yield get(address, address)
    yield get("/v1/rbac/users/current", "/v1/rbac/users/current")
    yield get("/v1/oci-redirect", "/v1/oci-redirect?namespace=mara/tools/gcc&accessTypes=pull")
    yield get("/v1/entities/{entity}", "/v1/entities/mara")
    yield post("/v1/entities", "/v1/entities", {"name": "mara"})
    parent = "/v1/collections/{entity}/{collection}"
    yield get(parent, "/v1/collections/mara/tools")
    entity = client.get("/v1/entities/mara").data["id"]
    yield post("/v1/collections", "/v1/collections", {"name": "tools", "entity": entity})
    collection = client.get("/v1/collections/mara/tools").data["id"]
    yield get("/v1/containers/{entity}/{collection}/{container}", f"/v1/containers/{PATH}")
    body = {"name": "gcc", "collection": collection}
    yield post("/v1/containers", "/v1/containers", body)
    container = client.get(f"/v1/containers/{PATH}").data["id"]
    yield post("/v1/images", "/v1/images", {"hash": hash_ref, "container": container})
    image = client.announce(PATH, content)["id"]
    start = f"/v2/imagefile/{image}"

    body = {"filesize": len(content), "sha256sum": digest(content)}
    yield post("/v2/imagefile/{image_id}", start, body)
    parts = "/v2/imagefile/{image_id}/_multipart"
    yield post(parts, f"{start}/_multipart", {"filesize": len(content)})
    given_up = client.begin_parts(image, len(content))["uploadID"]
    yield "PUT", parts, lambda: client.sign_part(image, given_up, 1, content)
    abort = {"uploadID": given_up}
    yield "PUT", f"{parts}_abort", lambda: client.put(f"{start}/_multipart_abort", abort)
    upload = client.begin_parts(image, len(content))["uploadID"]
    etag = send(client.part_address(image, upload, 1, content), content).etag
    yield "PUT", f"{parts}_complete", lambda: client.complete_parts(image, upload, [etag])
    assert send(client.begin_single(image, content), content).status == 200
    completed = "/v2/imagefile/{image_id}/_complete"
    yield "PUT", completed, lambda: client.complete_single(image)
    yield "POST", "/v1/imagefile/{ref}", lambda: client.send_body(image, content)
    sweep()

    for version in ("v1", "v2"):
        described = f"/{version}/tags/{{container_id}}"
        address = f"/{version}/tags/{container}"
        body = {"Tag": "latest", "ImageID": image} | ({"Arch": "amd64"} if version == "v2" else {})
        yield post(described, address, body)
        yield get(described, address)
    yield get("/v1/images/{ref}", f"/v1/images/{PATH}:latest?arch=amd64")
    yield get("/v1/imagefile/{ref}", f"/v1/imagefile/{PATH}:latest?arch=amd64")
    yield get("/v1/search", "/v1/search?value=gcc&arch=amd64")
    yield get("/pks/lookup", "/pks/lookup?op=index&options=mr&search=mara")
    yield post("/pks/add", "/pks/add", {})
    for prefix in ("/api", ""):
        old = f"{prefix}/container/{{collection}}/{{name}}"
        yield get(old, f"{prefix}/container/tools/gcc:latest")
    address = f"/v1/images/{PATH}:{hash_ref}"
    yield "DELETE", "/v1/images/{ref}", lambda: client.call("DELETE", address)


def taken(client: Wire, content: bytes) -> dict[tuple[str, str], int]:
    """How many queries each operation took."""
    found = {}
    for method, described, call in course(client, content):
        with counted() as asked:
            answer = call()
        assert answer.status < 500, (method, described, answer)
        found[method, described] = len(asked)
    return found


def test_no_operation_takes_more_queries_than_its_bound_nor_more_where_more_is_stored(
    mara: Person,
) -> None:
    client = wire(mara)
    client.push(PATH, sif_bytes(seed=0), "latest")
    few = taken(client, sif_bytes(seed=1))
    assert set(few) == set(MOST)
    over = {each: count for each, count in few.items() if count > MOST[each]}
    assert not over

    client.push(PATH, sif_bytes(seed=0), "latest")
    row = Image.objects.select_related("container", "blob").get()
    Image.objects.bulk_create(
        Image(container=row.container, digest=f"{number:064x}", blob=row.blob, arch="amd64")
        for number in range(300)
    )
    ledger.forget_counts()
    ledger.count_uncounted()
    Tag.objects.bulk_create(
        Tag(container=row.container, name=f"t{number}", arch="amd64", image=row)
        for number in range(300)
    )
    Container.objects.bulk_create(
        Container(collection=row.container.collection, name=f"gcc{number}") for number in range(120)
    )
    many = taken(client, sif_bytes(seed=3))
    assert {each: count for each, count in many.items() if count > few[each]} == {}


@pytest.mark.parametrize("scopes", [(), ("pull",), ("push",), ("delete",), ("pull", "push")])
def test_a_no_takes_as_many_queries_for_what_is_hidden_as_for_what_is_missing(
    mara: Person, otto: Person, scopes: tuple[str, ...]
) -> None:
    image = wire(mara).push(PATH, CONTENT, "latest")
    FormerName.objects.create(name="before", entity=mara.entity)
    Collection.objects.filter(name="tools").update(visibility="private")
    client = wire()
    if scopes:
        client = Wire(token=tokens.issue(user=otto.user, name="t", scopes=scopes)[1])
        client.get("/v1/rbac/users/current")  # the first use is written down
    ids = [image[kind] for kind in ("entity", "collection", "container", "id")]
    missing = noes(client, "nobody", ["0" * 24] * 4)
    assert noes(client, "mara", ids) == missing
    assert noes(client, "before", ids) == missing
    container = Container.objects.select_related("collection").get(name="gcc")
    naming.rename_place(container, to="compiler", by=mara.caller)
    assert noes(client, "mara", ids) == missing
    naming.rename_place(container.collection, to="builds", by=mara.caller)
    assert noes(client, "mara", ids) == missing
    assert noes(client, "before", ids) == missing


def noes(client: Wire, entity: str, ids: list[str]) -> list[tuple[str, int, int]]:
    """What each request is answered with where the names or ids say nothing, and its queries."""
    path = f"{entity}/tools/gcc"
    entity_id, collection, container, image = ids
    hash_ref = f"sha256.{digest(CONTENT)}"
    upload: dict[str, Any] = {"uploadID": "0" * 24, "completedParts": []}
    found = []
    for method, address, body in (
        ("GET", f"/v1/entities/{entity}", None),
        ("GET", f"/v1/collections/{entity}/tools", None),
        ("GET", f"/v1/containers/{path}", None),
        ("GET", f"/v1/images/{path}:latest?arch=amd64", None),
        ("GET", f"/v1/images/{path}:{hash_ref}", None),
        ("GET", f"/v1/imagefile/{path}:latest?arch=amd64", None),
        ("DELETE", f"/v1/images/{path}:latest?arch=amd64", None),
        ("GET", f"/v1/tags/{container}", None),
        ("GET", f"/v2/tags/{container}", None),
        ("POST", "/v1/entities", {"name": entity}),
        ("POST", "/v1/collections", {"name": "tools", "entity": entity_id}),
        ("POST", "/v1/containers", {"name": "gcc", "collection": collection}),
        ("POST", "/v1/images", {"hash": hash_ref, "container": container}),
        ("POST", f"/v2/tags/{container}", {"Tag": "x", "ImageID": image}),
        ("POST", f"/v2/imagefile/{image}", {"filesize": 1}),
        ("PUT", f"/v2/imagefile/{image}/_complete", {}),
        ("PUT", f"/v2/imagefile/{image}/_multipart_complete", upload),
        ("PUT", f"/v2/imagefile/{image}/_multipart_abort", upload),
    ):
        with counted() as asked:
            answer = client.call(method, address, body)
        described = f"{method} {address}".replace(entity, "…")
        for each in ids:
            described = described.replace(each, "…")
        found.append((described, answer.status, len(asked)))
    assert {status for _, status, _ in found} <= {401, 403, 404}
    return found
