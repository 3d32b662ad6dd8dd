"""When it does not go as it should: what a page says, the way on, and the id that is quoted."""

import logging
import re
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.test import Client, RequestFactory

from shub import request_ids
from shub.errors import Denied, TooMany, Unavailable
from shub.failures import failed
from shub.web import home
from shub.web.refusals import page
from tests.factories import PASSWORD, Person

pytestmark = pytest.mark.django_db

BROWSER = {"Accept": "text/html,*/*;q=0.8"}
ID = re.compile(r"[0-9a-f]{16}")


@pytest.fixture
def client() -> Client:
    """A browser, to which failures come as answers."""
    return Client(raise_request_exception=False, headers=BROWSER, enforce_csrf_checks=True)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the home page fail."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(home, "render", fail)


# ── the id ──


def test_every_answer_has_an_id_of_its_own_and_nobody_chooses_it(client: Client) -> None:
    told = {"X-Request-ID": "chosen-by-the-client"}
    seen = [
        client.get(address, headers=told)["X-Request-ID"]
        for address in ("/", "/", "/nothing", "/v1/entities/no", "/version")
    ]
    assert len(set(seen)) == 5
    assert all(ID.fullmatch(each) for each in seen)


@pytest.mark.parametrize(
    ("told", "is_taken"),
    [
        ("a1b2c3d4-e5f6_7890", True),
        ("0" * 64, True),
        ("0" * 65, False),
        ("short", False),
        ("with blanks in it", False),
        ("line\nbreak-and-more", False),
        ("<script>alert(1)</script>", False),
    ],
)
def test_a_proxy_of_ours_may_name_a_request_if_it_does_so_properly(
    settings: Any, told: str, is_taken: bool
) -> None:
    settings.TRUSTED_PROXIES = ["127.0.0.1"]
    found = Client().get("/version", HTTP_X_REQUEST_ID=told)["X-Request-ID"]
    assert (found == told) is is_taken
    assert found == told or ID.fullmatch(found)


def test_the_page_of_a_failure_quotes_the_id_that_the_log_has(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.addFilter(request_ids.InLogLines())
    fail_with(monkeypatch, RuntimeError("a fault"))
    answer = client.get("/")
    found = answer["X-Request-ID"]
    assert answer.status_code == 500
    assert f'<code class="request-id">{found}</code>' in answer.content.decode()
    logged = next(each for each in caplog.records if each.levelno == logging.ERROR)
    assert logged.of_request == f" [{found}]"  # type: ignore[attr-defined]


# ── what a page says ──


def test_a_page_whose_database_is_away_says_so_and_asks_it_nothing_more(
    client: Client, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    error = OperationalError("no connection")
    fail_with(monkeypatch, error)
    answer = client.get("/")
    try:
        raise error
    except OperationalError:
        with django_assert_num_queries(0):
            assert failed(RequestFactory().get("/", headers=BROWSER)).status_code == 503
    text = answer.content.decode()
    assert answer.status_code == 503
    assert "database is away" in text
    assert answer["X-Request-ID"] in text
    assert "no connection" not in text
    told = client.get("/", headers={"Accept": "application/json"})
    assert (told.status_code, told.json()["error"]["code"]) == (503, 503)


def test_a_store_that_is_away_is_no_fault_of_ours(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, Unavailable("The object store cannot be reached."))
    answer = client.get("/")
    assert answer.status_code == 503
    assert "The object store cannot be reached." in answer.content.decode()


def test_the_pages_of_failures_know_nobody() -> None:
    request = RequestFactory().get("/", headers=BROWSER)
    text = failed(request).content.decode()
    assert "csrfmiddlewaretoken" not in text
    assert "Sign out" not in text
    assert '<a class="button" href="/">' in text


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Denied("Not you."), 403),
        (TooMany("Too much of it.", retry_after=17), 429),
        (Unavailable("Not now."), 503),
    ],
)
def test_a_refusal_says_why_leads_on_and_can_be_quoted(refusal: Any, status: int) -> None:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    request.session = {}  # type: ignore[assignment]

    def refuse(_: Any) -> Any:
        raise refusal

    answer = request_ids.RequestIdMiddleware(page(refuse))(request)  # type: ignore[arg-type]
    text = answer.content.decode()
    assert answer.status_code == status
    assert refusal.message in text
    assert answer["X-Request-ID"] in text
    assert 'href="/search"' in text
    assert answer.headers.get("Retry-After") == ("17" if status == 429 else None)


def test_an_address_that_takes_only_forms_says_so_to_a_browser(client: Client) -> None:
    answer = client.get("/theme")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "<h1>" in answer.content.decode()
    assert answer["Content-Length"] == str(len(answer.content))
    assert Client().get("/theme", headers={"Accept": "*/*"}).content == b""


# ── what is not there ──


def test_what_is_missing_says_nothing_of_its_address(client: Client, mara: Person) -> None:
    pages = [client.get(address) for address in ("/nothing", "/library/a/b?c=d", "/auth/none")]
    bodies = {re.sub(r'value="\w{64}"', "", each.content.decode()) for each in pages}
    assert len(bodies) == 1
    (text,) = bodies
    assert "og:" not in text
    assert "canonical" not in text
    assert all(each["X-Request-ID"] not in text for each in pages)


def test_who_signs_in_from_a_missing_page_comes_back_to_it(mara: Person) -> None:
    client = Client()
    missing = "http://testserver/library/mara/secret?tab=x"
    assert "/account/sign-in/and-return" in client.get("/library/mara/secret").content.decode()
    answer = client.get("/account/sign-in/and-return", headers={"Referer": missing})
    assert answer["Location"] == "/account/sign-in?next=/library/mara/secret%3Ftab%3Dx"
    done = client.post(answer["Location"], {"username": "mara", "password": PASSWORD})
    assert done["Location"] == "/library/mara/secret?tab=x"


@pytest.mark.parametrize(
    "before",
    ["", "http://evil.example/x", "http://testserver//evil.example", "http://[", "junk", "//x"],
)
def test_nobody_is_led_elsewhere_after_signing_in(before: str) -> None:
    answer = Client().get("/account/sign-in/and-return", headers={"Referer": before})
    assert answer["Location"] == "/account/sign-in?next=/"
    assert (
        Client().post("/theme", {"theme": "dark"}, headers={"Referer": before})["Location"] == "/"
    )


def test_a_form_that_cannot_be_read_at_an_address_that_is_not_there_is_missing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    # Chunks, so that no length says that there is nothing in it; and no boundary.
    sent = {"CONTENT_TYPE": "multipart/form-data", "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = client.request(REQUEST_METHOD="POST", PATH_INFO="/static/x", **sent)
    assert answer.status_code == 404
