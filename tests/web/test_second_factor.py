"""The second factor: codes, keys and recovery codes, and a site that demands one."""

import re
import time
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal import auth
from django.db.models import F
from django.test import Client

from shub.accounts.models import User
from shub.audit.models import Event
from shub.cache.models import Entry
from tests.authenticators import SecurityKey, code, options_in
from tests.factories import PASSWORD, Person
from tests.wire import wire

pytestmark = pytest.mark.django_db

APP = "/account/second-factor/app"
KEYS = "/account/second-factor/keys"
ASKED = "/account/second-factor/sign-in"


def who(client: Client) -> str:
    """The sign-in name of whoever is signed in, or nothing."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def begin(name: str = "mara") -> Client:
    """A browser in which the password was right."""
    client = Client()
    client.post("/account/sign-in", {"username": name, "password": PASSWORD})
    return client


@pytest.fixture
def browser(mara: Person) -> Client:
    """Mara's, where she has just said again who she is."""
    client = begin()
    client.post("/account/confirm", {"password": PASSWORD})
    return client


def set_up_app(browser: Client) -> str:
    """The secret of the new app."""
    page = browser.get(APP).content.decode()
    found = re.search(r'<code class="hash">(\w+)</code>', page)
    assert found
    answer = browser.post(APP, {"code": code(found[1])})
    assert answer.status_code == 302, answer.content
    return found[1]


def set_up_key(browser: Client) -> SecurityKey:
    """A new security key."""
    key = SecurityKey("https://testserver")
    options = options_in(browser.get(f"{KEYS}/new").content.decode())
    form = {"name": "blue", "credential": key.make(options), "passwordless": "on"}
    answer = browser.post(f"{KEYS}/new", form)
    assert answer.status_code == 302, answer.content
    return key


def test_a_code_of_the_app_is_asked_for_and_a_wrong_one_opens_nothing(
    browser: Client, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        secret = set_up_app(browser)
    client = begin()
    assert not who(client)
    assert client.get("/auth/tokens")["Location"].startswith("/account/sign-in")
    client.post(ASKED, {"code": "000000"})
    assert not who(client)
    client.post(ASKED, {"code": code(secret, later=1)})
    assert who(client) == "mara"
    actions = set(Event.objects.filter(actor="mara").values_list("action", flat=True))
    assert {"factor.added", "factor.refused", "user.signed_in"} <= actions


def test_a_code_is_taken_once(browser: Client) -> None:
    secret = set_up_app(browser)
    used = code(secret, later=1)
    begin().post(ASKED, {"code": used})
    client = begin()
    client.post(ASKED, {"code": used})
    assert not who(client)


def test_a_code_is_taken_once_for_as_long_as_it_is_right(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = set_up_app(browser)
    used = code(secret, later=1)
    begin().post(ASKED, {"code": used})
    # Half a minute later, as the cache and the codes see it.
    Entry.objects.update(expires_at=F("expires_at") - timedelta(seconds=31))
    later = time.time() + 31
    monkeypatch.setattr(auth.time, "time", lambda: later)
    client = begin()
    client.post(ASKED, {"code": used})
    assert not who(client)
    client.post(ASKED, {"code": code(secret, later=1)})
    assert who(client) == "mara"


def test_a_recovery_code_opens_the_account_once(browser: Client) -> None:
    set_up_app(browser)
    page = browser.get("/account/second-factor/codes").content.decode()
    spare = re.findall(r"^(?:.*<code>)?(\d{8})$", page, re.MULTILINE)[0]
    client = begin()
    client.post(ASKED, {"code": spare})
    assert who(client) == "mara"
    client = begin()
    client.post(ASKED, {"code": spare})
    assert not who(client)


def test_a_security_key_is_a_second_factor(browser: Client) -> None:
    key, stranger = set_up_key(browser), SecurityKey("https://testserver")
    client = begin()
    assert not who(client)
    options = options_in(client.get(ASKED).content.decode())
    stranger.id, stranger.user = key.id, key.user
    client.post(ASKED, {"credential": stranger.sign(options)})
    assert not who(client)
    options = options_in(client.get(ASKED).content.decode())
    client.post(ASKED, {"credential": key.sign(options)})
    assert who(client) == "mara"


def test_a_passkey_signs_in_alone_and_not_for_the_disabled(browser: Client) -> None:
    key = set_up_key(browser)
    address = f"{KEYS}/sign-in"

    def by_passkey() -> Client:
        client = Client()
        options = client.get(address, headers={"accept": "application/json"}).json()
        client.post(address, {"credential": key.sign(options)})
        return client

    assert who(by_passkey()) == "mara"
    User.objects.update(is_active=False)
    assert not who(by_passkey())


def test_whoever_is_disabled_between_the_two_steps_gets_no_session(browser: Client) -> None:
    secret = set_up_app(browser)
    client = begin()
    User.objects.update(is_active=False)
    client.post(ASKED, {"code": code(secret, later=1)})
    User.objects.update(is_active=True)
    assert not who(client)


def test_a_key_that_another_site_asked_is_refused(browser: Client) -> None:
    key = set_up_key(browser)
    key.origin = "https://registry.test.evil.example"
    client = begin()
    options = options_in(client.get(ASKED).content.decode())
    client.post(ASKED, {"credential": key.sign(options)})
    assert not who(client)


def test_a_factor_is_added_and_taken_away_only_after_saying_again_who_one_is(
    mara: Person,
) -> None:
    client = begin()
    for address in (APP, f"{KEYS}/new"):
        assert client.get(address)["Location"].startswith("/account/confirm")


@pytest.mark.parametrize(
    ("required", "held"),
    [("none", set()), ("administrators", {"root"}), ("everybody", {"root", "mara"})],
)
def test_a_site_may_demand_a_second_factor(
    settings: Any, mara: Person, administrator: Person, required: str, held: set[str]
) -> None:
    settings.MFA_REQUIRED = required
    names = ("mara", "root")
    assert {name for name in names if begin(name).get("/auth/tokens").status_code == 302} == held


def test_whoever_must_have_a_factor_does_nothing_before(browser: Client, settings: Any) -> None:
    settings.MFA_REQUIRED = "everybody"
    for address in ("/", "/auth/tokens", "/account", "/account/e-mail"):
        assert browser.get(address)["Location"] == "/account/second-factor"
    assert browser.post("/auth/tokens", {"name": "x"})["Location"] == "/account/second-factor"
    assert browser.get("/account/second-factor").status_code == 200
    set_up_app(browser)
    assert browser.get("/auth/tokens").status_code == 200


def test_recovery_codes_are_no_factor_of_their_own(
    browser: Client, mara: Person, settings: Any
) -> None:
    RecoveryCodes.activate(mara.user)
    settings.MFA_REQUIRED = "everybody"
    assert browser.get("/auth/tokens")["Location"] == "/account/second-factor"


def test_clients_are_not_held_to_the_second_factor_of_the_pages(
    mara: Person, settings: Any
) -> None:
    settings.MFA_REQUIRED = "everybody"
    assert wire(mara).get("/v1/token-status").status == 200


def test_the_pages_of_it_run_no_script_of_their_own_text(browser: Client) -> None:
    set_up_app(browser)
    for page in (
        begin().get("/account/sign-in"),
        begin().get(ASKED),
        browser.get(f"{KEYS}/new"),
        browser.get("/account/second-factor"),
    ):
        scripts = re.findall(r"<script([^>]*)>", page.content.decode())
        assert all("src=" in each or "application/json" in each for each in scripts)
        assert not re.search(r"\son\w+=|style=|src=\"(data|http)", page.content.decode())
        assert "script-src 'self'" in page["Content-Security-Policy"]
