"""What went wrong in the servers before this one, as far as it is about access: each must not
happen here. The numbers are those of the project's list of lessons."""

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import dumps
from django.test import Client

from shub.accounts import tokens
from shub.accounts.models import Entity, Token, User
from shub.containers.models import Collection, Container, Grant, Image, Role, Tag
from shub.settings import ALLOWED_HOSTS
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import PASSWORD, Person
from tests.isolation.urls import routes
from tests.isolation.world import fingerprint
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import Wire, digest, send, sweep_after, wire

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[1]
PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=7)
HASH = f"sha256.{digest(CONTENT)}"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def pushed(mara: Person) -> dict[str, Any]:
    """An image of Mara's that everybody sees."""
    return wire(mara).push(PATH, CONTENT, "latest")


@pytest.fixture
def hidden(pushed: dict[str, Any]) -> dict[str, Any]:
    """The same, in a collection that is private, with words that tell."""
    Collection.objects.update(visibility="private", description="secret words of the collection")
    Container.objects.update(description="secret words of the container")
    Image.objects.update(description="secret words of the image")
    return pushed


def browser(person: Person | None = None, **options: Any) -> Client:
    """A browser, in which this person is signed in."""
    client = Client(**options)
    if person is not None:
        client.force_login(person.user)
    return client


# ── 1: any valid token could end, sign for and complete anybody's upload, and move any tag ──
def test_lesson_01_a_token_of_another_ends_signs_and_completes_no_upload(
    mara: Person, otto: Person
) -> None:
    owner, stranger = wire(mara), wire(otto)
    image = owner.announce(PATH, CONTENT)["id"]
    upload = owner.begin_parts(image, len(CONTENT))["uploadID"]
    etag = send(owner.part_address(image, upload, 1, CONTENT), CONTENT).etag
    for other in (stranger, wire()):
        status = 403 if other.token else 401
        assert other.sign_part(image, upload, 1, CONTENT).status == status
        assert other.complete_parts(image, upload, [etag]).status == status
        abort = other.put(f"/v2/imagefile/{image}/_multipart_abort", {"uploadID": upload})
        assert abort.status == status
        assert other.complete_single(image).status == status
    assert Upload.objects.get().state == "open"
    assert sweep_after(lambda: owner.complete_parts(image, upload, [etag])).status == 200


def test_lesson_01_one_who_pushes_there_too_ends_only_their_own_uploads(
    mara: Person, otto: Person
) -> None:
    image = wire(mara).announce(PATH, CONTENT)["id"]
    upload = wire(mara).begin_parts(image, len(CONTENT))["uploadID"]
    Grant.objects.create(entity=mara.entity, user=otto.user, role=Role.WRITER)
    assert wire(otto).sign_part(image, upload, 1, CONTENT).status == 409
    abort = wire(otto).put(f"/v2/imagefile/{image}/_multipart_abort", {"uploadID": upload})
    assert abort.status == 409
    assert Upload.objects.get().state == "open"


def test_lesson_01_a_token_of_another_moves_no_tag(pushed: dict[str, Any], otto: Person) -> None:
    own = wire(otto).push("otto/tools/gcc", sif_bytes(seed=8), "latest")
    for image in (pushed["id"], own["id"]):
        assert wire(otto).tag(pushed["container"], image, "latest").status == 403
        body = {"Tag": "latest", "ImageID": image}
        assert wire(otto).post(f"/v1/tags/{pushed['container']}", body).status == 403
    assert wire().get(f"/v1/images/{PATH}:latest").data["id"] == pushed["id"]
    assert Tag.objects.count() == 2


# ── 2: a tag's look-up was not bound to its collection ──
def test_lesson_02_a_tag_is_of_its_container_and_no_other(mara: Person) -> None:
    first = wire(mara).push("mara/a/app", sif_bytes(seed=1), "latest")
    second = wire(mara).push("mara/b/app", sif_bytes(seed=2), "latest")
    assert wire().get("/v1/images/mara/a/app:latest").data["id"] == first["id"]
    assert wire(mara).tag(first["container"], second["id"], "latest").status == 400
    assert wire(mara).call("DELETE", "/v1/images/mara/b/app:latest?arch=amd64").status == 200
    assert wire().get("/v1/images/mara/a/app:latest").data["id"] == first["id"]
    assert wire().get("/v1/images/mara/b/app:latest").status == 404


# ── 3: private names leaked by searches, lists, maps of tags ──
def test_lesson_03_no_list_search_or_map_tells_of_what_is_private(
    hidden: dict[str, Any], otto: Person
) -> None:
    container = hidden["container"]
    addresses = [
        "/v1/search?value=secret",
        "/v1/search?value=gcc",
        "/v1/search?value=mara/tools/gcc",
        f"/v1/tags/{container}",
        f"/v2/tags/{container}",
        f"/v1/images/{PATH}:{HASH}",
        "/v1/entities/mara",
        "/v1/collections/mara/tools",
        "/api/container/tools/gcc",
    ]
    for client in (wire(), wire(otto)):
        for address in addresses:
            said = str(client.get(address).body)
            assert "secret" not in said, address
            assert hidden["id"] not in said, address
    for visitor in (browser(), browser(otto)):
        for address in ("/", "/library/mara", "/library/mara/tools", f"/library/{PATH}"):
            page = visitor.get(address).content.decode()
            assert "secret" not in page, address
            assert ">gcc<" not in page, address
            assert "mara/tools<" not in page, address


# ── 4: whoever named a hash had the image ──
def test_lesson_04_naming_the_hash_of_what_one_may_not_read_gives_nothing(
    hidden: dict[str, Any], otto: Person
) -> None:
    image = wire(otto).announce("otto/tools/copy", CONTENT)
    assert (image["uploaded"], image["size"], image["blob"]) == (False, 0, "")
    assert wire(otto).get(f"/v1/imagefile/otto/tools/copy:{HASH}").status == 404
    assert wire(otto).tag(image["container"], image["id"], "latest").status == 409
    assert wire(otto).complete_single(image["id"]).status == 400


def test_lesson_04_a_token_that_may_not_pull_gets_no_bytes_by_their_hash(
    hidden: dict[str, Any], mara: Person
) -> None:
    _, text = tokens.issue(user=mara.user, name="to push", scopes=("push",))
    image = Wire(text).announce("mara/other/copy", CONTENT)
    assert image["uploaded"] is False


# ── 5: a reader could delete by a second door ──
def test_lesson_05_a_reader_deletes_by_no_door(pushed: dict[str, Any], otto: Person) -> None:
    collection = Collection.objects.get(name="tools")
    for role in (Role.READER, Role.WRITER):
        Grant.objects.update_or_create(
            collection=collection, user=otto.user, defaults={"role": role}
        )
        for ref in (f"{PATH}:latest?arch=amd64", f"{PATH}:{HASH}", f"{PATH}:latest"):
            for prefix in ("/v1/images/", "/v1//images///"):
                assert wire(otto).call("DELETE", f"{prefix}{ref}").status in {403, 404}
        for address in ("/api/container/tools/gcc:latest", f"/v2/{PATH}/manifests/latest"):
            assert wire(otto).call("DELETE", address).status in {404, 405}
        assert Image.objects.filter(public_id=pushed["id"]).exists()
        assert Tag.objects.count() == 1


# ── 6: a GET changed things ──
def test_lesson_06_nothing_is_changed_by_looking_at_an_address(
    pushed: dict[str, Any], mara: Person
) -> None:
    visitor = browser(mara)
    values = {
        "entity": "mara",
        "collection": "tools",
        "container": "gcc",
        "ref": f"{PATH}:latest",
        "container_id": pushed["container"],
        "image_id": pushed["id"],
        "public_id": mara.token.public_id,
        "name": "gcc:latest",
    }
    Token.objects.update(last_used_at="2100-01-01T00:00:00Z")
    for route in routes():
        address = "/" + re.sub(r"<(\w+)>", lambda found: values.get(found[1], "1"), route.pattern)
        if "imagefile" in address:
            continue  # a pull is counted
        before = fingerprint()
        visitor.get(address)
        visitor.head(address)
        wire(mara).http.get(address, headers={"authorization": f"Bearer {mara.token_text}"})
        assert fingerprint() == before, address


def test_lesson_06_no_form_is_taken_that_is_not_ours(pushed: dict[str, Any], mara: Person) -> None:
    visitor = browser(mara, enforce_csrf_checks=True)
    forms = [route for route in routes() if route.name]
    assert len(forms) > 5
    values = {"entity": "mara", "collection": "tools", "container": "gcc"}
    values["organization_slug"] = "saml"
    for route in forms:
        if route.name == "saml_acs":
            continue  # the provider's own form brings people back; what it says is signed
        address = "/" + re.sub(r"<(\w+)>", lambda found: values.get(found[1], "1"), route.pattern)
        for method in ("post", "put", "patch", "delete"):
            answer = getattr(visitor, method)(address)
            assert answer.status_code in {403, 404, 405}, (method, address, answer.status_code)
    assert Collection.objects.get(name="tools").visibility == "public"
    assert Token.objects.filter(revoked_at__isnull=True).count() == 1


# ── 8: one clear-text token for ever, and a slow hash of it at each request ──
def test_lesson_08_of_a_token_only_a_plain_hash_is_kept_and_it_is_shown_once(mara: Person) -> None:
    token, text = tokens.issue(user=mara.user, name="kept")
    kept = str(Token.objects.filter(pk=token.pk).values().get())
    assert text not in kept
    assert text[10:60] not in kept
    assert token.digest == hashlib.sha256(text.encode()).hexdigest()
    assert len(text) >= 200
    assert text not in browser(mara).get("/auth/tokens").content.decode()


def test_lesson_08_tokens_are_many_named_expiring_and_revoked_one_by_one(mara: Person) -> None:
    first, text = tokens.issue(user=mara.user, name="first")
    _, other = tokens.issue(user=mara.user, name="second")
    tokens.revoke(public_id=first.public_id, user=mara.user, by=mara.caller)
    assert Wire(text).get("/v1/rbac/users/current").status == 401
    assert Wire(other).get("/v1/rbac/users/current").status == 200
    Token.objects.update(created_at="2026-01-01T00:00Z", expires_at="2026-01-02T00:00Z")
    assert Wire(other).get("/v1/rbac/users/current").status == 401


# ── 9: limits for those without a token caught those with one ──
def test_lesson_09_who_pushes_and_pulls_by_a_token_is_caught_by_no_limit(
    mara: Person, settings: Any
) -> None:
    settings.LIMIT_BAD_TOKENS = settings.LIMIT_ANONYMOUS_SEARCHES = (1, 3600)
    settings.LIMIT_USER_SEARCHES = settings.LIMIT_SIGN_INS = (1, 3600)
    unknown = "shub_" + "0" * 213 + "4dFc2z"
    assert [Wire(unknown).get("/v1/entities/mara").status for _ in range(2)] == [401, 429]
    assert [wire().get("/v1/search?value=gcc").status for _ in range(2)] == [200, 429]
    for number in range(3):
        image = wire(mara).push(PATH, sif_bytes(seed=number), "latest")
        for address in (f"/v1/images/{PATH}:latest", f"/v1/imagefile/{PATH}:latest?arch=amd64"):
            assert wire(mara).get(address).status in {200, 303}
        assert wire(mara).get(f"/v1/images/{PATH}:latest").data["id"] == image["id"]
    assert wire(mara).get("/v1/search?value=gcc").status == 200


# ── 10: a path in a request was believed, and the folder of images was open ──
def test_lesson_10_no_path_that_a_client_names_is_where_bytes_are(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)["id"]
    named = {
        "filesize": len(CONTENT),
        "path": "/etc/passwd",
        "file": "/etc/passwd",
        "key": "blobs/../../etc/passwd",
        "name": "../../../etc/passwd",
    }
    address = client.post(f"/v2/imagefile/{image}", named).data["uploadURL"]
    assert "passwd" not in address
    assert send(address, CONTENT).status == 200
    sweep_after(lambda: client.put(f"/v2/imagefile/{image}/_complete", named))
    keys = [key for key in stored_keys(store) if "passwd" in key]
    assert not keys
    assert all(re.match(r"blobs/[0-9a-f]{2}/[0-9a-f]{64}\.", key) for key in stored_keys(store))


@pytest.mark.parametrize(
    "address",
    [
        "/images/",
        "/media/",
        "/static/../shub/settings/django.py",
        "/static/%2e%2e/%2e%2e/settings/django.py",
        "/v1/imagefile/../../../etc/passwd",
        "/v1/imagefile/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/-/store/",
        "/blobs/",
    ],
)
def test_lesson_10_no_folder_is_open(address: str) -> None:
    assert Client().get(address).status_code in {400, 404}


# ── 11: known secrets, any host, the root in the container, pickles ──
def test_lesson_11_there_is_no_secret_key_unless_one_is_given() -> None:
    source = (ROOT / "shub/settings/django.py").read_text()
    assert 'SECRET_KEY = env.secret("SECRET_KEY")\n' in source


def test_lesson_11_a_site_with_a_known_secret_or_none_does_not_start(settings: Any) -> None:
    settings.SECRET_KEY = ""
    with pytest.raises(ImproperlyConfigured):
        browser().get("/account/sign-in").content  # noqa: B018
    with pytest.raises(ImproperlyConfigured):
        dumps("a session")


def test_lesson_11_sessions_are_no_pickles() -> None:
    assert django_settings.SESSION_SERIALIZER.endswith("JSONSerializer")


def test_lesson_11_no_other_host_is_answered(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ALLOWED_HOSTS
    assert "*" not in ALLOWED_HOSTS
    assert Client(headers={"host": "evil.example"}).get("/version").status_code == 400


def test_lesson_11_there_is_nobody_with_a_default_password(store: ObjectStore) -> None:
    assert not User.objects.exists()
    assert not Entity.objects.filter(user__isnull=False).exists()
    for name in ("admin", "root", "administrator"):
        for password in ("", "admin", "password", PASSWORD):
            client = Client()
            client.post("/account/sign-in", {"username": name, "password": password})
            assert "_auth_user_id" not in client.session
