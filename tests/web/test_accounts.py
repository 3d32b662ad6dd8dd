"""Accounts that are kept here: passwords, addresses, registration, and what is written down."""

import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone

from shub.accounts import invitations, passwords, teams
from shub.accounts.models import Invitation, User
from shub.audit.models import Event
from shub.operations import checks as operations
from tests.factories import PASSWORD, Person
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db

REGISTER = "/account/register"
FORGOTTEN = "/account/password/forgotten"


def form(**more: str) -> dict[str, str]:
    """What somebody types who registers."""
    return {"username": "nora", "password1": PASSWORD, "password2": PASSWORD, **more}


def who(client: Client) -> str:
    """The sign-in name of whoever is signed in, or nothing."""
    pk = client.session.get("_auth_user_id")
    return User.objects.get(pk=pk).username if pk else ""


def begin(name: str, password: str = PASSWORD, **more: str) -> Client:
    """A browser in which somebody has tried."""
    client = Client()
    client.post("/account/sign-in", {"username": name, "password": password, **more})
    return client


def link_in(mail: Any) -> str:
    """The address in the mail, which has to be ours; its path."""
    found = re.search(r"http://registry\.test(/account/\S+)", mail.body)
    assert found, mail.body
    return found[1]


# ── signing in ──


def test_a_sign_in_leads_where_one_was_going_but_to_no_other_site(mara: Person) -> None:
    client = Client()
    known = {"username": "MARA", "password": PASSWORD}
    away = client.post("/account/sign-in", {**known, "next": "https://evil.example/"})
    assert away["Location"] == "/auth/tokens"
    client.post("/account/sign-out")
    assert client.post("/account/sign-in", {**known, "next": "/account"})["Location"] == "/account"


def test_signing_in_and_out_and_failing_is_written_down_and_no_password_is(mara: Person) -> None:
    begin("mara", "not hers")
    begin("my password, in the wrong field", "x")
    client = begin("mara")
    client.post("/account/sign-out")
    events = Event.objects.exclude(action__in=["user.created", "token.issued"])
    assert list(events.order_by("pk").values_list("action", "name", "address")) == [
        ("user.sign_in_failed", "mara", "127.0.0.1"),
        ("user.sign_in_failed", "", "127.0.0.1"),
        ("user.signed_in", "mara", "127.0.0.1"),
        ("user.signed_out", "mara", "127.0.0.1"),
    ]
    assert "wrong field" not in repr(list(events.values()))


def test_nobody_is_signed_out_by_a_link(mara: Person) -> None:
    client = begin("mara")
    client.get("/account/sign-out")
    assert who(client) == "mara"


def test_the_disabled_and_the_robots_never_sign_in(mara: Person) -> None:
    User.objects.update(is_active=False)
    assert not who(begin("mara"))
    robot = User(username="mara/ci", robot_entity=mara.entity)
    robot.set_password(PASSWORD)
    robot.save()
    assert not who(begin("mara/ci"))


def test_guessing_is_slowed_down(mara: Person) -> None:
    for _ in range(10):
        begin("mara", "wrong")
    client = Client()
    page = client.post("/account/sign-in", {"username": "mara", "password": PASSWORD})
    assert "Too many failed" in page.content.decode()
    assert not who(client)


def test_guessing_is_counted_by_the_account_whatever_host_and_letters_are_written(
    mara: Person,
) -> None:
    User.objects.filter(pk=mara.user.pk).update(username="sisi")
    for number, name in enumerate(["sisi", "SISI", "ſisi", "sıſi", "ſıſı"] * 2):
        guesser = Client(REMOTE_ADDR=f"192.0.2.{number}", HTTP_HOST=f"testserver:{number + 1}")
        guesser.post("/account/sign-in", {"username": name, "password": "wrong"})
    client = Client(REMOTE_ADDR="192.0.2.99", HTTP_HOST="testserver:99")
    page = client.post("/account/sign-in", {"username": "sisi", "password": PASSWORD})
    assert "Too many failed" in page.content.decode()
    assert not who(client)


@pytest.mark.parametrize(
    ("page", "field", "rest"),
    [
        (
            "/account/password",
            "old_password",
            {"new_password1": "another battery horse", "new_password2": "another battery horse"},
        ),
        ("/account/delete", "password", {"name": "mara", "images": ""}),
    ],
)
def test_a_stolen_session_is_no_place_to_guess_the_password_either(
    mara: Person, page: str, field: str, rest: dict[str, str]
) -> None:
    client = begin("mara")
    for number in range(10):
        client.post(page, {field: f"guess {number}", **rest})
    answer = client.post(page, {field: PASSWORD, **rest})
    assert "too many tries of your password" in answer.content.decode()
    assert User.objects.get(username="mara").check_password(PASSWORD)


# ── registering ──


def test_nobody_registers_where_the_site_is_closed(settings: Any) -> None:
    assert settings.REGISTRATION == "closed"
    assert "made by the administrators" in Client().get(REGISTER).content.decode()
    Client().post(REGISTER, form())
    assert not User.objects.exists()


def test_whoever_registers_gets_an_entity_too_or_neither(settings: Any, mara: Person) -> None:
    settings.REGISTRATION = "open"
    refused = {
        "taken": form(username="MARA"),
        "entity": form(entity_name="mara"),
        "illegal": form(username="n@ra"),
        "slash": form(username="mara/ci"),
        "common": form(password1="password123", password2="password123"),
        "short": form(password1="k3-ü", password2="k3-ü"),
        "other": form(password2="another battery horse"),
    }
    for what, sent in refused.items():
        page = Client().post(REGISTER, sent)
        assert page.status_code == 200, what
        assert "errorlist" in page.content.decode(), what
    assert User.objects.count() == 1
    client = Client()
    client.post(REGISTER, form(username="N@ra", entity_name="nora-n"))
    assert who(client) == "N@ra"
    assert User.objects.get(username="N@ra").entity.name == "nora-n"


def test_by_domain_an_account_opens_when_its_address_is_verified(
    settings: Any, mailoutbox: list[Any], mara: Person
) -> None:
    settings.REGISTRATION, settings.REGISTRATION_DOMAINS = "domain", ["uni.example"]
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    for address in ("", "a@evil.example", "a@sub.uni.example", "uni.example@evil.example"):
        Client().post(REGISTER, form(email=address))
    assert not User.objects.filter(username="nora").exists()
    client = Client()
    client.post(REGISTER, form(email="nora@UNI.example"))
    assert not who(client)
    assert not who(begin("nora"))
    link = link_in(mailoutbox[0])
    client.get(link)
    assert not who(begin("nora")), "a link that a mail scanner follows verifies nothing"
    client.post(link)
    assert who(begin("nora")) == "nora"
    assert who(begin("mara")) == "mara", "who was registered without an address still comes"


def test_an_invitation_lets_one_person_register(settings: Any, administrator: Person) -> None:
    settings.REGISTRATION = "invitation"
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    assert "by invitation" in Client().get(REGISTER).content.decode()
    clients = [Client(), Client()]
    for client in clients:
        assert client.get(f"{REGISTER}/{secret}")["Location"] == REGISTER
        assert client.get(REGISTER).status_code == 200
    clients[0].post(REGISTER, form())
    assert who(clients[0]) == "nora"
    clients[1].post(REGISTER, form(username="second"))
    assert not User.objects.filter(username="second").exists()
    assert Invitation.objects.get().accepted_at
    assert Event.objects.get(action="invitation.accepted").actor == "nora"


@pytest.mark.parametrize("mode", ["invitation", "domain"])
def test_an_invitation_that_is_used_while_the_form_is_read_lets_nobody_else_in(
    settings: Any, administrator: Person, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    settings.REGISTRATION, settings.REGISTRATION_DOMAINS = mode, ["uni.example"]
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    client = Client()
    client.get(f"{REGISTER}/{secret}")

    def used_by_another(password: str) -> bool:
        # The service of stolen passwords takes its time.
        Invitation.objects.update(accepted_at=timezone.now())
        return False

    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "shub.accounts.passwords.BreachedPasswordValidator"}
    ]
    monkeypatch.setattr(passwords, "is_breached", used_by_another)
    answer = client.post(REGISTER, form(email="nora@elsewhere.example"), follow=True)
    assert "has been used meanwhile" in answer.content.decode()
    assert not User.objects.filter(username="nora").exists()


@pytest.mark.parametrize("mode", ["invitation", "closed"])
def test_what_is_no_invitation_to_register_lets_nobody_in(
    settings: Any, mara: Person, administrator: Person, mode: str
) -> None:
    settings.REGISTRATION = mode
    team = teams.create(name="physics", description="", by=mara.caller)
    _, into_team = invitations.invite_by_link(team=team, by=mara.caller)
    secrets = ["made-up", into_team]
    if mode == "closed":
        secrets.append(invitations.invite_by_link(team=None, by=administrator.caller)[1])
    for secret in secrets:
        client = Client()
        client.get(f"{REGISTER}/{secret}")
        client.post(REGISTER, form())
        assert not User.objects.filter(username="nora").exists()


# ── passwords ──


def test_a_forgotten_password_is_replaced_by_a_link_of_the_site_s_own_address(
    settings: Any, mara: Person, mailoutbox: list[Any]
) -> None:
    settings.EMAIL_HOST = "mail.test"
    User.objects.filter(pk=mara.user.pk).update(email="mara@x.example", must_change_password=True)
    Client().post(FORGOTTEN, {"email": "mara@x.example"}, headers={"host": "evil.example"})
    link = link_in(mailoutbox[0])
    client = Client()
    inner = client.get(link)["Location"]
    new = {"password1": "another battery horse", "password2": "another battery horse"}
    client.post(inner, new)
    assert who(begin("mara", "another battery horse")) == "mara"
    assert begin("mara", "another battery horse").get("/auth/tokens").status_code == 200
    assert "invalid" in Client().get(link, follow=True).content.decode(), "it is good once"
    assert Event.objects.filter(action="password.reset", actor="mara").exists()


def test_whether_an_address_is_known_is_not_said(
    settings: Any, mara: Person, mailoutbox: list[Any]
) -> None:
    settings.EMAIL_HOST = "mail.test"
    User.objects.filter(pk=mara.user.pk).update(email="mara@x.example")
    answers = [
        Client().post(FORGOTTEN, {"email": address}, follow=True)
        for address in ("mara@x.example", "nobody@x.example")
    ]
    assert text_of(answers[0]) == text_of(answers[1])
    assert [mail.to for mail in mailoutbox] == [["mara@x.example"], ["nobody@x.example"]]


def test_a_site_that_sends_no_mail_says_what_to_do(mara: Person, mailoutbox: list[Any]) -> None:
    assert "Ask an administrator" in Client().get(FORGOTTEN).content.decode()


def test_a_mail_server_that_is_away_fails_no_page(settings: Any, mara: Person) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    User.objects.filter(pk=mara.user.pk).update(email="mara@x.example")
    assert Client().post(FORGOTTEN, {"email": "mara@x.example"}).status_code == 302


@contextmanager
def breaches(*lines: str) -> Iterator[tuple[str, list[str]]]:
    """A service that knows these; its address, and what it was asked."""
    asked: list[str] = []

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\r\n".join(lines).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/range/", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_stolen_password_is_refused_and_five_digits_of_its_hash_are_told(settings: Any) -> None:
    check = passwords.BreachedPasswordValidator()
    digest = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
    with breaches(f"{digest[5:]}:12", "0" * 35 + ":0") as (address, asked):
        settings.PASSWORD_BREACH_URL = address
        settings.OUTGOING_ALLOWED_NETWORKS = ["127.0.0.0/8"]
        with pytest.raises(ValidationError, match="stolen"):
            check.validate(PASSWORD)
        assert asked == [f"/range/{digest[:5]}"]
        check.validate("another battery horse")
    check.validate(PASSWORD)


def test_nobody_is_asked_of_passwords_unless_the_site_wants_it(settings: Any) -> None:
    names = [each["NAME"] for each in settings.AUTH_PASSWORD_VALIDATORS]
    assert not any("Breached" in name for name in names)


# ── addresses ──


def test_an_address_is_added_after_saying_again_who_one_is_and_verified_by_a_form(
    mara: Person, mailoutbox: list[Any]
) -> None:
    client = begin("mara")
    add = {"email": "mara@x.example", "action_add": ""}
    assert client.post("/account/e-mail", add)["Location"].startswith("/account/confirm")
    client.post("/account/confirm", {"password": PASSWORD, "next": "/account/e-mail"})
    client.post("/account/e-mail", add)
    address = EmailAddress.objects.get()
    assert not address.verified
    link = link_in(mailoutbox[-1])
    client.get(link)
    address.refresh_from_db()
    assert not address.verified
    client.post(link)
    address.refresh_from_db()
    assert address.verified
    actions = set(Event.objects.values_list("action", flat=True))
    assert {"address.added", "address.verified"} <= actions


def test_two_accounts_may_name_the_same_address_and_neither_keeps_the_other_out(
    settings: Any, mara: Person
) -> None:
    settings.REGISTRATION = "open"
    User.objects.filter(pk=mara.user.pk).update(email="mara@x.example")
    client = Client()
    client.post(REGISTER, form(email="mara@x.example"))
    assert who(client) == "nora"
    assert not who(begin("mara@x.example")), "nobody signs in by an address"


# ── the pages ──


def test_every_page_of_signing_in_loads_nothing_from_elsewhere_and_is_kept_by_nobody(
    mara: Person,
) -> None:
    client = begin("mara")
    client.post("/account/confirm", {"password": PASSWORD})
    seen = 0
    for pattern in addresses():
        page = client.get(pattern)
        if page.status_code != 200 or not page["Content-Type"].startswith("text/html"):
            continue
        seen += 1
        text = page.content.decode()
        assert not re.search(r'(src|href|action)="(https?:)?//', text), pattern
        assert not re.search(r"<h1>.*<h1>", text, re.DOTALL), pattern
        assert '<html lang="en">' in text, pattern
        assert "no-store" in page["Cache-Control"], pattern
    assert seen >= 12


def test_no_page_of_signing_in_changes_anything_on_a_get(mara: Person) -> None:
    client = begin("mara")
    client.post("/account/confirm", {"password": PASSWORD})
    before = Event.objects.count(), repr(list(User.objects.values()))
    for pattern in addresses():
        client.get(pattern)
    assert before == (Event.objects.count(), repr(list(User.objects.values())))
    assert who(client) == "mara"


def addresses() -> list[str]:
    """Every address of signing in that has no part to fill in."""
    found = set()
    for url in get_resolver().url_patterns:
        for inner in getattr(url, "url_patterns", []):
            for leaf in getattr(inner, "url_patterns", []):
                address = f"/{inner.pattern}{leaf.pattern}"
                if "<" not in address and "(" not in address:
                    found.add(address)
    return sorted(found)


# ── the settings ──


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"LDAP_SERVER_URI": "ldap://ldap.example.org"}, "shub.W010"),
        ({"LDAP_SERVER_URI": "ldap://ldap.example.org", "LDAP_START_TLS": True}, ""),
        ({"OIDC_ISSUER": "http://sso.example.org"}, "shub.W011"),
        ({"OIDC_ISSUER": "https://sso.example.org"}, ""),
        ({"REGISTRATION": "domain"}, "shub.E010"),
        ({"REGISTRATION": "domain", "EMAIL_HOST": "mail.example.org"}, ""),
    ],
)
def test_what_would_be_said_in_the_clear_or_to_nobody_is_complained_of(
    settings: Any, given: dict[str, Any], complaint: str
) -> None:
    settings.OIDC_ISSUER = ""
    for name, value in given.items():
        setattr(settings, name, value)
    found = [
        *operations.passwords_travel_by_tls(None),
        *operations.addresses_can_be_verified(None),
    ]
    assert [each.id for each in found] == ([complaint] if complaint else [])


def test_the_page_of_an_invitation_leads_whoever_has_no_account_to_the_form(
    settings: Any, administrator: Person
) -> None:
    settings.REGISTRATION = "invitation"
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    client = Client()
    page = client.get(f"/account/invitations/{secret}").content.decode()
    assert f'href="{REGISTER}/{secret}"' in page
    client.get(f"{REGISTER}/{secret}")
    client.post(REGISTER, form())
    assert who(client) == "nora"
