"""The pages of members: who has which role, and who says so."""

from typing import Any

import pytest
from django.test import Client

from shub.accounts.models import Entity
from shub.containers import freezing, granting
from shub.containers.models import Collection, Grant, Role
from tests.factories import Person, make_auditor, make_collection, make_person, make_team
from tests.web.reading import forms_of, text_of

pytestmark = pytest.mark.django_db

PAGES = ("/library/mara/-/members", "/library/mara/tools/-/members")


@pytest.fixture
def tools(mara: Person) -> Collection:
    return make_collection(mara.entity, "tools", mara)


def give(place: Entity | Collection, to: Person, role: int, by: Person) -> Grant:
    return granting.grant(place=place, holder=to.user, role=role, by=by.caller)


def held(person: Person) -> list[tuple[str, int]]:
    """What is granted to the person, and where."""
    grants = Grant.objects.filter(user=person.user).order_by("id")
    return [(str(each.entity or each.collection), each.role) for each in grants]


def test_who_is_not_signed_in_signs_in_first(tools: Collection) -> None:
    for page in PAGES:
        assert Client().get(page)["Location"] == f"/account/sign-in?next={page}"


def test_an_owner_grants_changes_and_takes_away(
    mara: Person, otto: Person, tools: Collection
) -> None:
    browser = mara.browser
    for page, place in zip(PAGES, ("mara", "mara/tools"), strict=True):
        assert browser.post(page, {"holder": "Otto", "role": "10"})["Location"] == page
        assert held(otto) == [(place, Role.READER)]
        grant = Grant.objects.get()
        browser.post(f"{page}/{grant.pk}/role", {"role": "20"})
        assert held(otto) == [(place, Role.WRITER)]
        browser.post(f"{page}/{grant.pk}/take-away")
        assert held(otto) == []


def test_what_comes_from_elsewhere_is_said_and_not_to_be_changed_there(
    mara: Person, otto: Person, tools: Collection
) -> None:
    grant = give(mara.entity, otto, Role.WRITER, mara)
    page = mara.browser.get(PAGES[1])
    for words in ("granted on mara", "mara is theirs"):
        assert words in text_of(page)
    assert forms_of(page) == [""]
    mara.browser.post(f"{PAGES[1]}/{grant.pk}/take-away")
    mara.browser.post(f"{PAGES[1]}/{grant.pk}/role", {"role": "40"})
    assert held(otto) == [("mara", Role.WRITER)]
    lab = make_team("lab", mara)
    page = mara.browser.get("/library/lab/-/members")
    assert f"{lab} is the team&#x27;s: its members" in text_of(page)
    assert forms_of(page) == [""]


def test_a_team_is_granted_a_role_by_who_is_in_it(
    mara: Person, otto: Person, tools: Collection
) -> None:
    make_team("lab", mara)
    mara.browser.post(PAGES[1], {"holder": "@lab", "role": "20"})
    assert Grant.objects.get().team.name == "lab"
    assert "@lab" in text_of(mara.browser.get(PAGES[1]))
    make_team("theirs", otto)
    page = text_of(mara.browser.post(PAGES[1], {"holder": "@theirs", "role": "20"}))
    assert "There is no team &#x27;theirs&#x27;, or you are not in it" in page


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"holder": "nobody", "role": "10"}, "There is no user &#x27;nobody&#x27;"),
        ({"holder": "<script>", "role": "10"}, "There is no user &#x27;&lt;script&gt;&#x27;"),
        ({"holder": "otto", "role": "15"}, "Select a valid choice"),
        ({"holder": "otto", "role": "owner"}, "Select a valid choice"),
        ({"holder": "", "role": "10"}, "This field is required"),
        ({"holder": "ot\0to", "role": "10"}, "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_granted_is_said_beside_the_form(
    mara: Person, otto: Person, tools: Collection, form: dict[str, str], words: str
) -> None:
    assert words in text_of(mara.browser.post(PAGES[1], form))
    assert not Grant.objects.exists()


def test_a_maintainer_is_offered_no_owners_and_makes_none(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora = make_person("nora")
    give(tools, otto, Role.MAINTAINER, mara)
    owner = give(tools, nora, Role.OWNER, mara)
    browser = otto.browser
    page = browser.get(PAGES[1])
    assert 'value="30"' in text_of(page)
    assert 'value="40"' not in text_of(page)
    assert f"{PAGES[1]}/{owner.pk}/role" not in forms_of(page)
    for address, form in (
        (PAGES[1], {"holder": "otto", "role": "40"}),
        (f"{PAGES[1]}/{owner.pk}/role", {"role": "10"}),
        (f"{PAGES[1]}/{owner.pk}/take-away", {}),
    ):
        assert "Only an owner of mara/tools" in text_of(browser.post(address, form), status=403)
    assert held(otto) == [("mara/tools", Role.MAINTAINER)]
    assert held(nora) == [("mara/tools", Role.OWNER)]


def test_a_reader_sees_their_own_role_and_gives_it_up(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora = make_person("nora")
    others = give(tools, nora, Role.WRITER, mara)
    own = give(tools, otto, Role.READER, mara)
    browser = otto.browser
    page = browser.get(PAGES[1])
    assert forms_of(page) == [f"{PAGES[1]}/{own.pk}/take-away"]
    for unseen in ("nora", "Grant role"):
        assert unseen not in text_of(page)
    for holder in ("otto", "nobody"):
        answer = browser.post(PAGES[1], {"holder": holder, "role": "20"})
        assert "Only a maintainer or owner" in text_of(answer, status=403)
    assert browser.post(f"{PAGES[1]}/{others.pk}/take-away").status_code == 403
    assert browser.post(f"{PAGES[1]}/{own.pk}/take-away")["Location"] == "/"
    assert held(otto) == []
    assert held(nora) == [("mara/tools", Role.WRITER)]


def test_strangers_are_told_no_names_and_auditors_change_nothing(
    mara: Person, otto: Person, tools: Collection
) -> None:
    grant = give(tools, make_person("nora"), Role.READER, mara)
    page = otto.browser.get(PAGES[1])
    assert "Only those who have a role in mara/tools" in text_of(page, status=403)
    assert "nora" not in text_of(page, status=403)
    asked = {"holder": "nobody", "role": "10"}
    assert "nobody" not in text_of(otto.browser.post(PAGES[1], asked), status=403)
    auditor = make_auditor().browser
    assert "nora" in text_of(auditor.get(PAGES[1]))
    assert forms_of(auditor.get(PAGES[1])) == []
    for address in (f"{PAGES[1]}/{grant.pk}/take-away", f"{PAGES[1]}/{grant.pk}/role"):
        assert auditor.post(address, {"role": "40"}).status_code == 403
    assert Grant.objects.get().role == Role.READER


def test_a_hidden_place_has_no_page_of_members(
    mara: Person, otto: Person, tools: Collection
) -> None:
    tools.visibility = "private"
    tools.save()
    for page in (*PAGES, "/library/nobody/-/members", "/library/nobody/x/-/members"):
        assert otto.browser.get(page).status_code == 404
        assert otto.browser.post(page, {"holder": "otto", "role": "40"}).status_code == 404
        assert otto.browser.post(f"{page}/1/take-away").status_code == 404
    assert not Grant.objects.exists()


def test_while_the_site_is_read_only_the_page_is_shown_and_changes_nothing(
    mara: Person, otto: Person, tools: Collection
) -> None:
    freezing.set_read_only("moving house", by=None)
    page = text_of(mara.browser.post(PAGES[1], {"holder": "otto", "role": "10"}))
    assert "This registry is read-only at the moment: moving house" in page
    assert not Grant.objects.exists()


def test_a_long_list_of_members_asks_the_database_no_more_than_a_short_one(
    mara: Person, tools: Collection, django_assert_max_num_queries: Any
) -> None:
    for number in range(15):
        give(tools, make_person(f"nora{number}"), Role.READER, mara)
    browser = mara.browser
    with django_assert_max_num_queries(25):
        browser.get(PAGES[1])
