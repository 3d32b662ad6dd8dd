"""`/search`: what matches, why, and what narrows it; the same for a script that asks."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from shub.containers import describing
from shub.containers.models import Collection, Container
from tests.factories import Person, make_collection, make_container
from tests.rows import make_image
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def site(mara: Person, otto: Person) -> dict[str, Container]:
    """A public container of two, an internal one and a private one."""
    tools = make_collection(mara.entity, "tools", mara)
    house = make_collection(mara.entity, "house", mara, visibility="internal")
    own = make_collection(otto.entity, "own", otto, visibility="private")
    found = {
        "gcc": make_container(tools, "gcc", mara),
        "gccgo": make_container(house, "gccgo", mara),
        "gcc-secret": make_container(own, "gcc-secret", otto),
    }
    describing.describe(found["gcc"], text="GNU <b>compilers</b>", by=mara.caller)
    make_image(found["gcc"], "13.2", by=mara, signed=True, size=2_000_000_000)
    make_image(found["gccgo"], "1.0", by=mara, arch="arm64")
    make_image(found["gcc-secret"], "topsecret", by=otto, arch="riscv64")
    return found


def names(page: HttpResponse) -> list[str]:
    assert page.status_code == 200
    return [hit.container.name for hit in page.context["page"]]


def test_each_finds_what_they_may_see_and_no_trace_of_more(
    site: dict[str, Container], mara: Person, otto: Person, administrator: Person
) -> None:
    for visitor, seen in (
        (Client(), ["gcc"]),
        (mara.browser, ["gcc", "gccgo"]),
        (otto.browser, ["gcc", "gcc-secret", "gccgo"]),
        (administrator.browser, ["gcc", "gcc-secret", "gccgo"]),
    ):
        page = visitor.get("/search?q=gcc")
        assert names(page) == seen
        text = text_of(page)
        assert ("gcc-secret" in text) == ("gcc-secret" in seen)
        assert ("riscv64" in text) == ("gcc-secret" in seen)
        assert ("otto" in text) == ("gcc-secret" in seen)
        assert names(visitor.get("/search?q=topsecret")) == [
            name for name in seen if name == "gcc-secret"
        ]


def test_why_it_matches_is_marked_and_what_people_wrote_is_text(
    site: dict[str, Container],
) -> None:
    page = text_of(Client().get("/search?q=compil"))
    assert "GNU &lt;b&gt;<mark>compil</mark>ers&lt;/b&gt;" in page
    assert "<mark>gcc</mark>" in text_of(Client().get("/search?q=gcc"))
    assert "<mark>13.2</mark>" in text_of(Client().get("/search?q=13.2"))
    digest = site["gcc"].images.get().digest
    for word in (digest[:9], f"sha256:{digest}", f"sha256.{digest[:8]}"):
        page = text_of(Client().get(f"/search?q={word}"))
        assert f"/library/mara/tools/gcc/-/images/sha256.{digest}" in page


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        ("arch=amd64", ["gcc"]),
        ("arch=arm64", ["gccgo"]),
        ("signed=yes", ["gcc"]),
        ("signed=no", ["gccgo"]),
        ("entity=mara", ["gcc", "gccgo"]),
        ("entity=nobody", []),
        ("size=1000000000", ["gcc"]),
        ("size=0", ["gccgo"]),
        ("days=1", ["gcc", "gccgo"]),
        ("order=name", ["gcc", "gccgo"]),
        ("order=newest", ["gccgo", "gcc"]),
    ],
)
def test_what_matches_is_narrowed_and_put_in_order(
    site: dict[str, Container], mara: Person, narrowed: str, found: list[str]
) -> None:
    page = mara.browser.get(f"/search?q=gcc&{narrowed}")
    assert names(page) == found
    if "order" not in narrowed:
        name, value = narrowed.split("=")
        assert f'name="{name}"' in text_of(page)
        (facet,) = [each for each in page.context["facets"] if each.name == name]
        assert [each.value for each in facet.choices if each.is_chosen] == [value]


def test_what_is_old_is_not_among_what_was_pushed_lately(
    site: dict[str, Container], mara: Person
) -> None:
    site["gcc"].images.update(created_at=timezone.now() - timedelta(days=40))
    assert names(mara.browser.get("/search?q=gcc&days=30")) == ["gccgo"]
    assert names(mara.browser.get("/search?q=gcc&days=365")) == ["gcc", "gccgo"]


@pytest.mark.parametrize(
    "asked",
    [
        "q=%00", "q=" + "x" * 5000, "page=0", "page=-1", "page=x", "page=" + "9" * 50, "page=99",
        "arch=%00", "arch=" + "x" * 99, "signed=maybe", "entity=%00", "entity=" + "x" * 999,
        "size=x", "size=17", "size=" + "9" * 40, "days=x", "days=-1", "order=x", "q=%ff",
        "q=a/b/c/d",
        "q=" + quote("'; DROP TABLE accounts_user; --"), "q=sha256.", "q=/", "q=//", "q=%25_\\",
    ],
)  # fmt: skip
def test_whatever_is_asked_gets_a_page(site: dict[str, Container], asked: str) -> None:
    assert Client().get(f"/search?{asked}").status_code == 200


def test_a_script_gets_the_part_that_differs_and_a_browser_that_goes_back_the_whole(
    site: dict[str, Container],
) -> None:
    part = Client().get("/search?q=gcc", headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode()
    assert "/library/mara/tools/gcc" in part.content.decode()
    assert 'hx-swap-oob="innerHTML"' in part.content.decode()
    assert "HX-Request" in part["Vary"]
    whole = Client().get(
        "/search?q=gcc", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"}
    )
    assert "<html" in whole.content.decode()


def test_who_searches_too_often_is_told_to_wait_and_a_user_by_themselves(
    site: dict[str, Container], mara: Person, otto: Person, settings: Any
) -> None:
    settings.LIMIT_PAGE_SEARCHES = settings.LIMIT_USER_SEARCHES = (2, 60)
    for visitor in (Client(), mara.browser):
        answers = [visitor.get("/search?q=gcc").status_code for _ in range(3)]
        assert answers == [200, 200, 429]
    assert otto.browser.get("/search?q=gcc").status_code == 200


def test_where_nothing_matches_it_says_what_to_do(site: dict[str, Container], mara: Person) -> None:
    page = text_of(Client().get("/search?q=zzzz"))
    assert "Nothing matches" in page
    assert "/account/sign-in" in page
    assert "Take back what narrows it" in text_of(mara.browser.get("/search?q=gcc&arch=s390x"))


def test_home_shows_what_was_pushed_last_and_nothing_hidden(
    site: dict[str, Container], otto: Person
) -> None:
    page = Client().get("/")
    assert [row.container.name for row in page.context["recent"]] == ["gcc"]
    assert "secret" not in text_of(page)
    assert "otto" not in text_of(page)
    seen = [row.container.name for row in otto.browser.get("/").context["recent"]]
    assert seen == ["gcc-secret", "gccgo", "gcc"]


def test_an_empty_site_says_what_comes_next(mara: Person) -> None:
    Collection.objects.all().delete()
    assert "Push the first image" in text_of(mara.browser.get("/"))
    assert "/account/sign-in" in text_of(Client().get("/"))
