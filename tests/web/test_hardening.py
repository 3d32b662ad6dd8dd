"""What browsers are told, what a cookie is, what failures say, and what never stands in a log."""

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django.contrib.admin
import pytest
from django.contrib.sessions.models import Session
from django.test import Client, RequestFactory

from shub.containers import search
from shub.web import home, places
from tests.factories import PASSWORD, Person

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parents[2]
BROWSER = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}

# What stands where a secret would, and must not be found again.
SECRET = "shub_SECRETSECRETSECRET"


@pytest.fixture
def client(settings: Any) -> Client:
    """A browser, seen as a stranger is: failures come to it as answers."""
    return Client(raise_request_exception=False, headers=BROWSER, enforce_csrf_checks=True)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours on a page and behind the API."""

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(home, "render", fail)
    monkeypatch.setattr(search, "find", fail)


# ── headers ──


def answers(client: Client) -> Iterator[tuple[str, Any]]:
    """An answer of each kind that is no view's success, and some that are."""
    yield "page", client.get("/account/sign-in")
    yield "missing page", client.get("/library/no/no")
    yield "no page", client.get("/nothing")
    yield "forged", client.post("/account/sign-in", {"username": "a", "password": "b"})
    yield "API", client.get("/v1/entities/no")
    yield "fault", client.get("/")
    yield "fault of the API", client.get("/v1/search?value=gcc")


@pytest.mark.usefixtures("fault")
def test_every_answer_tells_a_browser_to_trust_nothing_else(client: Client) -> None:
    statuses = []
    for kind, answer in answers(client):
        statuses.append(answer.status_code)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy, kind
        assert "unsafe" not in policy, kind
        assert "frame-ancestors 'none'" in policy, kind
        assert "camera=()" in answer["Permissions-Policy"], kind
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin", kind
        assert answer["X-Content-Type-Options"] == "nosniff", kind
        assert answer["Referrer-Policy"] == "same-origin", kind
        assert answer["X-Frame-Options"] == "DENY", kind
    assert statuses == [200, 404, 404, 403, 404, 500, 500]


def test_a_form_leads_to_us_only() -> None:
    assert "form-action 'self';" in Client().get("/")["Content-Security-Policy"]


ADMIN = Path(django.contrib.admin.__file__).parent
INLINE = re.compile(
    # What a script only reads (JSON) is none.
    r"<script(?![^>]*(?:\bsrc=|type=\"application/json\"))[^>]*>|<style\b|\sstyle=|\son[a-z]+\s*=\s*[\"']|javascript:",
    re.IGNORECASE,
)

# A column's width, where a list has no actions: nobody misses it.
HARMLESS = ADMIN / "templates/admin/change_list.html"


def test_no_page_of_ours_or_of_djangos_admin_needs_anything_inline() -> None:
    ours, admins = (ROOT / "shub").rglob("templates/**/*.html"), ADMIN.rglob("templates/**/*.html")
    pages = [*ours, *admins]
    assert len(pages) > 50
    faulty = [page for page in pages if INLINE.search(page.read_text())]
    assert [page for page in faulty if page != HARMLESS] == []
    for sheet in (ADMIN / "static").rglob("*.css"):
        assert "data:" not in sheet.read_text(), sheet
    for script in (ADMIN / "static/admin/js").glob("*.js"):
        assert not re.search(r"\beval\(|new Function|setAttribute\('style", script.read_text())


@pytest.mark.parametrize(
    ("form", "promise"),
    [
        ({"SECURE_HSTS_SECONDS": 0}, None),
        ({"SECURE_HSTS_SECONDS": 60}, "max-age=60"),
        (
            {
                "SECURE_HSTS_SECONDS": 60,
                "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
                "SECURE_HSTS_PRELOAD": True,
            },
            "max-age=60; includeSubDomains; preload",
        ),
    ],
)
def test_tls_is_promised_for_as_long_as_the_administrator_says(
    settings: Any, form: dict[str, Any], promise: str | None
) -> None:
    for name, value in form.items():
        setattr(settings, name, value)
    answer = Client().get("/version", secure=True)
    assert answer.headers.get("Strict-Transport-Security") == promise


# ── sessions and cookies ──


def in_environment(expression: str, **environment: str) -> Any:
    """What the expression over the settings gives in this environment."""
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            f"import json; from shub import settings; print(json.dumps({expression}))",
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "x", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_under_tls_cookies_are_for_this_host_and_for_tls_only() -> None:
    names = "[settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME]"
    flags = "[settings.SESSION_COOKIE_SECURE, settings.CSRF_COOKIE_SECURE]"
    by_tls = {"PUBLIC_URL": "https://registry.example.org"}
    assert in_environment(names, **by_tls) == ["__Host-sessionid", "__Host-csrftoken"]
    assert in_environment(flags, **by_tls) == [True, True]
    assert in_environment(names) == ["sessionid", "csrftoken"]
    assert in_environment(flags) == [False, False]
    assert in_environment("settings.SESSION_COOKIE_AGE", SESSION_DAYS="2") == 2 * 24 * 3600


def test_cookies_are_not_for_scripts_nor_for_other_sites(mara: Person, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-s", "__Host-c"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    browser = Client()
    browser.post("/account/sign-in", {"username": "mara", "password": PASSWORD})
    assert set(browser.cookies) == {"__Host-s", "__Host-c"}
    for cookie in browser.cookies.values():
        assert (cookie["httponly"], cookie["secure"], cookie["samesite"]) == (True, True, "Lax")
        # What the prefix demands, or browsers drop it.
        assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert browser.cookies["__Host-s"]["max-age"] == settings.SESSION_COOKIE_AGE


def test_a_session_is_json_and_gets_another_key_at_the_sign_in(mara: Person) -> None:
    browser = Client()
    form = {"username": "mara", "password": PASSWORD}
    browser.post("/account/sign-in", form)
    first = Session.objects.get()
    assert first.get_decoded()["_auth_user_id"] == str(mara.user.pk)
    assert first.session_data.startswith(".") or ":" in first.session_data
    browser.post("/account/sign-out")
    assert not Session.objects.filter(session_key=first.session_key).exists()


# ── hosts ──


def test_only_our_own_hosts_are_answered_and_the_refusal_names_ours(
    client: Client, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["registry.test", "127.0.0.1"]
    for host in ("evil.example", "registry.test.evil.example", "registry.test@evil.example", "a b"):
        page = client.get("/account/sign-in", headers={"Host": host})
        assert page.status_code == 400, host
        assert "text/html" in page["Content-Type"]
        assert "http://registry.test" in page.content.decode()
        assert "evil" not in page.content.decode()
        assert "form-action" in page["Content-Security-Policy"]
    told = client.get("/auth/tokens", headers={"Host": "evil.example", "Accept": "*/*"})
    assert told.json()["error"]["code"] == 400
    assert client.get("/account/sign-in", headers={"Host": "registry.test:80"}).status_code == 200


# ── failures ──


@pytest.mark.usefixtures("fault")
def test_a_browser_sees_a_page_of_ours_without_details_and_a_machine_the_envelope(
    client: Client,
) -> None:
    for address, form, status in (("/", None, 500), ("/account/sign-in", {"a": "b"}, 403)):
        asked = {"data": form} if form else {}
        ask = client.post if form else client.get
        page = ask(address, **asked)
        text = page.content.decode()
        assert (page.status_code, "<h1>" in text, "pages.css" in text) == (status, True, True)
        for detail in ("RuntimeError", "a fault", "Traceback", "CSRF", "Django", "DEBUG"):
            assert detail not in text
        told = ask(address, **asked, headers={"Accept": "application/json"})
        assert (told.status_code, told.json()["error"]["code"]) == (status, status)
    told = client.get("/v1/search?value=gcc")
    assert (told.status_code, told.json()["error"]["code"]) == (500, 500)


def test_the_page_of_a_failure_asks_no_database(
    client: Client, django_assert_num_queries: Any
) -> None:
    from shub.failures import failed

    with django_assert_num_queries(0):
        page = failed(RequestFactory().get("/", headers=BROWSER))
    assert page.status_code == 500
    assert b"its log says why" in page.content.lower()


# ── secrets ──

TARGETS = ["/v1/search?value=gcc", "/v1/token-status", "/", "/library/a/b", "/nothing"]
BODIES = [f'{{"name": "{SECRET}"', f'["{SECRET}"]', f'{{"name": ["{SECRET}"]}}', SECRET]
FORMS = [
    {"username": "mara", "password": SECRET},
    {"username": "nobody", "password": SECRET},
    {"username": "a\0", "password": SECRET},
    {"username": "mara" * 100, "password": SECRET},
    {"password": SECRET},
]


@pytest.mark.usefixtures("fault")
def test_no_token_and_no_password_stands_in_a_log_or_in_an_answer(
    client: Client, mara: Person, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("another fault")

    monkeypatch.setattr(places.namespaces, "find_collection", broken)
    caplog.set_level(logging.DEBUG)
    good = {"Authorization": f"Bearer {mara.token_text}"}
    bad = {"Authorization": f"Bearer {SECRET}"}
    browser = Client(raise_request_exception=False, headers=BROWSER)
    seen = []
    for headers in (good, bad, {"Authorization": SECRET}, {"Authorization": f"Basic {SECRET}"}):
        asked = {**BROWSER, **headers}
        seen += [client.get(target, headers=asked) for target in TARGETS]
        seen += [
            client.post("/v1/entities", body, content_type="application/json", headers=headers)
            for body in BODIES
        ]
        seen.append(client.get("/v1/search?value=gcc", headers={**headers, "Host": "a b"}))
    for form in FORMS:
        seen += [each.post("/account/sign-in", form) for each in (browser, client)]
    browser.force_login(mara.user)
    form = {"old_password": SECRET, "new_password1": SECRET, "new_password2": f"{SECRET}2"}
    seen.append(browser.post("/account/password", form))
    statuses = {answer.status_code for answer in seen}
    assert {200, 400, 401, 403, 404, 500} <= statuses
    assert "a fault" in caplog.text
    assert "another fault" in caplog.text
    written = caplog.text + "".join(
        answer.content.decode() + str(answer.headers) for answer in seen
    )
    for secret in (SECRET, mara.token_text, PASSWORD, mara.token_text[5:40]):
        assert secret not in written


def test_nothing_that_signs_logs_what_it_signs(settings: Any) -> None:
    for name in ("botocore.auth", "urllib3.connectionpool", "boto3", "s3transfer"):
        assert (
            in_environment(
                f'__import__("logging.config") and __import__("logging").config.dictConfig('
                f'settings.LOGGING) or __import__("logging").getLogger("{name}").isEnabledFor(10)',
                LOG_LEVEL="DEBUG",
            )
            is False
        )


# ── system checks ──


def checked(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", *words],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "SECRET_KEY": "a-key-that-is-long-enough-for-the-check-0123456789-abcdefghijk",
            "DATABASE_URL": "postgresql://shub@127.0.0.1:1/shub",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_debug_pages_where_others_come_are_refused() -> None:
    refused = checked(DEBUG="true", PUBLIC_URL="https://registry.example.org")
    assert refused.returncode != 0
    assert "shub.E004" in refused.stderr
    assert checked(DEBUG="true", PUBLIC_URL="http://127.0.0.1:8080").returncode == 0


def test_a_deployment_is_told_what_it_left_open() -> None:
    told = checked("--deploy", PUBLIC_URL="https://registry.example.org", ALLOWED_HOSTS="*")
    for warning in ("security.W004", "shub.W003", "shub.W004"):
        assert warning in told.stderr


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TRUSTED_PROXIES": "10.0.0.0/8,nginx"}, "TRUSTED_PROXIES must be addresses"),
        ({"LIMIT_BAD_TOKENS": "many"}, "LIMIT_BAD_TOKENS must be an amount in a time"),
        ({"LIMIT_BAD_TOKENS": "0/m"}, "LIMIT_BAD_TOKENS must be an amount in a time"),
        ({"CACHE_URL": "memcached://:word@a"}, "CACHE_URL must be an address like redis://"),
    ],
)
def test_a_setting_that_cannot_be_read_stops_the_start_in_words(
    environment: dict[str, str], words: str
) -> None:
    done = checked(**environment)
    assert done.returncode != 0
    assert words in done.stderr
    assert ":word@a" not in done.stderr


def test_rates_are_read_as_they_are_written() -> None:
    rate = "[settings.LIMIT_BAD_TOKENS, settings.ACCOUNT_RATE_LIMITS]"
    limits, by_allauth = in_environment(
        rate, LIMIT_BAD_TOKENS="10/5m", LIMIT_SIGN_INS="0", LIMIT_FAILED_SIGN_INS="3/h"
    )
    assert limits == [10, 300]
    assert by_allauth == {"login": "", "login_failed": "3/3600s/ip,3/3600s/key"}
    assert in_environment("settings.LIMIT_BAD_TOKENS", LIMIT_BAD_TOKENS="0")[0] == 0
