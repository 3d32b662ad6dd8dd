"""The pages: what each visitor sees, and that nothing changes but by a form of ours."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from shub.accounts import tokens
from shub.accounts.models import Token
from shub.audit.models import Event
from shub.containers.models import Collection
from shub.storage import ObjectStore
from tests.factories import PASSWORD, Person
from tests.sif_files import sif_bytes
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

CONTAINER = "/library/mara/tools/gcc"


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> dict[str, Any]:
    settings.VERIFY_WAIT_SECONDS = 0
    return wire(mara).push("mara/tools/gcc", sif_bytes(), "13.2")


@pytest.fixture
def browser(mara: Person) -> Client:
    """A browser in which Mara has signed in."""
    client = Client()
    answer = client.post("/account/sign-in", {"username": "mara", "password": PASSWORD})
    assert answer.status_code == 302
    return client


def test_the_address_that_a_push_prints_shows_the_container(pushed: dict[str, Any]) -> None:
    page = Client().get(CONTAINER)
    assert page.status_code == 200
    text = page.content.decode()
    assert "apptainer pull library://mara/tools/gcc:13.2" in text
    assert pushed["hash"] in text


def test_a_private_container_and_a_missing_one_look_the_same(
    pushed: dict[str, Any], otto: Person
) -> None:
    Collection.objects.update(visibility="private")
    stranger = Client()
    stranger.force_login(otto.user)
    for visitor in (Client(), stranger):
        hidden = [visitor.get(address) for address in (CONTAINER, "/library/mara/tools")]
        missing = [visitor.get(address) for address in ("/library/x/y/z", "/library/x/y")]
        for one, other in zip(hidden, missing, strict=True):
            assert one.status_code == other.status_code == 404
            assert without_csrf(one) == without_csrf(other)
        assert b"mara/tools" not in visitor.get("/").content


def test_a_first_password_is_changed_before_anything_else(mara: Person, browser: Client) -> None:
    mara.user.must_change_password = True
    mara.user.save()
    for address in ("/", "/auth/tokens", CONTAINER):
        assert browser.get(address)["Location"] == "/account/password"
    same = {f"new_password{number}": PASSWORD for number in (1, 2)} | {"old_password": PASSWORD}
    assert "differs from the one" in browser.post("/account/password", same).content.decode()
    new = "another battery horse"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert browser.post("/account/password", form)["Location"] == "/auth/tokens"
    assert browser.get("/auth/tokens").status_code == 200
    mara.user.refresh_from_db()
    assert mara.user.check_password(new)
    assert Event.objects.filter(action="password.changed", actor="mara").exists()


def test_no_spelling_of_an_address_leads_past_the_first_password(
    mara: Person, browser: Client
) -> None:
    mara.user.must_change_password = True
    mara.user.save()
    for extra in ({"SCRIPT_NAME": "/static"}, {"SCRIPT_NAME": "/v1"}):
        assert browser.get("/auth/tokens", **extra).status_code == 302
        assert browser.post("/auth/tokens", {"name": "x"}, **extra).status_code == 302
    assert Token.objects.count() == 1


def test_a_page_for_one_who_is_signed_in_is_kept_by_nobody(browser: Client) -> None:
    for address in ("/", "/auth/tokens", "/account/password"):
        page = browser.get(address)
        assert "no-store" in page["Cache-Control"]
        assert "default-src 'none'" in page["Content-Security-Policy"]


def test_a_nul_in_an_address_is_nothing_that_exists() -> None:
    for address in ("/library/a%00/b", "/library/a/b%00/c"):
        assert Client().get(address).status_code == 404


def test_a_file_that_is_sent_to_a_form_is_not_written_anywhere() -> None:
    file = SimpleUploadedFile("x", b"x" * 3_000_000)
    answer = Client().post("/account/sign-in", {"username": "a", "password": "b", "f": file})
    assert answer.status_code == 200
    assert not answer.wsgi_request.FILES


def test_a_first_password_does_not_stop_the_clients(mara: Person) -> None:
    mara.user.must_change_password = True
    mara.user.save()
    assert wire(mara).get("/v1/token-status").status == 200


def test_the_tokens_page_needs_a_sign_in_and_shows_a_new_token_once(
    mara: Person, browser: Client
) -> None:
    assert Client().get("/auth/tokens")["Location"] == "/account/sign-in?next=/auth/tokens"
    page = browser.post("/auth/tokens", {"name": "laptop", "days": "90", "scopes": ["pull"]})
    assert "no-store" in page["Cache-Control"]
    text = page.context["text"]
    token = tokens.recognise(text)
    assert token is not None
    assert token.expires_at is not None
    assert text in page.content.decode()
    assert text not in browser.get("/auth/tokens").content.decode()


def test_a_token_is_revoked_by_its_owner_and_by_nobody_else(
    mara: Person, otto: Person, browser: Client
) -> None:
    browser.post(f"/auth/tokens/{otto.token.public_id}/revoke")
    assert tokens.recognise(otto.token_text) is not None
    browser.post(f"/auth/tokens/{mara.token.public_id}/revoke")
    assert tokens.recognise(mara.token_text) is None


def test_nothing_changes_on_a_get_or_without_our_own_form(
    mara: Person, pushed: dict[str, Any]
) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(mara.user)
    revoke = f"/auth/tokens/{mara.token.public_id}/revoke"
    visibility = "/library/mara/tools/-/visibility"
    for address in (revoke, visibility):
        assert forger.get(address).status_code == 405
        assert forger.post(address, {"visibility": "private"}).status_code == 403
    assert forger.post("/auth/tokens", {"name": "stolen"}).status_code == 403
    assert Token.objects.valid().count() == 1
    assert Collection.objects.get(name="tools").visibility == "public"


def test_the_owner_makes_a_collection_private_and_it_is_written_down(
    pushed: dict[str, Any], browser: Client, otto: Person
) -> None:
    address = "/library/mara/tools/-/visibility"
    stranger = Client()
    stranger.force_login(otto.user)
    stranger.post(address, {"visibility": "private"})
    assert Collection.objects.get(name="tools").visibility == "public"
    browser.post(address, {"visibility": "nonsense"})
    assert Collection.objects.get(name="tools").visibility == "public"
    browser.post(address, {"visibility": "private"})
    assert Collection.objects.get(name="tools").visibility == "private"
    assert Event.objects.get(action="collection.visibility").actor == "mara"


def test_a_refusal_that_came_late_is_shown_to_those_who_may_push_only(
    mara: Person, store: ObjectStore, browser: Client, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    script = b"#!/bin/sh\n" * 100
    client = wire(mara)
    image = client.announce("mara/tools/gcc", script)
    assert send(client.begin_single(image["id"], script), script).status == 200
    client.complete_single(image["id"])
    sweep()
    assert "no SIF image" in browser.get(CONTAINER).content.decode()
    assert "no SIF image" not in Client().get(CONTAINER).content.decode()
    refused = Event.objects.get(action="upload.refused")
    assert (refused.actor, refused.name) == ("mara", "mara/tools/gcc")


def test_what_was_not_understood_of_an_image_is_named(mara: Person, store: ObjectStore) -> None:
    pushed = wire(mara).push("mara/tools/gcc", sif_bytes(header={"arch": "99"}), "latest")
    page = Client().get(f"{CONTAINER}/-/images/{pushed['hash']}").content.decode()
    assert "architecture 99" in page


def test_the_pages_load_nothing_from_elsewhere(pushed: dict[str, Any], browser: Client) -> None:
    for address in ("/", "/auth/tokens", "/account/password", CONTAINER, "/library/mara/tools"):
        text = browser.get(address).content.decode()
        # The page's own address, by the name that users know: nothing is loaded by it.
        text = re.sub(r'<link rel="canonical" href="http://[^"]*">', "", text)
        assert not re.search(r'(src|href|action)="(https?:)?//', text)


def without_csrf(page: HttpResponse) -> str:
    """The page without the token that differs each time."""
    return re.sub(r'name="csrfmiddlewaretoken"\s+value="\w+"', "", page.content.decode())


def test_a_label_above_its_field_ends_without_a_sign() -> None:
    for address in ("/account/sign-in", "/setup"):
        text = Client().get(address).content.decode()
        labels = re.findall(r"<label[^>]*>(.*?)</label>", text, re.DOTALL)
        assert labels, address
        assert not [label for label in labels if label.strip().endswith(":")], address
