"""The rules of robustness: what clients of eight years send, and what none of them may meet."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from shub.accounts import tokens
from shub.containers.models import Collection, Image, Tag
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person
from tests.protocol.library.exchange import bearer, exchange, send_json
from tests.protocol.library.scene import PATH, Pushed, push
from tests.protocol.library.strict import ARCH_MAP, IMAGE, decode, read
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import digest, fetch, send, sweep, wire

pytestmark = pytest.mark.django_db

NEW = sif_bytes(seed=80)

FORMS = ["", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "nonsense"]
ACCEPTS = ["", "text/html", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "nonsense"]
READS = [
    "/version",
    "/v1/token-status",
    "/v1/entities/mara",
    "/v1/collections/mara/tools",
    f"/v1/containers/{PATH}",
    f"/v1/images/{PATH}:latest",
    "/v1/images/no/no/no:no",
    "/v1/search?value=gcc",
    "/v1/nothing",
]


# ── 1: redirects, CSRF, HTML, slashes ──


@pytest.mark.row("I.2.1", "A.13.2")
def test_nothing_is_redirected_and_no_form_token_is_asked_for(pushed: Pushed) -> None:
    """`exchange` has the cross-site check on, follows nothing, and comes by plain http."""
    token = bearer(pushed.owner.token_text)
    browser = {"User-Agent": "Mozilla/5.0", "Accept": "text/html"}
    for headers in (token, {**token, **browser}):
        for target in READS:
            reply = exchange("GET", target, headers=headers)
            assert reply.status in {200, 404}, target
            assert reply.is_json, target
        reply = send_json("POST", "/v1/entities", {"name": "mara"}, headers)
        assert (reply.status, reply.is_json) == (200, True)
    assert exchange("POST", "/v1/entities", body=b"{}").status == 401


MANY_SLASHES = [
    f"//v1/images/{PATH}:latest",
    f"/v1//images/{PATH}:latest",
    "/v1/images//mara//tools///gcc:latest",
    f"//v1/imagefile//{PATH}:latest",
    f"/v1/imagefile//{PATH}:latest?arch=amd64",
    "//v1/containers/mara/tools/gcc",
    "/v1/collections//mara/tools",
    "//v1/entities//mara//",
    "//version",
    "///assets//config/config.prod.json",
]


@pytest.mark.row("I.2.1", "I.2.7", "CB.1.14")
def test_repeated_slashes_count_once_and_are_never_redirected(pushed: Pushed) -> None:
    for target in MANY_SLASHES:
        reply = exchange("GET", target)
        assert reply.status == (303 if "imagefile" in target else 200), (target, reply)
        if reply.status == 303:
            assert fetch(reply.headers["location"]).body == pushed.content


@pytest.mark.row("I.2.1")
def test_repeated_slashes_count_once_where_something_is_written(pushed: Pushed) -> None:
    token = bearer(pushed.owner.token_text)
    assert send_json("POST", "//v1/entities", {"name": "mara"}, token).status == 200
    body = {"Tag": "b", "ImageID": pushed.id, "Arch": "amd64"}
    reply = send_json("POST", f"//v2//tags/{pushed.container_id}", body, token)
    assert (reply.status, Tag.objects.filter(name="b").count()) == (200, 1)


# ── 2: JSON ──


@pytest.mark.row("I.2.2")
@pytest.mark.parametrize("form", FORMS)
def test_a_body_is_read_as_json_whatever_it_is_called(mara: Person, form: str) -> None:
    headers = bearer(mara.token_text) | ({"Content-Type": form} if form else {})
    reply = send_json("POST", "/v1/entities", {"name": "mara"}, headers)
    assert reply.data["name"] == "mara"


@pytest.mark.row("I.2.2")
@pytest.mark.parametrize("accept", ACCEPTS)
def test_an_answer_is_json_whatever_is_asked_for(pushed: Pushed, accept: str) -> None:
    headers = bearer(pushed.owner.token_text) | ({"Accept": accept} if accept else {})
    for target in READS:
        reply = exchange("GET", target, headers=headers)
        assert reply.is_json, target
        assert reply.json


# ── 3: who is asking ──


@pytest.mark.row("I.2.3")
@pytest.mark.parametrize("scheme", ["Bearer", "BEARER", "bearer", "bEaReR"])
def test_the_scheme_counts_in_any_case(mara: Person, scheme: str) -> None:
    headers = bearer(mara.token_text, scheme)
    assert exchange("GET", "/v1/rbac/users/current", headers=headers).json["username"] == "mara"


@pytest.mark.row("I.2.3")
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "BEARER  ", "", "Basic bWFyYTpjb3JyZWN0", "Token x", "x"]
)
def test_an_empty_bearer_or_another_scheme_is_nobody(pushed: Pushed, header: str) -> None:
    headers = {"Authorization": header}
    assert exchange("GET", f"/v1/images/{PATH}:latest", headers=headers).status == 200
    assert exchange("GET", "/v1/rbac/users/current", headers=headers).status == 401
    assert send_json("POST", "/v1/entities", {"name": "mara"}, headers).status == 401


# ── 4: statuses ── (each alone in test_status_codes.py)


@pytest.mark.row("I.2.4", "H.12", "A.13.9")
def test_a_whole_push_meets_only_the_statuses_that_clients_take(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    """Every way through a push: each of its objects missing, there, and half done."""
    settings.VERIFY_WAIT_SECONDS = 0
    client = wire(mara)
    looked = [
        client.get(path).status
        for path in ("/v1/entities/mara", "/v1/collections/mara/tools", f"/v1/containers/{PATH}")
    ]
    assert looked == [200, 404, 404]
    assert client.get(f"/v1/images/{PATH}:sha256.{digest(NEW)}?arch=amd64").status == 404
    container = client.container(PATH)
    image = client.announce(PATH, NEW)
    assert client.announce(PATH, NEW)["id"] == image["id"]
    assert client.announce(PATH, NEW)["uploaded"] is False
    for _ in range(2):  # the first attempt broke off
        address = client.begin_single(image["id"], NEW)
    assert client.tag(container, image["id"], "latest").status == 409
    assert send(address, NEW).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert client.get(f"/v2/tags/{container}").data == {}
    assert client.tag(container, image["id"], "latest").status == 200
    sweep()
    assert client.complete_single(image["id"]).status == 200
    assert client.announce(PATH, NEW)["uploaded"] is True
    assert client.get(f"/v2/tags/{container}").data == {"amd64": {"latest": image["id"]}}


# ── 5, 6: forms ──


@pytest.mark.row("I.2.5", "A.13.3", "A.13.4")
def test_ids_sizes_times_and_maps_have_exactly_one_form(pushed: Pushed) -> None:
    found = pushed.client.get(f"/v1/images/{PATH}:latest").data
    assert decode(found, IMAGE, object_ids=True) == found
    assert type(found["size"]) is int
    container = pushed.client.get(f"/v1/containers/{PATH}").data
    empty = pushed.client.container("mara/tools/empty")
    told = pushed.client.get("/v1/containers/mara/tools/empty").data
    assert type(container["size"]) is int
    assert (told["id"], told["imageTags"], told["archTags"]) == (empty, {}, {})
    assert ARCH_MAP.check(container["archTags"])


@pytest.mark.row("I.2.6", "A.13.8")
def test_hash_and_size_are_the_files_and_uploaded_is_true_when_it_is(pushed: Pushed) -> None:
    found = pushed.client.get(f"/v1/images/{PATH}:latest?arch=amd64").data
    assert found["hash"] == f"sha256.{digest(pushed.content)}"
    assert (found["size"], found["uploaded"]) == (len(pushed.content), True)
    new = pushed.client.announce(PATH, NEW)
    assert (new["hash"], new["uploaded"]) == (f"sha256.{digest(NEW)}", False)
    for spelling in (f"sha256:{'a' * 64}", "a" * 64, f"sha256.{'A' * 64}", f"sha256.{'a' * 63}"):
        body = {"hash": spelling, "container": pushed.container_id}
        assert pushed.client.post("/v1/images", body).status == 400


# ── 7, 8: references and architectures ──


SHORT = [
    "alpine",
    "alpine:latest",
    "//alpine:latest",
    "///alpine:latest",
    "default/alpine",
    "/default/alpine:latest",
    "library/default/alpine:latest",
    "Library/Default/ALPINE:latest",
    "library/default/alpine:",
]


@pytest.mark.row("I.2.7")
def test_a_short_reference_means_the_sites_own_place(
    administrator: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    pushed = push(administrator, "library/default/alpine")
    for ref in SHORT:
        assert exchange("GET", f"/v1/images/{ref}").data["id"] == pushed.id, ref
        reply = exchange("GET", f"/v1/imagefile/{ref}")
        assert fetch(reply.headers["location"]).body == pushed.content, ref


@pytest.mark.row("I.2.7")
def test_two_parts_are_a_collection_and_a_container_never_an_entity(
    pushed: Pushed, administrator: Person
) -> None:
    assert exchange("GET", "/v1/images/mara/tools:latest").status == 404
    assert exchange("GET", "/v1/images/tools/gcc:latest").status == 404
    sites = push(administrator, "library/tools/gcc", seed=5)
    assert exchange("GET", "/v1/images/tools/gcc:latest").data["id"] == sites.id


@pytest.mark.row("I.2.7", "I.2.8")
def test_a_hash_or_an_id_of_the_file_means_it_whatever_the_arch(pushed: Pushed) -> None:
    sif_id = Image.objects.get().sif_id
    for arch in ("", "?arch=", "?arch=amd64", "?arch=arm64", "?arch=nonsense"):
        for ref in (f"{pushed.hash}{arch}", f"sif.{sif_id}{arch}"):
            assert exchange("GET", f"/v1/images/{PATH}:{ref}").data["id"] == pushed.id, ref
            reply = exchange("GET", f"/v1/imagefile/{PATH}:{ref}")
            assert fetch(reply.headers["location"]).body == pushed.content, ref


@pytest.mark.row("I.2.7")
def test_a_hash_in_the_wrong_container_or_of_another_form_means_nothing(pushed: Pushed) -> None:
    pushed.client.container("mara/tools/other")
    for ref in (
        f"mara/tools/other:{pushed.hash}",
        f"mara/tools/other:sif.{Image.objects.get().sif_id}",
        f"{PATH}:sha256.{'0' * 64}",
        f"{PATH}:{pushed.hash.upper()}",
        f"{PATH}:{pushed.hash[:-1]}",
        f"{PATH}:sif.00000000-0000-0000-0000-000000000000",
        f"{PATH}:sif.{str(Image.objects.get().sif_id).upper()}",
    ):
        assert exchange("GET", f"/v1/images/{ref}").status == 404, ref
        assert exchange("GET", f"/v1/imagefile/{ref}").status == 404, ref


@pytest.fixture
def arches(mara: Person, store: ObjectStore, settings: Any) -> dict[str, Pushed]:
    """One tag for three architectures; amd64's was pushed first and moved first."""
    settings.VERIFY_WAIT_SECONDS = 0
    return {arch: push(mara, arch=arch) for arch in ("amd64", "arm64", "386")}


SPELLINGS = {
    "amd64": ["", "?arch=", "?arch=amd64", "?arch=AMD64", "?arch=x86_64", "?arch%3Damd64"],
    "arm64": ["?arch=arm64", "?arch=ARM64", "?arch=aarch64", "?arch%3Darm64", "?arch%3Daarch64"],
    "386": ["?arch=386", "?arch=i686", "?arch%3D386", "?arch%3D386="],
}


@pytest.mark.row("I.2.8", "CB.1.13")
def test_an_arch_counts_in_every_spelling_that_clients_have(arches: dict[str, Pushed]) -> None:
    for arch, queries in SPELLINGS.items():
        for query in queries:
            target = f"{PATH}:latest{query}"
            assert exchange("GET", f"/v1/images/{target}").data["id"] == arches[arch].id, query
            reply = exchange("GET", f"/v1/imagefile/{target}")
            assert fetch(reply.headers["location"]).body == arches[arch].content, query


@pytest.mark.row("I.2.8")
def test_an_arch_that_the_tag_lacks_is_a_404(arches: dict[str, Pushed]) -> None:
    for query in ("?arch=s390x", "?arch=nonsense", "?arch%3Ds390x"):
        assert exchange("GET", f"/v1/images/{PATH}:latest{query}").status == 404
        assert exchange("GET", f"/v1/imagefile/{PATH}:latest{query}").status == 404


@pytest.mark.row("I.2.8")
def test_without_an_arch_a_tag_means_amd64_else_what_moved_last(
    mara: Person, arches: dict[str, Pushed]
) -> None:
    for query in ("", "?arch="):
        assert exchange("GET", f"/v1/images/{PATH}:latest{query}").data["arch"] == "amd64"
    other = "mara/tools/other"
    for arch, seed in (("arm64", 1), ("riscv64", 2), ("386", 3)):
        push(mara, other, arch=arch, seed=seed)
        assert exchange("GET", f"/v1/images/{other}:latest").data["arch"] == arch
    again = push(mara, other, arch="arm64", seed=4)
    assert exchange("GET", f"/v1/images/{other}:latest").data["id"] == again.id


@pytest.mark.row("I.2.8", "CB.1.13", "I.1.14")
@pytest.mark.parametrize("query", SPELLINGS["arm64"])
def test_a_delete_takes_the_image_of_its_arch_and_no_other(
    arches: dict[str, Pushed], query: str
) -> None:
    token = bearer(arches["arm64"].owner.token_text)
    assert exchange("DELETE", f"/v1/images/{PATH}:latest{query}", headers=token).status == 200
    left = {"amd64": arches["amd64"].id, "386": arches["386"].id}
    tags = exchange("GET", f"/v2/tags/{arches['386'].container_id}").data
    assert {arch: each["latest"] for arch, each in tags.items()} == left
    for arch in ("amd64", "386"):
        assert exchange("GET", f"/v1/images/{PATH}:latest?arch={arch}").data["id"] == left[arch]
    for ref in ("latest?arch=arm64", arches["arm64"].hash):
        assert exchange("GET", f"/v1/images/{PATH}:{ref}").status == 404


@pytest.mark.row("I.2.8", "I.1.14")
@pytest.mark.parametrize("query", ["", "?arch="])
def test_a_delete_without_an_arch_never_guesses(arches: dict[str, Pushed], query: str) -> None:
    token = bearer(arches["arm64"].owner.token_text)
    reply = exchange("DELETE", f"/v1/images/{PATH}:latest{query}", headers=token)
    assert reply.status == 409
    for arch in arches:
        assert arch in reply.json["error"]["message"]
        assert exchange("GET", f"/v1/images/{PATH}:latest?arch={arch}").status == 200
    for arch in ("amd64", "386"):
        target = f"/v1/images/{PATH}:latest?arch={arch}"
        assert exchange("DELETE", target, headers=token).status == 200
    reply = exchange("DELETE", f"/v1/images/{PATH}:latest{query}", headers=token)
    assert reply.status == 200
    assert not Tag.objects.exists()


# ── 9: image files ──


@pytest.mark.row("I.2.9")
def test_an_image_file_is_a_303_to_an_address_that_opens_itself(pushed: Pushed) -> None:
    reply = exchange("GET", f"/v1/imagefile/{PATH}:latest?arch=amd64")
    assert reply.status == 303
    address = reply.headers["location"]
    assert urlsplit(address).scheme in {"http", "https"}
    assert urlsplit(address).netloc
    whole = fetch(address)
    assert (whole.status, whole.body) == (200, pushed.content)
    assert "content-encoding" not in whole.headers


@pytest.mark.row("I.2.9")
def test_an_image_file_that_is_streamed_is_never_compressed_or_cut(pushed: Pushed) -> None:
    for scheme in ("BEARER", "Bearer"):
        headers = bearer(pushed.owner.token_text, scheme) | {"Accept-Encoding": "gzip"}
        reply = exchange("GET", f"/v1/imagefile/{PATH}:latest", headers=headers)
        assert (reply.status, reply.content) == (200, pushed.content)
        assert reply.headers["content-length"] == str(len(pushed.content))
        assert reply.headers["content-type"] == "application/octet-stream"
        assert "content-encoding" not in reply.headers


@pytest.mark.row("I.2.9")
def test_a_head_of_an_image_file_has_its_size_and_is_no_download(pushed: Pushed) -> None:
    for headers in ({}, bearer(pushed.owner.token_text, "BEARER")):
        reply = exchange("HEAD", f"/v1/imagefile/{PATH}:latest?arch=amd64", headers=headers)
        assert (reply.status, reply.content) == (200, b"")
        assert reply.headers["content-length"] == str(len(pushed.content))
    sweep()
    assert Image.objects.get().download_count == 0


# ── 10: uploads ── (what the addresses answer: test_status_codes.py)


@pytest.mark.row("I.2.10")
def test_an_upload_address_is_for_the_network_that_the_client_is_in(
    pushed: Pushed, settings: Any
) -> None:
    settings.MINIO_EXTERNAL_SERVERS = {"registry.lab": "store.lab:9000"}
    image = pushed.client.announce(PATH, NEW)["id"]
    token = bearer(pushed.owner.token_text)
    for host, store in (
        ("registry.lab", "store.lab:9000"),
        ("registry.test", settings.MINIO_EXTERNAL_SERVER),
        ("elsewhere.test", settings.MINIO_EXTERNAL_SERVER),
    ):
        body = {"filesize": len(NEW)}
        reply = send_json("POST", f"/v2/imagefile/{image}", body, {**token, "Host": host})
        assert urlsplit(reply.data["uploadURL"]).netloc == store


# ── 12: tokens and the service document ──


@pytest.mark.row("I.2.12", "CB.1.1")
def test_a_token_is_long_enough_for_a_file_and_is_one_word(mara: Person) -> None:
    _, text = tokens.issue(user=mara.user, name="from a file")
    assert 200 <= len(text) <= 4096
    assert text.isascii()
    assert text.split() == [text]


@pytest.mark.row("I.2.12")
def test_every_value_of_the_service_document_is_an_object_with_an_address(settings: Any) -> None:
    settings.PUBLIC_URL = "https://registry.example.org"
    document = read(exchange("GET", "/assets/config/config.prod.json").content)
    assert {"libraryAPI", "tokenAPI", "keystoreAPI"} <= set(document)
    for service in document.values():
        assert isinstance(service, dict)
        assert not service["uri"].endswith("/")
        parts = urlsplit(service["uri"])
        assert (parts.scheme, parts.netloc, parts.path) == ("https", "registry.example.org", "")


# ── 13: what may be tagged, and what is left ──


@pytest.mark.row("I.2.13")
def test_a_tag_never_means_bytes_that_are_not_proven(pushed: Pushed) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)
    for path, body in (
        ("/v2/tags", {"Arch": "amd64", "Tag": "latest", "ImageID": image["id"]}),
        ("/v1/tags", {"Tag": "latest", "ImageID": image["id"]}),
        ("/v1/tags", {"latest": image["id"]}),
    ):
        answer = client.post(f"{path}/{pushed.container_id}", body)
        assert (answer.status, "has no bytes yet" in answer.message) == (409, True)
    assert exchange("GET", f"/v1/images/{PATH}:latest").data["id"] == pushed.id


@pytest.mark.row("I.2.13")
def test_an_upload_that_nobody_ends_expires_and_leaves_nothing(
    pushed: Pushed, store: ObjectStore, settings: Any
) -> None:
    client = pushed.client
    image = client.announce(PATH, NEW)
    upload = client.begin_parts(image["id"], len(NEW))["uploadID"]
    assert send(client.part_address(image["id"], upload, 1, NEW), NEW).status == 200
    Upload.objects.filter(public_id=upload).update(
        active_at=timezone.now() - timedelta(hours=settings.UPLOAD_IDLE_HOURS + 1)
    )
    sweep()
    assert Upload.objects.get(public_id=upload).state == Upload.State.EXPIRED
    assert client.complete_parts(image["id"], upload, ['"x"']).status == 409
    assert open_parts(store) == []
    assert len(stored_keys(store)) == 1


# ── 14: names ──


@pytest.mark.row("I.2.14", "A.13.11")
def test_a_name_in_any_case_is_one_name_at_every_address(pushed: Pushed) -> None:
    client = pushed.client
    for target in (
        "/v1/entities/MARA",
        "/v1/collections/Mara/TOOLS",
        "/v1/containers/mara/Tools/GCC",
        "/v1/images/Mara/Tools/Gcc:latest?arch=amd64",
    ):
        lower = target.split(":")[0].lower() + target[len(target.split(":")[0]) :]
        assert client.get(target).data == client.get(lower).data
    entity = client.get("/v1/entities/mara").data["id"]
    made = client.post("/v1/collections", {"name": "ToolS", "entity": entity}).data
    assert made["name"] == "tools"
    assert Collection.objects.filter(entity__name="mara").count() == 1


@pytest.mark.row("I.2.14")
def test_a_tag_counts_in_its_own_case_only(pushed: Pushed) -> None:
    assert exchange("GET", f"/v1/images/{PATH}:LATEST").status == 404
    assert exchange("GET", f"/v1/imagefile/{PATH}:Latest").status == 404


ILLEGAL = ["-a", "a-", "a--b", "a..b", "a b", "a/b", "ä", "a:b", "", "a%", "x" * 129]

# What a server may make a legal name of, without meaning to: by taking white space off, or by
# folding a letter that is none of ASCII (the sign for kelvin).
NEARLY = [" a", "a ", "a\n", "\u212a"]


def accepted(pushed: Pushed, names: list[str]) -> list[tuple[str, str]]:
    """Where these are taken as names of collections and containers, and as tags."""
    client = pushed.client
    entity = client.get("/v1/entities/mara").data["id"]
    collection = client.get("/v1/collections/mara/tools").data["id"]
    found = []
    for name in names:
        for path, body in (
            ("/v1/collections", {"name": name, "entity": entity}),
            ("/v1/containers", {"name": name, "collection": collection}),
            (
                f"/v2/tags/{pushed.container_id}",
                {"Tag": name, "ImageID": pushed.id, "Arch": "amd64"},
            ),
            (f"/v1/tags/{pushed.container_id}", {"Tag": name, "ImageID": pushed.id}),
        ):
            answer = client.post(path, body)
            if answer.status == 200:
                found.append((path[:7], name))
            else:
                assert (answer.status, bool(answer.message)) == (400, True), (path, name)
    return found


@pytest.mark.row("I.2.14", "H.18")
def test_an_illegal_name_is_refused_by_the_server_with_the_rule(pushed: Pushed) -> None:
    assert accepted(pushed, ILLEGAL) == []


@pytest.mark.row("I.2.14", "H.18")
def test_no_name_is_made_legal_on_its_way(pushed: Pushed) -> None:
    assert accepted(pushed, NEARLY) == []


@pytest.mark.row("I.2.14")
@pytest.mark.parametrize("name", ["imagefile", "tags", "ImageFile", "TAGS"])
def test_a_name_that_the_addresses_need_is_no_entitys(administrator: Person, name: str) -> None:
    answer = wire(administrator).post("/v1/entities", {"name": name})
    assert answer.status in {400, 403}
    assert answer.message
