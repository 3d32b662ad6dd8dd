"""The guide to the first push: this host, one's own name, and a look whether it has come."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub.accounts import tokens
from shub.accounts.models import Token
from shub.containers.models import Collection
from shub.storage import ObjectStore
from shub.uploads import progress
from shub.uploads.models import Upload
from shub.web import client_commands
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.web.reading import forms_of, text_of
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

PART = {"HX-Request": "true"}


# ── the commands ──


def test_the_commands_are_of_this_host_and_in_ones_own_name(mara: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "https://registry.example.org"
    text = text_of(mara.browser.get("/setup"))
    assert "apptainer remote add --no-login shub https://registry.example.org" in text
    assert "apptainer push image.sif library://mara/default/hello:1.0" in text
    assert "remote.yaml" not in text


def test_who_is_not_signed_in_is_led_there_and_back(settings: Any) -> None:
    text = text_of(Client().get("/setup"))
    assert "library://YOUR-NAME/default/hello:1.0" in text
    assert 'href="/account/sign-in?next=/setup"' in text
    assert "hx-get" not in text
    assert "/remote.yaml" not in forms_of(Client().get("/setup"))


def test_a_registry_on_its_own_port_hands_out_a_file(mara: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "http://registry.example.org:8080"
    page = mara.browser.get("/setup?client=singularity-ce")
    text = text_of(page)
    assert "remote add" not in text
    assert (
        "curl --create-dirs -o ~/.singularity/remote.yaml http://registry.example.org:8080" in text
    )
    assert "/remote.yaml" in forms_of(page)
    form = {"name": "remote.yaml", "days": "90", "for": ""}
    assert b"Token: shub_" in mara.browser.post("/remote.yaml", form).content


def test_each_client_is_told_what_it_understands(mara: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "http://registry.example.org"
    browser = mara.browser
    old = text_of(browser.get("/setup?client=singularity"))
    assert "remote.yaml?for=3.8" in old
    assert "they cannot push here" in old
    oldest = text_of(browser.get("/setup?client=singularity-3.0"))
    assert "sylabs-token" in oldest
    assert "singularity push --library http://registry.example.org image.sif" in oldest
    assert "remote login" not in oldest
    settings.PUBLIC_URL = "https://registry.example.org"
    assert "they cannot push here" not in text_of(browser.get("/setup?client=singularity"))
    for odd in ("", "x", "%00", "apptainer"):
        assert "apptainer push" in text_of(browser.get(f"/setup?client={odd}"))


def test_the_file_that_is_asked_for_is_of_a_form_that_the_client_reads() -> None:
    from shub.remote_yaml import is_old

    for key, client in client_commands.CLIENTS.items():
        assert is_old(client.version) is (key in {"singularity", "singularity-3.0"})


# ── the steps ──


def test_steps_that_are_done_are_marked(
    mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    assert progress.steps(by=mara.caller) == progress.Steps(has_token=True)
    assert text_of(mara.browser.get("/setup")).count('class="done"') == 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "1")
    assert progress.steps(by=mara.caller) == progress.Steps(True, True, True)
    assert text_of(mara.browser.get("/setup")).count('class="done"') == 2
    # What others did, or by a token that has ended, counts for nobody else.
    assert not progress.steps(by=otto.caller).has_pushed
    tokens.revoke(public_id=mara.token.public_id, user=mara.user, by=mara.caller)
    assert not progress.steps(by=mara.caller).has_token
    assert not progress.steps(by=mara.client).has_pushed
    assert Token.objects.filter(last_used_at__isnull=False).exists()


# ── the look ──


def look(browser: Client, poll: str = "") -> Any:
    """The part of the page, as htmx asks for it."""
    return browser.get(poll or "/setup?since=0", headers=PART)


def test_a_push_is_seen_from_its_beginning_to_its_end(
    mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    browser, client, content = mara.browser, wire(mara), sif_bytes()
    poll = browser.get("/setup").context["poll"]
    assert look(browser, poll).status_code == 204
    image = client.announce("mara/tools/gcc", content)
    address = client.begin_single(image["id"], content)
    seen = look(browser, poll)
    assert (seen.status_code, "HX-Request" in seen["Vary"]) == (200, True)
    assert b"arriving" in seen.content
    assert b"<html" not in seen.content
    assert look(browser, seen.context["poll"]).status_code == 204
    assert send(address, content).status == 200
    client.complete_single(image["id"])
    assert b"being verified" in look(browser, seen.context["poll"]).content
    sweep()
    end = look(browser, seen.context["poll"])
    assert b'href="/library/mara/tools/gcc"' in end.content
    assert b"hx-get" not in end.content
    # Somebody else's page knows nothing of it, though it is public.
    Collection.objects.update(visibility="public")
    for other in (otto.browser, Client()):
        assert b"mara" not in look(other).content
        assert "tools/gcc" not in text_of(other.get("/setup?since=0"))


def test_a_refused_push_says_why(mara: Person, store: ObjectStore, settings: Any) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    client, script = wire(mara), b"#!/bin/sh\n" * 100
    image = client.announce("mara/tools/gcc", script)
    assert send(client.begin_single(image["id"], script), script).status == 200
    client.complete_single(image["id"])
    sweep()
    seen = look(mara.browser)
    assert b"no SIF image" in seen.content
    assert b"hx-get" not in seen.content


def test_bytes_that_are_here_already_are_seen_by_their_new_tag(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "1")
    Upload.objects.update(created_at=timezone.now() - timedelta(days=2))
    wire(mara).push("mara/tools/gcc", sif_bytes(), "2")
    assert b'href="/library/mara/tools/gcc"' in look(mara.browser).content


def test_what_came_before_the_page_was_opened_is_not_shown(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "1")
    later = int((timezone.now() + timedelta(seconds=5)).timestamp())
    assert b"Nothing has come" in look(mara.browser, f"/setup?since={later}").content


def test_who_has_a_name_anew_sees_nothing_of_who_had_it_before(
    mara: Person, store: ObjectStore
) -> None:
    before = timezone.now() - timedelta(hours=1)
    wire(mara).push("mara/secret/gcc", sif_bytes(), "1.0")
    Upload.objects.all().delete()
    assert progress.newest(since=before, by=mara.caller).place == "mara/secret/gcc"
    mara.user.date_joined = timezone.now()
    assert progress.newest(since=before, by=mara.caller).place == ""


def test_watching_ends_and_is_begun_again_by_a_button(mara: Person) -> None:
    browser = mara.browser
    poll = browser.get("/setup").context["poll"]
    asked = {name: value[0] for name, value in parse_qs(urlsplit(poll).query).items()}
    assert int(asked["until"]) - int(asked["since"]) in range(599, 602)
    over = browser.get("/setup", {**asked, "until": asked["since"]}, headers=PART)
    assert over.status_code == 200
    assert b"hx-get" not in over.content
    assert b"Check again" in over.content
    again = browser.get("/setup", {"client": "apptainer", "since": asked["since"]})
    assert again.context["since"] == asked["since"]
    assert again.context["poll"]
    for odd in ("x", "-1", "²", "9" * 40, "9999999999"):
        assert browser.get("/setup", {"since": odd, "until": odd}).status_code == 200
        assert browser.get("/setup", {"since": odd, "until": odd}, headers=PART).status_code == 200


def test_a_look_asks_as_often_however_much_somebody_has_sent(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    browser, counts = mara.browser, []
    for number in range(3):
        wire(mara).push(f"mara/tools/t{number}", sif_bytes(seed=number + 1), "1")
        with CaptureQueriesContext(connection) as asked:
            assert look(browser).status_code == 200
        counts.append(len(asked))
    # The session, the user, how many uploads there are, and what was asked for.
    assert counts == [4, 4, 4]
