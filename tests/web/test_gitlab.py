"""Signing in by GitLab: a stand-in that answers what GitLab's own API documents."""

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from shub.accounts.models import User
from tests.factories import Person
from tests.providers import come_back, leave_for

pytestmark = pytest.mark.django_db


class GitLab(BaseHTTPRequestHandler):
    """Gives a token for the code whose challenge is met, and says who the token's owner is."""

    owner: dict[str, Any] = {}
    asked: list[dict[str, list[str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append(parse_qs(body))
        self.say({"access_token": "t", "token_type": "Bearer", "expires_in": 7200})

    def do_GET(self) -> None:
        self.say(self.owner)

    def say(self, what: dict[str, Any]) -> None:
        """As JSON."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(what).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def gitlab(settings: Any) -> Iterator[type[GitLab]]:
    """A GitLab of our own."""
    GitLab.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), GitLab) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        configured = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
        address = f"http://127.0.0.1:{server.server_port}"
        configured["gitlab"]["APPS"][0]["settings"]["gitlab_url"] = address
        settings.SOCIALACCOUNT_PROVIDERS = configured
        try:
            yield GitLab
        finally:
            server.shutdown()
            thread.join()


def test_an_account_comes_by_gitlab_and_the_code_is_bound_to_this_server(
    gitlab: type[GitLab], settings: Any, mara: Person
) -> None:
    gitlab.owner = {"id": 7, "username": "nora", "email": mara.user.email, "name": "Nora"}
    client = Client()
    left = parse_qs(urlsplit(leave_for(client, "gitlab")).query)
    assert left["scope"] == ["read_user"]
    assert left["code_challenge_method"] == ["S256"]
    back = f"/account/with/gitlab/back?code=c&state={left['state'][0]}"
    assert b"cannot register here" in come_back(client, back).content
    assert len(gitlab.asked[0]["code_verifier"][0]) >= 43
    settings.AUTO_REGISTER_BY = ["gitlab"]
    state = parse_qs(urlsplit(leave_for(client, "gitlab")).query)["state"][0]
    come_back(client, f"/account/with/gitlab/back?code=c&state={state}")
    assert User.objects.get(pk=client.session["_auth_user_id"]).username == "nora"


def test_a_provider_that_is_away_is_said_to_be(settings: Any, mara: Person) -> None:
    configured = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
    configured["openid_connect"]["APPS"][0]["settings"]["server_url"] = "http://127.0.0.1:1"
    settings.SOCIALACCOUNT_PROVIDERS = configured
    page = Client().post("/account/with/oidc")
    assert page.status_code == 502
    assert b"cannot be asked at this moment" in page.content
