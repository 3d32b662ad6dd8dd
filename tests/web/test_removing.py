"""Removing a collection or a container: what goes is said, it goes, and it comes back."""

import re
from typing import Any

import pytest
from django.test import Client

from shub.containers import freezing, granting, removal
from shub.containers.models import Collection, Container, RemovedImage, Role, Tag
from shub.containers.refs import parse
from shub.storage import ObjectStore
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.sif_files import sif_bytes
from tests.web.reading import forms_of, text_of
from tests.wire import wire

pytestmark = pytest.mark.django_db

ENTITY, COLLECTION, CONTAINER = "/library/mara", "/library/mara/tools", "/library/mara/tools/gcc"


@pytest.fixture
def gcc(mara: Person, store: ObjectStore, settings: Any) -> Container:
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", sif_bytes(), "1.0", "latest")
    return Container.objects.select_related("collection__entity").get()


def words(page: str) -> str:
    """The page's text with its line ends made spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def there() -> tuple[int, int]:
    """How many collections of the name, and containers in them, are not removed."""
    return (
        Collection.objects.filter(name="tools", removed_at__isnull=True).count(),
        Container.objects.filter(collection__name="tools", removed_at__isnull=True).count(),
    )


def test_what_goes_is_said_and_a_look_removes_nothing(mara: Person, gcc: Container) -> None:
    page = words(text_of(mara.browser.get(f"{CONTAINER}/-/remove")))
    for said in ("1 image", "2 tags", "1.0, latest", "It can be undone until"):
        assert said in page
    assert "1 container" in words(text_of(mara.browser.get(f"{COLLECTION}/-/remove")))
    assert there() == (1, 1)


@pytest.mark.parametrize(("place", "parent"), [(CONTAINER, COLLECTION), (COLLECTION, ENTITY)])
def test_what_is_removed_is_undone_from_the_page_that_one_is_led_to(
    mara: Person, gcc: Container, place: str, parent: str
) -> None:
    browser = mara.browser
    assert browser.post(f"{place}/-/remove")["Location"] == parent
    page = browser.get(parent)
    assert "is removed." in text_of(page)
    (undo,) = [each for each in forms_of(page) if each.endswith("/restore")]
    assert browser.get(place).status_code == 404
    assert not [each for each in forms_of(browser.get(parent)) if each.endswith("/restore")]
    assert browser.post(undo)["Location"] == place
    assert there() == (1, 1)
    assert "1.0" in text_of(browser.get(CONTAINER))


def test_what_cannot_be_undone_asks_for_the_name(
    mara: Person, gcc: Container, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    page = words(text_of(mara.browser.get(f"{CONTAINER}/-/remove")))
    assert "It cannot be undone" in page
    for wrong in ({}, {"name": "gcc"}):
        assert "errorlist" in text_of(mara.browser.post(f"{CONTAINER}/-/remove", wrong))
    assert there() == (1, 1)
    mara.browser.post(f"{CONTAINER}/-/remove", {"name": "mara/tools/gcc"})
    assert there() == (1, 0)


def test_what_is_frozen_is_not_removed_and_the_page_says_so(mara: Person, gcc: Container) -> None:
    freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=mara.caller)
    for place in (CONTAINER, COLLECTION):
        for page in (mara.browser.get(f"{place}/-/remove"), mara.browser.post(f"{place}/-/remove")):
            assert "mara/tools/gcc:1.0 is frozen" in text_of(page)
            assert forms_of(page) == []
    assert there() == (1, 1)


def test_the_list_of_what_was_removed_brings_back_or_ends(mara: Person, gcc: Container) -> None:
    removal.remove_image(parse("mara/tools/gcc:1.0"), arch="", by=mara.caller)
    removed = RemovedImage.objects.get()
    browser = mara.browser
    for place in (ENTITY, COLLECTION, CONTAINER):
        page = text_of(browser.get(f"{place}/-/removed"))
        assert f"sha256.{removed.digest}" in page
        assert f"{place}/-/removed/{removed.public_id}/restore" in page
    for_good = f"{CONTAINER}/-/removed/{removed.public_id}/for-good"
    assert removed.digest[:8] in text_of(browser.get(for_good))
    assert "errorlist" in text_of(browser.post(for_good, {"name": "yes"}))
    answer = browser.post(f"{CONTAINER}/-/removed/{removed.public_id}/restore")
    assert answer["Location"] == CONTAINER
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["1.0", "latest"]
    removal.remove_image(parse("mara/tools/gcc:1.0"), arch="", by=mara.caller)
    again = RemovedImage.objects.get()
    for_good = f"{CONTAINER}/-/removed/{again.public_id}/for-good"
    answer = browser.post(for_good, {"name": again.digest[:8]})
    assert answer["Location"] == f"{CONTAINER}/-/removed"
    page = text_of(browser.get(f"{CONTAINER}/-/removed"))
    assert "is removed for good" in page
    assert "Nothing that can be brought back" in page
    late = browser.post(f"{CONTAINER}/-/removed/{again.public_id}/restore", follow=True)
    assert "Nothing that was removed has the id" in text_of(late)
    assert not Tag.objects.exists()


def test_who_may_not_is_refused_and_nothing_changes(
    mara: Person, otto: Person, gcc: Container
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for browser in (otto.browser, make_auditor().browser):
        for place in (COLLECTION, CONTAINER):
            assert browser.get(f"{place}/-/remove").status_code == 403
            assert browser.post(f"{place}/-/remove").status_code == 403
            assert Client().post(f"{place}/-/remove").status_code == 302
    assert there() == (1, 1)
    removal.remove_container(gcc, by=mara.caller)
    for act in ("restore", "for-good"):
        address = f"{COLLECTION}/-/removed/{gcc.public_id}/{act}"
        assert otto.browser.post(address, {"name": "mara/tools/gcc"}).status_code == 403
    assert otto.browser.get(f"{COLLECTION}/-/removed").status_code == 403
    assert "mara/tools/gcc" not in text_of(make_auditor("aud").browser.get(f"{ENTITY}/-/removed"))
    assert there() == (1, 0)


def test_of_a_hidden_collection_nothing_is_told(mara: Person, otto: Person, gcc: Container) -> None:
    Collection.objects.update(visibility="private")
    make_container(make_collection(mara.entity, "open", mara), "x", mara)
    removal.remove_container(gcc, by=mara.caller)
    for page in ("remove", "removed", f"removed/{gcc.public_id}/for-good"):
        assert otto.browser.get(f"{COLLECTION}/-/{page}").status_code == 404
    for act in ("restore", "for-good"):
        address = f"{COLLECTION}/-/removed/{gcc.public_id}/{act}"
        assert otto.browser.post(address, {"name": "mara/tools/gcc"}).status_code == 404
    assert there() == (1, 0)
