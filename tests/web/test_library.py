"""The pages of entities, collections and containers, and where former names lead."""

import pytest
from django.test import Client

from shub.accounts.models import FormerName
from shub.containers import freezing, naming
from tests.factories import Person, make_auditor, make_collection, make_container, make_person
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db


def test_an_entitys_page_shows_the_collections_that_one_may_see(mara: Person, otto: Person) -> None:
    for name, visibility in (("open", "public"), ("house", "internal"), ("own", "private")):
        make_collection(mara.entity, name, mara, visibility=visibility)
    for browser, seen in (
        (Client(), ["open"]),
        (otto.browser, ["house", "open"]),
        (mara.browser, ["house", "open", "own"]),
        (make_auditor().browser, ["house", "open", "own"]),
    ):
        page = browser.get("/library/mara")
        assert [each.collection.name for each in page.context["page"]] == seen
        assert ("/library/mara/own" in text_of(page)) == ("own" in seen)


def test_an_entity_that_one_may_not_see_and_none_look_the_same(mara: Person, otto: Person) -> None:
    make_collection(mara.entity, "hideaway", mara, visibility="private")
    for browser in (Client(), otto.browser):
        hidden, missing = browser.get("/library/mara"), browser.get("/library/nobody")
        assert hidden.status_code == missing.status_code == 404
        assert "hideaway" not in text_of(hidden, status=404)


def test_the_pages_to_change_things_are_offered_to_who_may_look_into_them(
    mara: Person, otto: Person
) -> None:
    auditor = make_auditor()
    make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)
    for address in ("/library/mara", "/library/mara/tools", "/library/mara/tools/gcc"):
        for person, offered in ((mara, True), (auditor, True), (otto, False)):
            assert ("/-/settings" in text_of(person.browser.get(address))) == offered
        assert "/-/settings" not in text_of(Client().get(address))


def test_every_page_asked_by_a_former_name_leads_to_the_present_one(mara: Person) -> None:
    make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)
    FormerName.objects.create(name="before", entity=mara.entity)
    browser = mara.browser
    for rest in (
        "", "/-/members", "/-/robots", "/-/settings",
        "/tools", "/tools/-/members", "/tools/-/settings",
        "/tools/gcc", "/tools/gcc/-/settings",
    ):  # fmt: skip
        for asked in ("before", "Mara"):
            answer = browser.get(f"/library/{asked}{rest}?a=b")
            assert (answer.status_code, answer["Location"]) == (302, f"/library/mara{rest}?a=b")
            assert browser.get(answer["Location"]).status_code == 200


def test_every_page_of_what_was_renamed_leads_to_the_present_names(mara: Person) -> None:
    gcc = make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)
    FormerName.objects.create(name="before", entity=mara.entity)
    naming.rename_place(gcc, to="compiler", by=mara.caller)
    naming.rename_place(gcc.collection, to="builds", by=mara.caller)
    for asked, rest, present in (
        ("mara/tools", "", "mara/builds"),
        ("before/tools", "/-/settings", "mara/builds"),
        ("mara/Builds", "/-/members", "mara/builds"),
        ("mara/tools/gcc", "", "mara/builds/compiler"),
        ("mara/builds/gcc", "/-/tags", "mara/builds/compiler"),
        ("mara/tools/compiler", "/-/history", "mara/builds/compiler"),
        ("before/tools/GCC", "/-/settings", "mara/builds/compiler"),
        ("before/tools/gcc", "/-/rename", "mara/builds/compiler"),
    ):
        answer = mara.browser.get(f"/library/{asked}{rest}?a=b")
        leads = f"/library/{present}{rest}?a=b"
        assert (answer.status_code, answer["Location"]) == (302, leads)
        assert mara.browser.get(leads).status_code == 200


def test_a_former_name_of_what_one_may_not_see_tells_nothing(mara: Person, otto: Person) -> None:
    own = make_collection(mara.entity, "own", mara, visibility="private")
    naming.rename_place(own, to="hideaway", by=mara.caller)
    FormerName.objects.create(name="before", entity=mara.entity)
    for browser in (Client(), otto.browser):
        for address in ("/library/before", "/library/before/own", "/library/mara/own"):
            assert browser.get(address).status_code == 404


def test_a_form_that_was_opened_before_a_name_changed_still_works(mara: Person) -> None:
    FormerName.objects.create(name="before", entity=mara.entity)
    form = {"description": "new"}
    answer = mara.browser.post("/library/before/-/description", form)
    assert answer["Location"] == "/library/mara/-/settings"
    mara.entity.refresh_from_db()
    assert mara.entity.description == "new"


def test_words_of_people_are_shown_as_text(mara: Person) -> None:
    evil = "<script>alert(1)</script>"
    tools = make_collection(mara.entity, "tools", mara)
    gcc = make_container(tools, "gcc", mara)
    for place in (mara.entity, tools, gcc):
        place.description = evil
        place.save()
    for address in ("/library/mara", "/library/mara/tools", "/library/mara/tools/gcc"):
        for page in (Client().get(address), mara.browser.get(f"{address}/-/settings")):
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text_of(page)
            assert "<script" not in text_of(page)


def test_what_is_frozen_or_narrower_than_its_collection_is_marked(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    gcc = make_container(tools, "gcc", mara)
    freezing.set_container_frozen(gcc, frozen=True, by=mara.caller)
    narrow = make_container(tools, "hideaway", mara)
    narrow.visibility = "private"
    narrow.save()
    assert "icons.svg#frozen" in text_of(Client().get("/library/mara/tools/gcc"))
    page = text_of(Client().get("/library/mara/tools"))
    assert "icons.svg#frozen" in page
    assert "hideaway" not in page
    assert "icons.svg#private" in text_of(mara.browser.get("/library/mara/tools"))
    assert make_person("nora").browser.get("/library/mara/tools/hideaway").status_code == 404
