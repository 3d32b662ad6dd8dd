"""What the client libraries' own unit tests assert of a server, asked of this one."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from shub.containers.models import Collection
from tests.factories import Person
from tests.protocol.library.exchange import bearer, exchange
from tests.protocol.library.scene import PATH, Pushed, push
from tests.protocol.library.strict import SEARCH, decode
from tests.sif_files import sif_bytes
from tests.wire import digest, fetch, send, sweep, wire

pytestmark = pytest.mark.django_db

NEW = sif_bytes(seed=82)
NO_ID = "0" * 24


PLANS = [(1000, 1), (1024, 3), (4096, 8), (39_999, 2), (40_000, 1), (50_000, 3)]


@pytest.mark.row("H.5")
def test_ranges_put_together_in_any_order_are_the_image(pushed: Pushed) -> None:
    """The size comes from the look-up; the parts of a part size go to several workers at once."""
    size = pushed.client.get(f"/v1/images/{PATH}:latest?arch=amd64").data["size"]
    assert size == len(pushed.content) > 0
    reply = exchange("GET", f"/v1/imagefile/{PATH}:latest?arch=amd64")
    assert reply.status == 303

    def fetch_part(first: int, last: int) -> bytes:
        got = fetch(reply.headers["location"], Range=f"bytes={first}-{last}")
        assert got.status == 206
        return got.body

    for part, workers in PLANS:
        starts = list(range(0, size, part))
        ends = [min(start + part, size) - 1 for start in starts]
        with ThreadPoolExecutor(workers) as pool:
            assert b"".join(pool.map(fetch_part, starts, ends)) == pushed.content, part


SAME = [
    ("http://registry.test:9000", "registry.test:9000"),
    ("http://Registry.Test:9000", "registry.test:9000"),
    ("http://registry.test:9000", "REGISTRY.test:9000"),
    ("http://registry.test", "registry.test:80"),
    ("http://registry.test:80", "registry.test"),
]
OTHER = [
    ("http://registry.test", "registry.test:9000", False),
    ("http://registry.test", "store.test", False),
    ("https://registry.test", "registry.test", False),
    ("http://registry.test", "registry.test", True),
]


@pytest.mark.row("H.6", "CB.1.8")
def test_nobody_is_sent_to_where_their_bearer_would_go_along(pushed: Pushed, settings: Any) -> None:
    """Current clients send it to their library's own scheme, host (in any case) and port."""
    target = f"/v1/imagefile/{PATH}:latest?arch=amd64"
    for public, external in SAME:
        settings.PUBLIC_URL, settings.MINIO_EXTERNAL_SERVER = public, external
        reply = exchange("GET", target, headers=bearer(pushed.owner.token_text))
        assert (reply.status, reply.content) == (200, pushed.content), (public, external)
        assert exchange("GET", target).status == 303


@pytest.mark.row("H.6")
def test_scheme_host_and_port_all_count_for_where_a_bearer_goes(
    pushed: Pushed, settings: Any
) -> None:
    target = f"/v1/imagefile/{PATH}:latest?arch=amd64"
    headers = bearer(pushed.owner.token_text) | {"Host": "elsewhere.test"}
    for public, external, tls in OTHER:
        settings.PUBLIC_URL, settings.MINIO_EXTERNAL_SERVER = public, external
        settings.MINIO_EXTERNAL_SSL = tls
        reply = exchange("GET", target, headers=headers)
        assert reply.status == 303, (public, external, tls)
        assert urlsplit(reply.headers["location"]).netloc == external


RANGES = [
    ("bytes=0-0", 206, 0, 0),
    ("bytes=0-1024", 206, 0, 1024),
    ("bytes=39999-39999", 206, 39_999, 39_999),
    ("bytes=100-", 206, 100, 39_999),
    ("bytes=-100", 206, 39_900, 39_999),
    ("bytes=39000-99999", 206, 39_000, 39_999),
    ("bytes=40000-40001", 416, 0, 0),
]


@pytest.mark.row("H.7")
def test_lengths_and_ranges_are_exact_where_the_store_answers_and_where_we_do(
    pushed: Pushed,
) -> None:
    """Malformed values are errors to a client, and a missing Content-Range ends it."""
    target = f"/v1/imagefile/{PATH}:latest"
    location = exchange("GET", target).headers["location"]
    total = len(pushed.content)
    for asked, status, first, last in RANGES:
        stored = fetch(location, Range=asked)
        headers = bearer(pushed.owner.token_text, "BEARER") | {"Range": asked}
        streamed = exchange("GET", target, headers=headers)
        assert (stored.status, streamed.status) == (status, status), asked
        if status == 416:
            assert streamed.headers["content-range"] == f"bytes */{total}"
            continue
        wanted = pushed.content[first : last + 1]
        for found, content in (
            (stored.headers, stored.body),
            (streamed.headers, streamed.content),
        ):
            assert content == wanted, asked
            assert found["content-length"] == str(len(wanted)), asked
            assert found["content-range"] == f"bytes {first}-{last}/{total}"


@pytest.mark.row("H.7")
def test_a_range_that_means_nothing_is_answered_by_the_whole(pushed: Pushed) -> None:
    for asked in ("", "bytes", "bytes=", "bytes=a-b", "bytes=5-1", "lines=0-1", "bytes=0-1,5-6"):
        headers = bearer(pushed.owner.token_text, "BEARER") | {"Range": asked}
        streamed = exchange("GET", f"/v1/imagefile/{PATH}:latest", headers=headers)
        assert (streamed.status, streamed.content) == (200, pushed.content), asked
        assert streamed.headers["content-length"] == str(len(pushed.content))
        assert "content-range" not in streamed.headers


@pytest.mark.row("H.10")
def test_parts_begin_with_a_size_and_an_image_and_end_for_nobody_else(pushed: Pushed) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    answer = client.post(f"/v2/imagefile/{image}/_multipart", {"filesize": 0})
    assert (answer.status, bool(answer.message)) == (400, True)
    upload = client.begin_parts(image, len(NEW))["uploadID"]
    for wrong_image, wrong_upload in ((NO_ID, upload), (image, NO_ID), ("x", "x")):
        answer = client.put(
            f"/v2/imagefile/{wrong_image}/_multipart_abort", {"uploadID": wrong_upload}
        )
        assert answer.status not in {200, 204, 404}
        assert answer.message
    etag = send(client.part_address(image, upload, 1, NEW), NEW).etag
    answer = client.complete_parts(image, upload, [etag])
    assert (answer.status, answer.data["containerUrl"]) == (200, f"library/{PATH}")


@pytest.mark.row("H.8")
def test_the_body_of_an_old_client_is_refused_for_an_image_that_nobody_announced(
    pushed: Pushed,
) -> None:
    token = bearer(pushed.owner.token_text)
    for image in (NO_ID, "x", "sha256." + digest(NEW), PATH):
        reply = exchange("POST", f"/v1/imagefile/{image}", headers=token, body=NEW)
        assert reply.status in {403, 404}, image
        assert reply.json["error"]["message"]
    for headers in ({}, {"Authorization": "Bearer"}):
        reply = exchange("POST", f"/v1/imagefile/{pushed.id}", headers=headers, body=NEW)
        assert reply.status == 401


@pytest.mark.row("H.11")
def test_the_signed_headers_are_named_as_clients_look_for_them(pushed: Pushed) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)["id"]
    upload = client.begin_parts(image, len(NEW))["uploadID"]
    for address in (client.begin_single(image, NEW), client.part_address(image, upload, 1, NEW)):
        query = dict(pair.split("=") for pair in urlsplit(address).query.split("&"))
        # They look for the last of these among what is between the semicolons, and for no other.
        names = query["X-Amz-SignedHeaders"].lower()
        assert names == "content-length%3bhost%3bx-amz-content-sha256"


@pytest.mark.row("H.12")
def test_a_push_that_is_repeated_at_any_step_comes_to_the_same_end(pushed: Pushed) -> None:
    client = pushed.client
    for _ in range(2):
        container = client.container(PATH)
        image = client.announce(PATH, NEW)
        if not image["uploaded"]:
            assert send(client.begin_single(image["id"], NEW), NEW).status == 200
        assert client.complete_single(image["id"]).status == 200
        sweep()
        assert client.tag(container, image["id"], "again").status == 200
    assert exchange("GET", f"/v1/images/{PATH}:again").data["id"] == image["id"]
    assert client.post(f"/v2/tags/{container}", {"Tag": "x", "ImageID": NO_ID}).status == 400


@pytest.mark.row("H.14")
def test_a_delete_with_an_empty_arch_or_reference_takes_nothing_by_guess(pushed: Pushed) -> None:
    token = bearer(pushed.owner.token_text)
    push(pushed.owner, arch="arm64")
    for target in ("/v1/images/?arch=amd64", "/v1/images?arch=amd64", "/v1/images/:latest"):
        assert exchange("DELETE", target, headers=token).status in {404, 405}, target
    reply = exchange("DELETE", f"/v1/images/{PATH}:latest?arch=", headers=token)
    assert reply.status == 409
    assert exchange("DELETE", f"/v1/images/{PATH}:latest?arch=amd64").status == 401
    assert exchange("GET", f"/v1/images/{PATH}:latest?arch=amd64").data["id"] == pushed.id


@pytest.mark.row("H.15")
def test_a_search_gives_four_lists_also_where_nothing_is_found(pushed: Pushed) -> None:
    for query in ("value=gcc", "value=gcc&arch=amd64", "value=gcc&arch=arm64,amd64&signed=true"):
        found = exchange("GET", f"/v1/search?{query}").data
        assert {name: type(each) for name, each in found.items()} == dict.fromkeys(SEARCH, list)
    found = exchange("GET", "/v1/search?value=gcc&arch=amd64").data
    assert [each["id"] for each in found["image"]] == [pushed.id]
    assert found["image"][0]["tags"] == ["latest"]
    assert exchange("GET", "/v1/search?value=gcc&arch=arm64").data["image"] == []
    assert exchange("GET", "/v1/search?value=gcc&signed=true").data["image"] == []
    assert exchange("GET", "/v1/search?value=no-such").data == {name: [] for name in SEARCH}
    for short in ("", "ab", "%20ab%20"):
        reply = exchange("GET", f"/v1/search?value={short}")
        assert (reply.status, bool(reply.json["error"]["message"])) == (400, True)


@pytest.mark.row("H.15")
def test_what_a_search_finds_of_an_image_is_enough_to_print_it(pushed: Pushed) -> None:
    signed = push(pushed.owner, PATH, "b", "a", fingerprints=["ab" * 20], seed=3)
    found = exchange("GET", "/v1/search?value=tools%2Fgc&signed=true").data
    (image,) = found["image"]
    assert image["id"] == signed.id
    assert image["fingerprints"] == ["AB" * 20]
    assert sorted(image["tags"]) == ["a", "b"]
    names = [image[name] for name in ("entityName", "collectionName", "containerName")]
    assert "/".join(names) == PATH
    (container,) = found["container"]
    assert container["imageTags"] == {"latest": pushed.id, "a": signed.id, "b": signed.id}
    for name, shape in SEARCH.items():
        assert all(decode(each, shape) for each in found[name])


LEGAL = ["a/b/c:d", "mara/tools/gcc:latest", "a1/b-2/c_3.4:5.6-rc_1"]
ILLEGAL = ["a/b/c/d:e", "", ":", "a//:b:c", "/:x"]


@pytest.mark.row("H.18")
def test_a_legal_reference_is_looked_for_and_an_illegal_one_is_not_there(pushed: Pushed) -> None:
    for ref in (*LEGAL[:1], *LEGAL[2:], *ILLEGAL):
        assert exchange("GET", f"/v1/images/{ref}").status in {404, 405}, ref
    assert exchange("GET", f"/v1/images/{LEGAL[1]}").status == 200


@pytest.mark.row("H.12", "I.2.13")
def test_bytes_that_the_pusher_can_read_already_are_linked_and_not_sent(
    pushed: Pushed, otto: Person
) -> None:
    """`uploaded` at once, for one who may read them; for nobody else, whatever they know."""
    client = pushed.client
    linked = client.announce("mara/other/copy", pushed.content)
    assert (linked["uploaded"], linked["size"]) == (True, len(pushed.content))
    assert client.tag(linked["container"], linked["id"], "latest").status == 200
    location = exchange("GET", "/v1/imagefile/mara/other/copy:latest").headers["location"]
    assert fetch(location).body == pushed.content
    secret = push(pushed.owner, "mara/hidden/x", seed=4)
    Collection.objects.filter(name="hidden").update(visibility="private")
    claimed = wire(otto).announce("otto/tools/x", secret.content)
    assert (claimed["uploaded"], claimed["size"], claimed["arch"]) == (False, 0, "")
