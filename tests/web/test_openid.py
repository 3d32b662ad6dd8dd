"""Signing in by an OpenID provider, a real one: who comes, who stays out, who is not mixed up."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from shub.accounts import teams
from shub.accounts.models import User
from shub.audit.models import Event
from tests.authenticators import options_in
from tests.factories import PASSWORD, Person
from tests.providers import agree, come_back, know, leave_for, sign_in
from tests.web.test_second_factor import ASKED, KEYS, set_up_key

pytestmark = pytest.mark.django_db


def who(client: Client) -> str:
    """The sign-in name of whoever is signed in, or nothing."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def test_the_first_sign_in_makes_an_account_and_the_next_opens_it(openid: str) -> None:
    know(openid, "sub-1", preferred_username="Nora", email="nora@example.org", name="Nora N")
    first = Client()
    assert sign_in(first, "sub-1")["Location"] == "/auth/tokens"
    user = User.objects.get(username="Nora")
    assert user.entity.name == "nora"
    assert not user.has_usable_password()
    second = Client()
    sign_in(second, "sub-1")
    assert who(first) == who(second) == "Nora"
    assert User.objects.count() == 1
    assert Event.objects.filter(action="user.signed_in", actor="Nora").count() == 2
    assert Event.objects.filter(action="user.signed_in").first().detail["ways"] == ["oidc"]


def test_nobody_new_comes_where_registration_is_closed(openid: str, settings: Any) -> None:
    settings.AUTO_REGISTER_BY = []
    know(openid, "sub-2", preferred_username="nora")
    client = Client()
    assert b"cannot register here" in sign_in(client, "sub-2").content
    assert not who(client)
    assert not User.objects.exists()


def test_by_domain_only_an_address_that_the_provider_verified_lets_in(
    openid: str, settings: Any
) -> None:
    settings.AUTO_REGISTER_BY = []
    settings.REGISTRATION, settings.REGISTRATION_DOMAINS = "domain", ["uni.example"]
    cases = {
        "claimed": {"email": "claimed@uni.example", "email_verified": False},
        "elsewhere": {"email": "x@sub.uni.example", "email_verified": True},
        "verified": {"email": "verified@UNI.example", "email_verified": True},
    }
    for sub, said in cases.items():
        know(openid, sub, preferred_username=sub, **said)
        client = Client()
        sign_in(client, sub)
        assert who(client) == ("verified" if sub == "verified" else "")


def test_a_taken_name_is_asked_for_and_gives_nobody_the_account_that_has_it(
    openid: str, mara: Person
) -> None:
    know(openid, "sub-3", preferred_username="mara", email=mara.user.email)
    client = Client()
    assert sign_in(client, "sub-3")["Location"] == "/account/with/register"
    assert not who(client)
    taken = client.post("/account/with/register", {"username": "MARA"})
    assert "already exists" in taken.content.decode()
    taken = client.post("/account/with/register", {"username": "m2", "entity_name": "mara"})
    assert "is taken" in taken.content.decode()
    illegal = client.post("/account/with/register", {"username": "m@ra"})
    assert "No entity can be named after" in illegal.content.decode()
    assert not who(client)
    client.post("/account/with/register", {"username": "mara2"})
    assert who(client) == "mara2"
    assert not SocialAccount.objects.filter(user=mara.user).exists()


def test_lesson_07_the_same_address_at_a_provider_gives_no_session_of_the_account(
    openid: str, mara: Person
) -> None:
    EmailAddress.objects.create(user=mara.user, email="mara@example.org", verified=True)
    know(openid, "thief", preferred_username="thief", email="mara@example.org", email_verified=True)
    client = Client()
    sign_in(client, "thief")
    assert who(client) == "thief"
    assert not SocialAccount.objects.filter(user=mara.user).exists()


def test_only_a_verified_address_of_a_provider_that_is_named_leads_to_an_account(
    openid: str, mara: Person, otto: Person, settings: Any
) -> None:
    settings.LINK_BY_EMAIL = ["oidc"]
    EmailAddress.objects.create(user=mara.user, email="mara@example.org", verified=True)
    EmailAddress.objects.create(user=otto.user, email="otto@example.org", verified=False)
    know(openid, "a", preferred_username="a", email="mara@example.org", email_verified=False)
    know(openid, "b", preferred_username="b", email="otto@example.org", email_verified=True)
    know(openid, "c", preferred_username="c", email="mara@example.org", email_verified=True)
    found = {}
    for sub in "abc":
        client = Client()
        sign_in(client, sub)
        found[sub] = who(client)
    assert found == {"a": "a", "b": "b", "c": "mara"}


def test_an_answer_to_another_browser_s_attempt_signs_nobody_in(openid: str) -> None:
    know(openid, "sub-4", preferred_username="nora")
    hers, his = Client(), Client()
    answer = agree(leave_for(hers, "oidc"), "sub-4")
    leave_for(his, "oidc")
    assert b"You are not signed in" in come_back(his, answer).content
    changed = answer.replace("state=", "state=x")
    assert b"You are not signed in" in come_back(hers, changed).content
    assert not who(hers)
    assert not who(his)
    assert not User.objects.exists()


def test_a_code_of_another_attempt_is_refused_by_its_nonce(openid: str) -> None:
    know(openid, "sub-5", preferred_username="nora")
    stolen = agree(leave_for(Client(), "oidc"), "sub-5")
    code = stolen.partition("code=")[2].partition("&")[0]
    client = Client()
    own = agree(leave_for(client, "oidc"), "sub-5")
    own_code = own.partition("code=")[2].partition("&")[0]
    refused = come_back(client, own.replace(own_code, code))
    assert refused["Location"] == "/account/sign-in"
    assert b"another attempt" in client.get("/account/sign-in").content
    assert not who(client)
    assert not User.objects.exists()


def test_a_disabled_account_is_not_opened_and_an_open_one_is_closed_at_once(openid: str) -> None:
    know(openid, "sub-6", preferred_username="nora")
    client = Client()
    sign_in(client, "sub-6")
    User.objects.update(is_active=False)
    assert client.get("/auth/tokens")["Location"].startswith("/account/sign-in")
    again = Client()
    assert sign_in(again, "sub-6")["Location"] == "/account/disabled"
    assert not who(again)


def test_a_password_that_must_be_changed_is_changed_first_however_one_signs_in(
    openid: str, mara: Person
) -> None:
    SocialAccount.objects.create(user=mara.user, provider="oidc", uid="sub-7")
    User.objects.update(must_change_password=True)
    know(openid, "sub-7")
    client = Client()
    sign_in(client, "sub-7")
    for address in ("/account", "/account/with", "/account/second-factor", "/account/e-mail"):
        assert client.get(address)["Location"] == "/account/password"


def test_groups_say_who_may_come(openid: str, settings: Any) -> None:
    settings.REQUIRE_GROUP = {"oidc": "Staff"}
    settings.DENY_GROUP = {"oidc": "banned"}
    know(openid, "in", preferred_username="in", groups=["staff"])
    know(openid, "out", preferred_username="out", groups=["guests"])
    know(openid, "banned", preferred_username="banned", groups=["staff", "Banned"])
    know(openid, "none", preferred_username="none")
    found = {}
    for sub in ("in", "out", "banned", "none"):
        client = Client()
        sign_in(client, sub)
        found[sub] = who(client)
    assert found == {"in": "in", "out": "", "banned": "", "none": ""}


def test_a_passkey_alone_opens_no_account_that_the_provider_decides_on(
    openid: str, settings: Any
) -> None:
    know(openid, "sub-13", preferred_username="nora")
    client = Client()
    sign_in(client, "sub-13")
    key = set_up_key(client)
    settings.DENY_GROUP = {"oidc": "gone"}
    know(openid, "sub-13", preferred_username="nora", groups=["gone"])
    address = f"{KEYS}/sign-in"
    client = Client()
    options = client.get(address, headers={"accept": "application/json"}).json()
    answer = client.post(address, {"credential": key.sign(options)}, follow=True)
    assert "opened elsewhere" in answer.content.decode()
    assert not who(client)
    know(openid, "sub-13", preferred_username="nora", groups=[])
    sign_in(client, "sub-13")
    assert not who(client), "it is the second factor then"
    options = options_in(client.get(ASKED).content.decode())
    client.post(ASKED, {"credential": key.sign(options)})
    assert who(client) == "nora"


def test_the_way_to_the_provider_is_taken_by_a_form_only(openid: str) -> None:
    page = Client().get("/account/with/oidc").content
    assert b"Continue" in page
    assert b"refresh" not in page
    forger = Client(enforce_csrf_checks=True)
    assert forger.post("/account/with/oidc").status_code == 403


def test_one_connects_a_provider_when_signed_in_and_after_saying_so_again(
    openid: str, mara: Person
) -> None:
    know(openid, "sub-8", preferred_username="whoever")
    client = Client()
    client.post("/account/sign-in", {"username": "mara", "password": PASSWORD})
    back = agree(leave_for(client, "oidc", process="connect"), "sub-8")
    assert come_back(client, back)["Location"] == "/account/confirm"
    client.post("/account/confirm", {"password": PASSWORD})
    assert SocialAccount.objects.get(user=mara.user).uid == "sub-8"
    assert Event.objects.filter(action="provider.connected", actor="mara").exists()
    other = Client()
    sign_in(other, "sub-8")
    assert who(other) == "mara"


def test_groups_give_teams_and_administrators_and_take_them_again(
    openid: str, settings: Any, mara: Person, administrator: Person
) -> None:
    teams.create(name="physics", description="", by=mara.caller)
    settings.ADMIN_GROUP = {"oidc": "/Registry/Admins"}
    settings.TEAM_GROUPS = {"oidc": {"lab": "physics"}}
    know(openid, "sub-9", preferred_username="nora", groups=["lab", "/registry/admins"])
    sign_in(Client(), "sub-9")
    user = User.objects.get(username="nora")
    assert user.is_administrator
    assert user.memberships.get().from_group == "oidc:lab"
    know(openid, "sub-9", preferred_username="nora", groups="other")
    sign_in(Client(), "sub-9")
    user.refresh_from_db()
    assert not user.is_superuser
    assert not user.memberships.exists()
