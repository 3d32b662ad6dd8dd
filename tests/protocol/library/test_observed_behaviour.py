"""What real clients of ten releases were seen to do beyond all that is written of them."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from shub.containers.models import Collection, Download
from shub.storage import ObjectStore
from tests.factories import Person
from tests.protocol.library.exchange import bearer, exchange
from tests.protocol.library.scene import PATH, Pushed, push
from tests.sif_files import sif_bytes
from tests.wire import fetch, send, sweep, wire

pytestmark = pytest.mark.django_db

DOCUMENT = "/assets/config/config.prod.json"


@pytest.mark.row("CB.1.1")
def test_a_keystore_is_published_though_none_is_kept() -> None:
    document = exchange("GET", DOCUMENT).json
    assert urlsplit(document["keystoreAPI"]["uri"]).netloc
    reply = exchange("GET", "/pks/lookup?op=get&options=mr&search=0x1234&exact=on")
    assert reply.status == 404


@pytest.mark.row("CB.1.2")
def test_an_image_that_was_pushed_without_a_tag_is_found_by_its_hash_only(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    """Releases up to CE 3.11 and Apptainer 1.2 look at the tags after a push, and set none."""
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes()
    client = wire(mara)
    image = client.push(PATH, content)
    assert client.get(f"/v2/tags/{image['container']}").data == {}
    assert exchange("GET", f"/v1/images/{PATH}:latest?arch=amd64").status == 404
    assert exchange("GET", f"/v1/imagefile/{PATH}:latest?arch=amd64").status == 404
    found = exchange("GET", f"/v1/images/{PATH}:{image['hash']}?arch=amd64").data
    assert (found["id"], found["tags"]) == (image["id"], [])
    page = exchange("GET", f"/library/{PATH}")
    assert image["hash"].encode() in page.content


@pytest.mark.row("CB.1.3")
def test_the_service_document_is_the_same_for_all_who_ask_by_any_name(settings: Any) -> None:
    """Clients of 2021 keep it for 30 days, so what stands in it must not come from a request."""
    settings.PUBLIC_URL = "https://registry.example.org"
    first = exchange("GET", DOCUMENT)
    for headers in (
        {"Host": "127.0.0.1:8080"},
        {"Host": "other.example"},
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"},
        {"Authorization": "Bearer unknown"},
        {"Cookie": "sessionid=x"},
    ):
        reply = exchange("GET", DOCUMENT, headers=headers)
        assert (reply.status, reply.content) == (200, first.content)


@pytest.mark.row("CB.1.8")
def test_one_with_a_token_is_not_sent_to_another_port_of_the_same_name_where_it_goes_along(
    pushed: Pushed, settings: Any
) -> None:
    """Go keeps the header when only the port differs, where a client follows as Go does."""
    settings.PUBLIC_URL = "http://registry.test:8080"
    token = pushed.owner.token_text
    settings.MINIO_EXTERNAL_SERVER = "registry.test:9000"
    for headers in (bearer(token), bearer(token, "BEARER")):
        reply = exchange("GET", f"/v1/imagefile/{PATH}:latest", headers=headers)
        assert (reply.status, reply.content) == (200, pushed.content)


@pytest.mark.row("CB.1.9")
def test_who_would_send_the_token_anywhere_is_sent_nowhere(pushed: Pushed, settings: Any) -> None:
    target = f"/v1/imagefile/{PATH}:latest?arch=amd64"
    headers = bearer(pushed.owner.token_text, "BEARER")
    reply = exchange("GET", target, headers=headers)
    assert (reply.status, reply.content) == (200, pushed.content)
    settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION = True
    assert exchange("GET", target, headers=headers).status == 303
    settings.STREAM_ALWAYS = True
    for each in ({}, headers, bearer(pushed.owner.token_text)):
        assert exchange("GET", target, headers=each).status == 200


@pytest.mark.row("CB.1.9")
def test_behind_nginx_the_proxy_carries_the_stream(pushed: Pushed, settings: Any) -> None:
    settings.NGINX_STORE_LOCATION = "/-/store/"
    headers = bearer(pushed.owner.token_text, "BEARER")
    reply = exchange("GET", f"/v1/imagefile/{PATH}:latest?arch=amd64", headers=headers)
    assert (reply.status, reply.content) == (200, b"")
    inner = reply.headers["x-accel-redirect"]
    assert inner.startswith("/-/store/")
    address = f"http://{settings.MINIO_SERVER}/{inner.removeprefix('/-/store/')}"
    assert fetch(address).body == pushed.content
    assert "location" not in reply.headers


@pytest.mark.row("CB.1.9")
def test_a_stream_counts_one_download_and_its_later_ranges_none(pushed: Pushed) -> None:
    headers = bearer(pushed.owner.token_text, "BEARER")
    target = f"/v1/imagefile/{PATH}:latest?arch=amd64"
    for asked in ({}, {"Range": "bytes=5000-5999"}, {"Range": "bytes=6000-"}):
        assert exchange("GET", target, headers=headers | asked).status in {200, 206}
    assert Download.objects.count() == 1


@pytest.mark.row("CB.1.10")
def test_a_shub_reference_leads_to_the_bytes_by_two_requests_without_a_token(
    administrator: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    pushed = push(administrator, "library/tools/gcc", "13.2")
    found = exchange("GET", "/api/container/tools/gcc:13.2").json
    assert {"image", "name", "tag", "version"} <= set(found)
    path = found["image"].removeprefix(settings.PUBLIC_URL)
    reply = exchange("GET", path)
    assert fetch(reply.headers["location"]).body == pushed.content
    Collection.objects.update(visibility="private")
    assert exchange("GET", "/api/container/tools/gcc:13.2").status == 404
    assert exchange("GET", path).status == 404


@pytest.mark.row("CB.1.11")
def test_a_ready_made_file_for_old_releases_has_only_the_fields_that_they_know() -> None:
    def fields(target: str) -> set[str]:
        reply = exchange("GET", target)
        assert reply.status == 200, reply
        assert not reply.headers["content-type"].startswith("text/html")
        return set(re.findall(r"\b([A-Z][A-Za-z]+):", reply.content.decode()))

    assert fields("/remote.yaml?for=3.6") <= {"Active", "Remotes", "URI", "Token", "System"}
    assert fields("/remote.yaml") >= {"Active", "Remotes", "URI"}


@pytest.mark.row("CB.1.12")
@pytest.mark.parametrize("header", ["Bearer unknown", "BEARER unknown", "Bearer", "", "Basic eA=="])
def test_login_is_told_of_a_bad_token_by_a_404(header: str) -> None:
    """It is the one status whose fixed words are right: "Invalid Credentials"."""
    reply = exchange("GET", "/v1/token-status", headers={"Authorization": header})
    assert (reply.status, reply.is_json) == (404, True)


@pytest.mark.row("CB.1.13")
def test_a_wrongly_encoded_arch_is_not_overlooked_where_the_tag_has_two(
    pushed: Pushed,
) -> None:
    client = pushed.client
    other = sif_bytes(arch="arm64")
    image = client.push(PATH, other)
    assert client.tag(image["container"], image["id"], "latest", arch="arm64").status == 200
    assert client.call("DELETE", f"/v1/images/{PATH}:latest?arch%3Darm64").status == 200
    assert client.get(f"/v2/tags/{image['container']}").data == {"amd64": {"latest": pushed.id}}
    assert client.call("DELETE", f"/v1/images/{PATH}:latest?arch%3Darm64").status == 404


@pytest.mark.row("CB.1.14")
def test_the_double_slash_of_2019_gives_a_private_image_to_its_owner_only(
    pushed: Pushed, otto: Person
) -> None:
    Collection.objects.update(visibility="private")
    target = f"/v1/imagefile//{PATH}:latest?arch=amd64"
    headers = bearer(pushed.owner.token_text, "BEARER")
    assert exchange("GET", target, headers=headers).content == pushed.content
    for stranger in ({}, bearer(otto.token_text, "BEARER")):
        assert exchange("GET", target, headers=stranger).status == 404


@pytest.mark.row("CB.1.15")
def test_a_key_is_refused_by_the_status_whose_words_are_shown(mara: Person) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for headers in (form, form | bearer(mara.token_text), form | {"Authorization": "Bearer"}):
        reply = exchange("POST", "/pks/add", headers=headers, body=b"keytext=-----BEGIN")
        assert reply.status in {400, 403}
        assert reply.json["error"]["code"] == reply.status
        assert len(reply.json["error"]["message"]) > 20


@pytest.mark.row("CB.1.16")
def test_a_search_for_keys_without_a_match_is_an_empty_index() -> None:
    for headers in ({}, {"Authorization": "Bearer"}):
        reply = exchange(
            "GET",
            "/pks/lookup?fingerprint=on&op=index&options=mr&search=nobody&x-pagesize=256",
            headers=headers,
        )
        assert (reply.status, reply.content.splitlines()[0]) == (200, b"info:1:0")
        assert not reply.headers["content-type"].startswith("text/html")


@pytest.mark.row("CB.1.2")
def test_a_push_without_a_tag_can_be_tagged_later_by_its_owner(pushed: Pushed) -> None:
    content = sif_bytes(seed=4)
    image = pushed.client.announce(PATH, content)
    assert send(pushed.client.begin_single(image["id"], content), content).status == 200
    pushed.client.complete_single(image["id"])
    sweep()
    assert pushed.client.tag(image["container"], image["id"], "later").status == 200
    assert exchange("GET", f"/v1/images/{PATH}:later").data["id"] == image["id"]
