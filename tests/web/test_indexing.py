"""What is said of a page elsewhere: to search engines, and where a link to it is shown."""

from typing import Any

import pytest
from django.test import Client

from shub.web.about import about
from tests.factories import Person, make_collection

pytestmark = pytest.mark.django_db

NOINDEX = '<meta name="robots" content="noindex">'


def test_search_engines_are_kept_away_unless_they_are_welcome(settings: Any) -> None:
    assert Client().get("/robots.txt").content.decode() == "User-agent: *\nDisallow: /\n"
    assert NOINDEX in Client().get("/").content.decode()
    settings.SEARCH_ENGINES = "welcome"
    lines = Client().get("/robots.txt").content.decode().splitlines()
    assert "Disallow: /" not in lines
    for path in ("/account", "/auth", "/admin", "/admin-area", "/v1/"):
        assert f"Disallow: {path}" in lines
    assert NOINDEX not in Client().get("/").content.decode()
    assert NOINDEX in Client().get("/account/sign-in").content.decode()
    assert NOINDEX in Client().get("/nothing").content.decode()


def test_a_page_says_its_one_address_and_what_it_is(settings: Any, mara: Person) -> None:
    settings.PUBLIC_URL = "https://registry.example.org"
    make_collection(mara.entity, "tools", mara)
    text = Client().get("/library/mara/tools?x=1").content.decode()
    address = "https://registry.example.org/library/mara/tools"
    assert f'<link rel="canonical" href="{address}">' in text
    assert f'<meta property="og:url" content="{address}">' in text
    assert '<meta name="description"' in text


def test_an_address_that_is_a_secret_is_passed_on_by_no_page() -> None:
    for path in ("/account/sign-in", "/account/password/forgotten"):
        text = Client().get(path).content.decode()
        assert "canonical" not in text
        assert "og:" not in text


def test_where_to_tell_of_a_hole_is_said_where_it_is_set(settings: Any) -> None:
    address = "/.well-known/security.txt"
    assert Client().get(address).status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@example.org"
    text = Client().get(address).content.decode()
    assert "Contact: mailto:security@example.org\n" in text
    assert "\nExpires: 20" in text


def test_what_the_administrator_says_is_typeset_and_harmless(settings: Any) -> None:
    assert about() == ""
    settings.REGISTRY_ABOUT = "# The lab\n\n<script>x</script> and *more*"
    assert "<em>more</em>" in about()
    assert "<script" not in about()
