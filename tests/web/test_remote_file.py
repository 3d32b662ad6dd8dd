"""`/remote.yaml`: for anybody without a token, for oneself with a new one, as a client takes it."""

import re
from typing import Any

import pytest
import yaml
from django.test import Client

from shub.accounts import tokens
from shub.accounts.models import Token
from tests.factories import PASSWORD, Person, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _on_a_port(settings: Any) -> None:
    settings.PUBLIC_URL = "http://registry.test:8080"


@pytest.fixture
def browser(mara: Person) -> Client:
    """A browser in which Mara has signed in, with the checks that browsers are for."""
    client = Client(enforce_csrf_checks=True)
    client.post(
        "/account/sign-in",
        {"username": "mara", "password": PASSWORD, "csrfmiddlewaretoken": csrf(client)},
    )
    return client


def csrf(client: Client) -> str:
    """The token of a form of the page that anybody sees."""
    page = client.get("/account/sign-in")
    if page.status_code != 200:
        page = client.get("/auth/tokens")
    found = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', page.content)
    assert found
    return found[1].decode()


def test_anybody_gets_the_file_without_a_token_and_the_words_how_to_merge_it() -> None:
    answer = Client().get("/remote.yaml")
    text = answer.content.decode()
    assert yaml.safe_load(text) == {
        "Active": "shub",
        "Remotes": {
            "shub": {
                "URI": "//registry.test:8080",
                "System": False,
                "Exclusive": False,
                "Insecure": True,
            }
        },
    }
    for words in ("~/.apptainer/remote.yaml", "~/.singularity/remote.yaml", "remote login", "Copy"):
        assert words in text
    assert "Set-Cookie" not in answer.headers
    assert Client().head("/remote.yaml").status_code == 200


@pytest.mark.parametrize("version", ["3.6", "3.5.3", "3.8.7", "3.2"])
def test_old_clients_get_only_the_fields_that_they_know(version: str) -> None:
    text = Client().get(f"/remote.yaml?for={version}").content.decode()
    assert yaml.safe_load(text)["Remotes"]["shub"] == {
        "URI": "registry.test:8080",
        "System": False,
    }


def test_a_form_of_ones_own_mints_a_named_token_into_it_that_is_kept_nowhere(
    browser: Client, mara: Person
) -> None:
    form = {"name": "my laptop", "days": "30", "csrfmiddlewaretoken": csrf(browser)}
    answer = browser.post("/remote.yaml", form)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    text = yaml.safe_load(answer.content)["Remotes"]["shub"]["Token"]
    token = tokens.recognise(text)
    assert token
    assert (token.user, token.name) == (mara.user, "my laptop")
    assert token.expires_at
    assert "remote login" not in answer.content.decode()


def test_no_other_site_nobody_and_no_nameless_form_mints_a_token(
    browser: Client, mara: Person
) -> None:
    before = Token.objects.count()
    assert browser.post("/remote.yaml", {"name": "x"}).status_code == 403
    stranger = Client(enforce_csrf_checks=True)
    form = {"name": "x", "csrfmiddlewaretoken": csrf(stranger)}
    assert stranger.post("/remote.yaml", form)["Location"].startswith("/account/sign-in")
    form = {"name": "", "csrfmiddlewaretoken": csrf(browser)}
    assert browser.post("/remote.yaml", form)["Location"] == "/auth/tokens"
    bearer = {"authorization": f"Bearer {mara.token_text}"}
    assert Client().post("/remote.yaml", {"name": "x"}, headers=bearer).status_code == 302
    assert Token.objects.count() == before


def test_a_first_password_is_changed_before_a_token_is_minted(db: None) -> None:
    person = make_person("nora")
    person.user.must_change_password = True
    person.user.save()
    client = Client()
    client.force_login(person.user)
    assert client.post("/remote.yaml", {"name": "x"})["Location"] == "/account/password"
    assert Token.objects.filter(user=person.user).count() == 1
