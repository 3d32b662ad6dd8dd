"""Signing in by a directory, a real slapd: who comes, who stays out, who is not mixed up."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.core.management import CommandError, call_command
from django.test import Client

from shub.accounts import teams, tokens
from shub.accounts.models import User
from shub.audit.models import Event
from tests.directories import PEOPLE
from tests.factories import PASSWORD, Person, make_auditor, make_person

pytestmark = pytest.mark.django_db


def sign_in(name: str, password: str) -> Client:
    """A browser in which somebody has tried."""
    client = Client()
    client.post("/account/sign-in", {"username": name, "password": password})
    return client


def who(client: Client) -> str:
    """The sign-in name of whoever is signed in, or nothing."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def test_the_first_sign_in_makes_an_account_and_the_next_opens_it(directory: Any) -> None:
    directory.add_person("nora", "open sesame")
    assert who(sign_in("nora", "open sesame")) == "nora"
    assert who(sign_in("NORA ", "open sesame")) == "nora"
    user = User.objects.get()
    assert (user.username, user.entity.name, user.email) == ("nora", "nora", "nora@example.org")
    assert not user.has_usable_password()
    assert SocialAccount.objects.get().provider == "ldap"
    assert Event.objects.filter(action="user.signed_in", actor="nora").count() == 2


@pytest.mark.parametrize("password", ["wrong", "", " "])
def test_a_wrong_or_empty_password_opens_nothing(directory: Any, password: str) -> None:
    directory.add_person("nora", "open sesame")
    assert not who(sign_in("nora", password))
    assert not who(sign_in("nobody", "open sesame"))
    assert not who(sign_in("*", "open sesame"))
    assert not who(sign_in("no*", "open sesame"))
    assert not User.objects.exists()


def test_an_account_of_the_same_name_stays_with_whom_it_belongs_to(
    directory: Any, mara: Person, caplog: pytest.LogCaptureFixture
) -> None:
    directory.add_person("mara", "open sesame")
    caplog.set_level(logging.WARNING)
    assert not who(sign_in("mara", "open sesame"))
    assert "is taken" in caplog.text
    assert who(sign_in("mara", PASSWORD)) == "mara"
    assert not SocialAccount.objects.exists()


def test_a_site_may_give_the_directory_the_accounts_of_its_names_but_none_that_sees_all(
    directory: Any, mara: Person, administrator: Person, settings: Any
) -> None:
    settings.LDAP_LINK_BY_NAME = True
    directory.add_person("mara", "open sesame")
    directory.add_person("root", "open sesame")
    directory.add_person(make_auditor("watch").user.username, "open sesame")
    assert who(sign_in("mara", "open sesame")) == "mara"
    assert not who(sign_in("mara", PASSWORD)), "the directory alone says now whether she may come"
    assert not who(sign_in("root", "open sesame"))
    assert not who(sign_in("watch", "open sesame"))


def test_an_account_goes_to_no_entry_that_is_called_nearly_so(
    directory: Any, settings: Any
) -> None:
    settings.LDAP_LINK_BY_NAME = True
    mira = make_person("mira")
    name = "m\u0131ra"  # in capitals both are MIRA
    directory.add(
        f"uid={name},{PEOPLE}",
        objectClass="inetOrgPerson",
        uid=name,
        cn=name,
        sn=name,
        userPassword="open sesame",
    )
    assert not who(sign_in(name, "open sesame"))
    mira.user.refresh_from_db()
    assert mira.user.has_usable_password()
    assert not SocialAccount.objects.exists()


def test_who_had_the_account_before_the_directory_does_not_come_back_by_a_provider(
    directory: Any, mara: Person, settings: Any
) -> None:
    settings.LDAP_LINK_BY_NAME = True
    SocialAccount.objects.create(user=mara.user, provider="github", uid="7")
    directory.add_person("mara", "open sesame")
    assert who(sign_in("mara", "open sesame")) == "mara"
    links = SocialAccount.objects.filter(user=mara.user)
    assert [link.provider for link in links] == ["ldap"]


def test_a_name_that_was_given_to_somebody_else_does_not_open_the_old_account(
    directory: Any,
) -> None:
    old = directory.add_person("nora", "open sesame")
    sign_in("nora", "open sesame")
    directory.remove(old)
    directory.add_person("nora", "another sesame")
    assert not who(sign_in("nora", "another sesame"))
    assert User.objects.count() == 1


def test_groups_say_who_may_come(directory: Any, settings: Any) -> None:
    people = {name: directory.add_person(name, "open sesame") for name in ("ann", "bob", "cem")}
    staff = directory.add_group("Staff", people["ann"], people["bob"])
    directory.add_group("banned", people["bob"], people["cem"])
    settings.REQUIRE_GROUP, settings.DENY_GROUP = {"ldap": staff.upper()}, {"ldap": "Banned"}
    assert [who(sign_in(name, "open sesame")) for name in people] == ["ann", "", ""]
    settings.REQUIRE_GROUP, settings.DENY_GROUP = {"ldap": "staff"}, {"ldap": ""}
    assert [who(sign_in(name, "open sesame")) for name in people] == ["ann", "bob", ""]


def test_whoever_is_disabled_here_stays_out_and_is_put_out(directory: Any) -> None:
    directory.add_person("nora", "open sesame")
    client = sign_in("nora", "open sesame")
    assert client.get("/auth/tokens").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/auth/tokens").status_code == 302
    assert not who(sign_in("nora", "open sesame"))


def test_nobody_new_comes_where_the_directory_may_make_no_accounts(
    directory: Any, settings: Any
) -> None:
    settings.AUTO_REGISTER_BY = []
    directory.add_person("nora", "open sesame")
    assert not who(sign_in("nora", "open sesame"))
    assert not User.objects.exists()


def test_a_directory_that_is_away_lets_nobody_in_and_fails_nobody_s_page(
    directory: Any, mara: Person, settings: Any
) -> None:
    settings.AUTH_LDAP_SERVER_URI = "ldap://127.0.0.1:1"
    page = Client().post("/account/sign-in", {"username": "nora", "password": "x"})
    assert page.status_code == 200
    assert who(sign_in("mara", PASSWORD)) == "mara"


def test_nobody_of_the_directory_gets_a_password_here(
    directory: Any, settings: Any, mailoutbox: list[Any]
) -> None:
    settings.EMAIL_HOST = "mail.test"
    directory.add_person("nora", "open sesame")
    client = sign_in("nora", "open sesame")
    assert client.get("/account/password")["Location"] == "/account"
    Client().post("/account/password/forgotten", {"email": "nora@example.org"})
    assert "No account with a password" in mailoutbox[0].body
    assert "/account/password/forgotten/" not in mailoutbox[0].body


def test_groups_give_teams_and_administrators_and_take_them_again(
    directory: Any, settings: Any, mara: Person, administrator: Person
) -> None:
    for name in ("physics", "biology"):
        teams.create(name=name, description="", by=mara.caller)
    settings.ADMIN_GROUP = {"ldap": "Wheel"}
    settings.TEAM_GROUPS = {
        "ldap": {"lab": "physics", "heads": "physics:owner", "field": "biology", "x": "missing"}
    }
    nora = directory.add_person("nora", "open sesame")
    made = [directory.add_group(name, nora) for name in ("wheel", "LAB", "x")]
    sign_in("nora", "open sesame")
    user = User.objects.get(username="nora")
    assert user.is_administrator
    assert roles(user) == {"physics": "member"}
    heads = directory.add_group("heads", nora)
    directory.add_group("field", nora)
    sign_in("nora", "open sesame")
    assert roles(user) == {"physics": "owner", "biology": "member"}
    for group in (*made, heads):
        directory.remove(group)
    sign_in("nora", "open sesame")
    user.refresh_from_db()
    assert not user.is_superuser
    assert not user.is_staff
    assert roles(user) == {"biology": "member"}
    left = Event.objects.filter(action="team.left").latest("pk")
    assert (left.actor, left.detail["group"]) == ("nora", "ldap:heads")


def test_what_a_person_gave_no_group_takes_away(
    directory: Any, settings: Any, mara: Person
) -> None:
    team = teams.create(name="physics", description="", by=mara.caller)
    settings.ADMIN_GROUP = {"ldap": "wheel"}
    settings.TEAM_GROUPS = {"ldap": {"lab": "physics"}}
    directory.add_person("nora", "open sesame")
    sign_in("nora", "open sesame")
    user = User.objects.get(username="nora")
    User.objects.filter(pk=user.pk).update(is_superuser=True, is_staff=True)
    teams.add(team=team, user=user, role="member", by=mara.caller)
    sign_in("nora", "open sesame")
    user.refresh_from_db()
    assert user.is_administrator
    assert roles(user) == {"physics": "member"}


def test_the_last_owner_of_a_team_stays_when_the_group_is_gone(
    directory: Any, settings: Any, mara: Person
) -> None:
    team = teams.create(name="physics", description="", by=mara.caller)
    settings.TEAM_GROUPS = {"ldap": {"heads": "physics:owner"}}
    heads = directory.add_group("heads", directory.add_person("nora", "open sesame"))
    sign_in("nora", "open sesame")
    teams.remove(team=team, username="mara", by=mara.caller)
    directory.remove(heads)
    assert who(sign_in("nora", "open sesame")) == "nora"
    assert roles(User.objects.get(username="nora")) == {"physics": "owner"}


def test_the_last_administrator_stays_one_whatever_the_directory_says(
    directory: Any, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ADMIN_GROUP = {"ldap": "wheel"}
    nora = directory.add_person("nora", "open sesame")
    wheel = directory.add_group("wheel", nora)
    sign_in("nora", "open sesame")
    directory.remove(wheel)
    assert who(sign_in("nora", "open sesame")) == "nora"
    assert User.objects.get().is_administrator
    directory.remove(nora)
    call_command("ldapsync")
    assert "nora: not disabled: nora is the only administrator" in capsys.readouterr().out
    assert User.objects.get().is_administrator


def test_the_tokens_of_those_who_are_gone_stop_when_the_directory_is_asked(
    directory: Any, settings: Any
) -> None:
    people = {name: directory.add_person(name, "open sesame") for name in ("ann", "bob", "cem")}
    for name in people:
        sign_in(name, "open sesame")
    texts = {
        user.username: tokens.issue(user=user, name="laptop")[1] for user in User.objects.all()
    }
    banned = directory.add_group("banned", people["cem"])
    settings.DENY_GROUP = {"ldap": "banned"}
    call_command("ldapsync", "--dry-run", force=True)
    assert all(tokens.recognise(text) for text in texts.values())
    directory.remove(people["ann"])
    with pytest.raises(CommandError, match="2 of 3"):
        call_command("ldapsync")
    call_command("ldapsync", "--force")
    assert [bool(tokens.recognise(texts[name])) for name in people] == [False, True, False]
    directory.remove(banned)
    call_command("ldapsync")
    assert [bool(tokens.recognise(texts[name])) for name in people] == [False, True, True]
    assert Event.objects.filter(action="user.disabled").count() == 2


def test_whom_an_administrator_disabled_the_directory_does_not_enable(directory: Any) -> None:
    directory.add_person("nora", "open sesame")
    sign_in("nora", "open sesame")
    User.objects.update(is_active=False)
    call_command("ldapsync")
    assert not User.objects.get().is_active


def test_a_directory_that_is_away_disables_nobody(directory: Any, settings: Any) -> None:
    directory.add_person("nora", "open sesame")
    sign_in("nora", "open sesame")
    settings.AUTH_LDAP_SERVER_URI = "ldap://127.0.0.1:1"
    with pytest.raises(CommandError, match="nothing was done"):
        call_command("ldapsync")
    assert User.objects.get().is_active


def roles(user: User) -> dict[str, str]:
    """The user's role, by team."""
    return dict(user.memberships.values_list("team__name", "role"))


@pytest.mark.parametrize("raw", [bytes(range(200, 216)), b"sixteen\0letters"])
def test_an_id_of_bytes_is_the_same_whether_or_not_they_could_be_a_text(
    directory: Any, settings: Any, raw: bytes
) -> None:
    from django_auth_ldap.config import _DeepStringCoder

    from shub.web.signin.directory import filter_value, id_of

    settings.LDAP_USER_ID = "objectGUID"
    entry = SimpleNamespace(attrs=_DeepStringCoder("utf-8").decode({"objectGUID": [raw]}))
    assert id_of(entry) == raw.hex()
    assert filter_value(id_of(entry)) == "".join(f"\\{byte:02x}" for byte in raw)
