"""The pages of settings: of an entity, a collection, a container, and the tags of one."""

from typing import Any

import pytest
from django.test import Client

from shub.containers import freezing, granting
from shub.containers.models import Collection, Container, Role, Tag
from shub.storage import ObjectStore
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.sif_files import sif_bytes
from tests.web.reading import forms_of, text_of
from tests.wire import wire

pytestmark = pytest.mark.django_db

ENTITY, COLLECTION, CONTAINER = "/library/mara", "/library/mara/tools", "/library/mara/tools/gcc"

CHANGES = (
    (f"{ENTITY}/-/description", {"description": "new"}),
    (f"{ENTITY}/-/default-private", {"default_private": "on"}),
    (f"{COLLECTION}/-/description", {"description": "new"}),
    (f"{COLLECTION}/-/visibility", {"visibility": "internal"}),
    (f"{CONTAINER}/-/description", {"description": "new"}),
    (f"{CONTAINER}/-/visibility", {"visibility": "private"}),
    (f"{CONTAINER}/-/frozen", {"frozen": "yes"}),
)


@pytest.fixture
def gcc(mara: Person) -> Container:
    return make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


def state(gcc: Container) -> list[Any]:
    """All that the forms change."""
    found = Container.objects.select_related("collection__entity").get(pk=gcc.pk)
    tools, entity = found.collection, found.collection.entity
    return [
        entity.description, entity.default_private, tools.description, tools.visibility,
        found.description, found.visibility, found.is_frozen,
    ]  # fmt: skip


UNTOUCHED = ["", False, "", "public", "", "", False]


def test_the_owner_changes_each_and_is_told_so(mara: Person, gcc: Container) -> None:
    for address, form in CHANGES:
        answer = mara.browser.post(address, form)
        place = address.partition("/-/")[0]
        assert answer["Location"] == f"{place}/-/settings"
    assert state(gcc) == ["new", True, "new", "internal", "new", "private", True]
    page = text_of(mara.browser.get(f"{CONTAINER}/-/settings"))
    assert "Unfreeze container" in page
    mara.browser.post(f"{CONTAINER}/-/frozen", {"frozen": "no"})
    mara.browser.post(f"{CONTAINER}/-/visibility", {"visibility": ""})
    mara.browser.post(f"{ENTITY}/-/default-private", {})
    assert state(gcc) == ["new", False, "new", "internal", "new", "", False]


def test_who_may_not_change_them_is_told_who_may_and_nothing_changes(
    mara: Person, otto: Person, gcc: Container
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for address, form in CHANGES:
        assert Client().post(address, form)["Location"].startswith("/account/sign-in")
        page = text_of(otto.browser.post(address, form), status=403)
        assert "Only a maintainer or owner of mara" in page
    for place in (ENTITY, COLLECTION, CONTAINER):
        assert otto.browser.get(f"{place}/-/settings").status_code == 403
        assert Client().get(f"{place}/-/settings")["Location"].startswith("/account/sign-in")
    assert state(gcc) == UNTOUCHED


def test_an_auditor_sees_them_and_changes_nothing(mara: Person, gcc: Container) -> None:
    browser = make_auditor().browser
    for place in (ENTITY, COLLECTION, CONTAINER):
        page = text_of(browser.get(f"{place}/-/settings"))
        assert "You see these settings and may not change them" in page
        assert page.count("<fieldset") == page.count("disabled>")
    for address, form in CHANGES:
        assert browser.post(address, form).status_code == 403
    assert state(gcc) == UNTOUCHED


def test_a_hidden_place_has_no_settings(mara: Person, otto: Person, gcc: Container) -> None:
    Collection.objects.update(visibility="private")
    for address, form in CHANGES:
        assert otto.browser.post(address, form).status_code == 404
    for place in (ENTITY, COLLECTION, CONTAINER):
        assert otto.browser.get(f"{place}/-/settings").status_code == 404
        missing = place.replace("mara", "nobody")
        assert otto.browser.get(f"{missing}/-/settings").status_code == 404


def test_a_container_is_offered_only_what_is_not_wider_than_its_collection(
    mara: Person, gcc: Container
) -> None:
    Collection.objects.update(visibility="internal")
    page = text_of(mara.browser.get(f"{CONTAINER}/-/settings"))
    assert 'value="internal"' in page
    assert 'value="public"' not in page
    address = f"{CONTAINER}/-/visibility"
    answer = mara.browser.post(address, {"visibility": "public"}, follow=True)
    assert "A container is never wider than its collection" in text_of(answer)
    assert Container.objects.get().visibility == ""


def test_a_description_that_is_too_long_is_refused_in_words(mara: Person, gcc: Container) -> None:
    form = {"description": "x" * 4001}
    answer = mara.browser.post(f"{ENTITY}/-/description", form, follow=True)
    assert "at most 4000 characters" in text_of(answer)
    assert state(gcc) == UNTOUCHED


def test_what_is_stored_and_may_be_is_shown(mara: Person, gcc: Container) -> None:
    assert "without a quota" in text_of(mara.browser.get(f"{ENTITY}/-/settings"))
    mara.entity.quota_bytes = 5_000_000
    mara.entity.save()
    page = text_of(mara.browser.get(f"{ENTITY}/-/settings"))
    assert '<data value="5000000"' in page
    assert "(0 %)" in page
    assert "<meter" in page


def test_while_the_site_is_read_only_settings_are_shown_and_stay(
    mara: Person, gcc: Container
) -> None:
    freezing.set_read_only("moving house", by=None)
    for address, form in CHANGES:
        answer = mara.browser.post(address, form, follow=True)
        assert "This registry is read-only at the moment: moving house" in text_of(answer)
    assert state(gcc) == UNTOUCHED


def test_a_tag_is_frozen_on_the_page_of_its_container_by_who_manages_it(
    mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "1.0")
    page = f"{CONTAINER}/-/tags/1.0"
    address, form = f"{page}/frozen", {"frozen": "yes"}
    assert address not in forms_of(otto.browser.get(page))
    assert otto.browser.post(address, form).status_code == 403
    assert Client().post(address, form)["Location"].startswith("/account/sign-in")
    assert not Tag.objects.get().is_frozen
    assert address in forms_of(mara.browser.get(page))
    frozen = text_of(mara.browser.post(address, form, follow=True))
    assert "The tag 1.0 is frozen." in frozen
    assert "Unfreeze tag" in frozen
    assert "icons.svg#frozen" in text_of(Client().get(CONTAINER))
    mara.browser.post(address, {"frozen": "no"})
    assert not Tag.objects.get().is_frozen
    unknown = address.replace("1.0", "9")
    refused = text_of(mara.browser.post(unknown, form, follow=True))
    assert "There is no tag &#x27;9&#x27;" in refused
    assert mara.browser.post(address.replace("1.0", "a%00b"), form).status_code == 404


def test_each_choice_of_who_may_see_it_says_who_would_lose_or_gain_it(
    mara: Person, gcc: Container
) -> None:
    def said(place: str) -> dict[str, str]:
        choices = mara.browser.get(f"{place}/-/settings").context["choices"]
        return {choice.value: choice.change for choice in choices}

    unsigned = "Who is not signed in loses it at once."
    roleless = "Everybody without a role here loses it at once."
    assert said(COLLECTION) == {"public": "", "internal": unsigned, "private": roleless}
    assert said(CONTAINER) == {"": "", "public": "", "internal": unsigned, "private": roleless}
    Container.objects.update(visibility="private")
    world = "The whole world that reaches this site gains it at once."
    assert said(CONTAINER)[""] == said(CONTAINER)["public"] == world
    Collection.objects.update(visibility="internal")
    members = "Everybody who has an account here gains it at once."
    assert said(CONTAINER) == {"": members, "internal": members, "private": ""}
    assert said(COLLECTION)["public"] == "Who is not signed in gains it at once."


def test_a_tag_that_is_called_frozen_is_frozen_by_its_own_address(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "frozen")
    mara.browser.post(f"{CONTAINER}/-/tags/frozen/frozen", {"frozen": "yes"})
    assert Tag.objects.get().is_frozen
