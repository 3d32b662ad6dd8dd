"""What clients ask of the site: services, version, tokens; and how every refusal is told."""

from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from shub.accounts import tokens
from tests.factories import Person
from tests.wire import Wire, wire

pytestmark = pytest.mark.django_db


def test_the_service_document_names_every_service_by_the_public_address() -> None:
    answer = Client(headers={"host": "other.example"}).get("/assets/config/config.prod.json")
    here = {"uri": "http://registry.test"}
    assert answer.json() == {"libraryAPI": here, "keystoreAPI": here, "tokenAPI": here}


def test_the_version_switches_on_both_features_and_needs_no_token() -> None:
    answer = Wire(token="nonsense").get("/version")
    assert answer.status == 200
    assert answer.data["apiVersion"] == "2.0.0-alpha.2"


def test_a_good_token_is_good_in_any_spelling_of_the_scheme(mara: Person) -> None:
    for scheme in ("Bearer", "BEARER", "bearer"):
        assert Wire(mara.token_text, scheme).get("/v1/token-status").status == 200
        found = Wire(mara.token_text, scheme).get("/v1/rbac/users/current")
        assert found.body == {"username": "mara", "email": "", "realname": ""}


def test_a_bad_token_is_a_404_for_login_and_a_401_elsewhere(mara: Person) -> None:
    expired, expired_text = tokens.issue(
        user=mara.user, name="old", expires_at=timezone.now() + timedelta(days=1)
    )
    expired.created_at = timezone.now() - timedelta(days=3)
    expired.expires_at = timezone.now() - timedelta(days=1)
    expired.save()
    revoked, revoked_text = tokens.issue(user=mara.user, name="lost")
    tokens.revoke(public_id=revoked.public_id, user=mara.user, by=mara.caller)
    for text in ("nonsense", mara.token_text[:-1], expired_text, revoked_text):
        assert Wire(text).get("/v1/token-status").status == 404
        answer = Wire(text).get("/v1/entities/library")
        assert (answer.status, "unknown, expired or revoked" in answer.message) == (401, True)


def test_the_token_of_one_who_left_opens_nothing(mara: Person) -> None:
    mara.user.is_active = False
    mara.user.save()
    assert wire(mara).get("/v1/token-status").status == 404


def test_a_bearer_without_a_credential_is_nobody() -> None:
    for header in ("Bearer", "Bearer ", "BEARER"):
        answer = Client(headers={"authorization": header}).get("/v1/entities/library")
        assert answer.status_code == 200


def test_a_session_opens_none_of_the_machines_doors(mara: Person) -> None:
    browser = Client()
    browser.force_login(mara.user)
    assert browser.get("/v1/rbac/users/current").status_code == 401
    answer = browser.post("/v1/entities", {"name": "mara"}, content_type="application/json")
    assert answer.status_code == 401


def test_oci_is_politely_missing() -> None:
    assert wire().get("/v1/oci-redirect?namespace=a/b/c&accessTypes=pull").status == 404


def test_a_key_is_looked_for_and_not_found() -> None:
    http = Client()
    assert http.get("/pks/lookup?op=get&search=0x1234&exact=on").status_code == 404
    found = http.get("/pks/lookup?op=index&options=mr&search=mara")
    assert (found.status_code, found.content) == (200, b"info:1:0\n")
    assert found["Content-Type"].startswith("text/plain")


def test_a_key_is_refused_with_words_that_the_client_shows() -> None:
    answer = Client(enforce_csrf_checks=True).post("/pks/add", {"keytext": "…"})
    assert answer.status_code == 403
    assert "does not keep keys" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("POST", "/v2/nothing/here", 404),
        ("DELETE", "/v1/entities/library", 405),
        ("GET", "/v1/entities/no-such", 404),
        ("GET", "/v1/images/a/b/c/d/e", 404),
        ("GET", "/v1/images/UPPER/Case/Name:TAG", 404),
        ("GET", "/v1/images/a%00b", 400),
        ("GET", "/v1/images/a?arch=%00", 400),
    ],
)
def test_every_refusal_is_an_envelope_and_no_page(
    mara: Person, method: str, path: str, status: int
) -> None:
    answer = wire(mara).call(method, path)
    assert answer.status == status
    assert answer.message


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'{"name": 5}', b"{}", b"\xff", b'"x"'])
def test_a_body_that_is_no_such_object_is_refused_in_words(mara: Person, body: bytes) -> None:
    answer = Client(raise_request_exception=False).generic(
        "POST",
        "/v1/collections",
        body,
        content_type="",
        headers={"authorization": f"Bearer {mara.token_text}"},
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 400


def test_an_illegal_name_is_refused_with_the_rule(mara: Person) -> None:
    client = wire(mara)
    entity = client.get("/v1/entities/mara").data["id"]
    for name in ("a b", "-a", "a--b", "é", "a/b", "x" * 129):
        answer = client.post("/v1/collections", {"name": name, "entity": entity})
        assert (answer.status, "not a legal collection name" in answer.message) == (400, True)


def test_every_address_is_answered_with_and_without_a_slash_and_never_by_a_redirect(
    mara: Person,
) -> None:
    client = wire(mara)
    for path in ("/version", "/v1/token-status", "/v1/entities/mara", "/v1/oci-redirect"):
        assert client.get(path).status == client.get(path + "/").status
        assert client.get(path + "/").status not in {301, 302}


def test_making_something_twice_gives_the_same_thing(mara: Person) -> None:
    client = wire(mara)
    entity = client.post("/v1/entities", {"name": "mara"}).data["id"]
    bodies = [{"name": "Tools", "entity": entity}, {"name": "tools", "entity": entity}]
    first, second = (client.post("/v1/collections", body) for body in bodies)
    assert (first.status, second.status) == (200, 200)
    assert first.data["id"] == second.data["id"]


def test_the_fillers_of_clients_are_no_descriptions(mara: Person) -> None:
    client = wire(mara)
    entity = client.get("/v1/entities/mara").data["id"]
    body = {"name": "x", "entity": entity, "description": "No description"}
    assert client.post("/v1/collections", body).data["description"] == ""


def test_a_body_of_many_wrong_parts_costs_a_short_answer(mara: Person) -> None:
    path = f"/v2/imagefile/{'0' * 24}/_multipart_complete"
    for parts in ([{}] * 10_000, [{}] * 10_001, {}, "x", None, [[]], [{"partNumber": True}]):
        answer = wire(mara).put(path, {"uploadID": "x", "completedParts": parts})
        assert answer.status == 400
        assert len(answer.message) < 200


def test_nobody_is_asked_who_they_are_before_a_body_is_read() -> None:
    assert wire().put(f"/v2/imagefile/{'0' * 24}/_multipart_complete", {"x": 1}).status == 401


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 100_000])
def test_a_body_that_is_nested_too_deeply_is_refused(mara: Person, body: bytes) -> None:
    answer = Client(raise_request_exception=False).generic(
        "POST",
        "/v1/entities",
        body,
        content_type="",
        headers={"authorization": f"Bearer {mara.token_text}"},
    )
    assert answer.status_code == 400


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_a_text_that_no_database_keeps_is_refused_on_both_tag_doors(
    mara: Person, text: str
) -> None:
    container = wire(mara).container("mara/tools/gcc")
    for path, body in (
        ("v1", {"Tag": "a", "ImageID": text}),
        ("v1", {text: "x"}),
        ("v2", {"Tag": text, "ImageID": "x", "Arch": "amd64"}),
    ):
        assert wire(mara).post(f"/{path}/tags/{container}", body).status == 400


def test_many_tags_in_one_request_are_refused(mara: Person) -> None:
    container = wire(mara).container("mara/tools/gcc")
    body = {f"t{number}": "x" for number in range(101)}
    answer = wire(mara).post(f"/v1/tags/{container}", body)
    assert (answer.status, "At most 100" in answer.message) == (400, True)


def test_an_unknown_host_is_told_the_right_one_in_an_envelope(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["registry.test"]
    answer = Client(headers={"host": "10.0.0.5"}).get("/v1/entities/library")
    assert answer.status_code == 400
    assert "http://registry.test" in answer.json()["error"]["message"]


def test_a_token_is_a_password_too(mara: Person) -> None:
    for name in ("mara", "", "anybody"):
        given = b64encode(f"{name}:{mara.token_text}".encode()).decode()
        answer = Wire(token=given, scheme="Basic").get("/v1/rbac/users/current")
        assert (answer.status, answer.body["username"]) == (200, "mara")
        assert Wire(token=given, scheme="bAsIc").get("/v1/token-status").status == 200
    wrong = b64encode(b"mara:correct horse battery").decode()
    assert Wire(token=wrong, scheme="Basic").get("/v1/rbac/users/current").status == 401


def test_whoever_asks_who_they_are_is_not_told_their_secret_again(mara: Person) -> None:
    answer = wire(mara).get("/v1/rbac/users/current")
    assert set(answer.body) == {"username", "email", "realname"}
    assert mara.token_text not in str(answer)
