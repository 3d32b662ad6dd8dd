"""Light or dark: a choice that a cookie keeps, and that leads nowhere but back."""

import pytest
from django.test import Client

pytestmark = pytest.mark.django_db


def choose(client: Client, theme: str, came_from: str = "") -> str:
    headers = {"Referer": came_from} if came_from else {}
    answer = client.post("/theme", {"theme": theme}, headers=headers)
    assert answer.status_code == 302
    return str(answer["Location"])


def test_the_theme_that_is_chosen_is_that_of_every_page_until_it_is_taken_back() -> None:
    client = Client()
    assert "data-theme=" not in client.get("/").content.decode()
    choose(client, "dark")
    for page in ("/", "/search", "/nothing-here"):
        assert 'data-theme="dark"' in client.get(page).content.decode()
    choose(client, "")
    assert "data-theme=" not in client.get("/").content.decode()


@pytest.mark.parametrize("theme", ["pink", '"><script>', "\0"])
def test_what_is_no_theme_is_none(theme: str) -> None:
    client = Client()
    choose(client, theme)
    assert "data-theme=" not in client.get("/").content.decode()
    client.cookies["theme"] = theme.replace("\0", "")
    assert "data-theme=" not in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("came_from", "back"),
    [
        ("http://testserver/search?q=gcc", "/search?q=gcc"),
        ("http://elsewhere.example/search", "/"),
        ("http://testserver//elsewhere.example/", "/"),
        ("http://testserver", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_one_is_led_back_to_the_page_and_to_no_other_host(came_from: str, back: str) -> None:
    assert choose(Client(), "dark", came_from) == back
