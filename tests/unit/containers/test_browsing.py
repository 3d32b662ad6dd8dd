"""What there is on the site and in its parts: only what one may see is listed and counted."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shub.accounts.callers import NOBODY, Caller
from shub.containers import browsing
from shub.containers.models import Container, Image
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.rows import make_image

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def site(mara: Person) -> dict[str, Container]:
    """By name: containers of each visibility, one image each, a day apart, the last one newest."""
    made = {}
    for visibility in ("public", "internal", "private"):
        collection = make_collection(mara.entity, visibility, mara, visibility=visibility)
        made[visibility] = make_container(collection, f"in-{visibility}", mara)
    narrower = make_container(made["public"].collection, "in-narrower", mara)
    narrower.visibility = "private"
    narrower.save()
    made["narrower"] = narrower
    for number, container in enumerate(made.values()):
        make_image(container, "latest", by=mara, pushed_at=DAY + timedelta(days=number))
    return made


def readers(mara: Person, otto: Person) -> Iterator[tuple[Caller, set[str]]]:
    """Callers, and which of the site's containers they see."""
    yield NOBODY, {"public"}
    yield otto.caller, {"public", "internal"}
    for caller in (mara.caller, make_auditor().caller):
        yield caller, {"public", "internal", "private", "narrower"}


def test_what_was_pushed_last_comes_first_as_far_as_one_sees_it(
    site: dict[str, Container], mara: Person, otto: Person
) -> None:
    for by, seen in readers(mara, otto):
        found = browsing.recently_pushed(by=by)
        assert [row.container for row in found] == [
            site[name] for name in ("narrower", "private", "internal", "public") if name in seen
        ]


def test_a_container_is_there_once_however_often_it_is_pushed_to(
    site: dict[str, Container], mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        make_image(site["internal"], f"v{number}", by=mara)
    make_image(site["public"], by=mara)
    found = browsing.recently_pushed(most=3, by=mara.caller)
    assert [row.container.name for row in found] == ["in-public", "in-internal", "in-narrower"]
    assert found[1].tags == ["v29", "v28", "v27"]
    # Far back nobody looks: neither farther than so many containers, nor than so many images.
    monkeypatch.setattr(browsing, "MOST_WALKED", 2)
    assert len(browsing.recently_pushed(by=mara.caller)) == 2
    monkeypatch.setattr(browsing, "MOST_WALKED", 100)
    monkeypatch.setattr(browsing, "MOST_IMAGES_WALKED", 20)
    assert len(browsing.recently_pushed(by=mara.caller)) == 2


def test_what_is_only_announced_was_not_pushed(site: dict[str, Container], mara: Person) -> None:
    empty = make_container(site["public"].collection, "empty", mara)
    Image.objects.create(container=empty, digest="0" * 64)
    assert empty not in [row.container for row in browsing.recently_pushed(by=mara.caller)]
    rows = {row.container.name: row for row in _containers(site, mara.caller)}
    assert (rows["empty"].newest, rows["empty"].tag_count, rows["empty"].arches) == (None, 0, [])


def test_a_site_without_images_has_nothing_that_was_pushed(mara: Person) -> None:
    assert browsing.recently_pushed(by=mara.caller) == []


def _containers(site: dict[str, Container], by: Caller) -> list[browsing.ContainerRow]:
    page = browsing.containers_of_collection(site["public"].collection, by=by)
    return list(page)


def test_a_container_is_listed_with_what_it_has(site: dict[str, Container], mara: Person) -> None:
    gcc = make_container(site["public"].collection, "gcc", mara)
    for tag, arch in (("1", "arm64"), ("1", "amd64"), ("2", "riscv64"), ("3", ""), ("4", "amd64")):
        make_image(gcc, tag, by=mara, arch=arch, size=5)
    newest = make_image(gcc, by=mara, arch="s390x", signed=True, size=9, pushed_at=DAY)
    row = next(row for row in _containers(site, NOBODY) if row.container == gcc)
    assert row.newest == browsing.Newest(newest.digest, "s390x", True, DAY, 9)
    assert (row.tag_count, row.has_more_tags, row.tags) == (4, False, ["4", "3", "2"])
    assert row.arches == ["amd64", "arm64", "riscv64", ""]


def test_of_very_many_tags_some_are_counted(
    site: dict[str, Container], mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "MOST_TAGS_COUNTED", 4)
    gcc = make_container(site["public"].collection, "gcc", mara)
    for number in range(6):
        make_image(gcc, f"v{number}", by=mara)
    row = next(row for row in _containers(site, NOBODY) if row.container == gcc)
    assert (row.tag_count, row.has_more_tags, row.tags) == (4, True, ["v5", "v4", "v3"])


def test_a_collection_lists_the_containers_that_one_may_see(
    site: dict[str, Container], mara: Person, otto: Person
) -> None:
    for by, seen in readers(mara, otto):
        names = [row.container.name for row in _containers(site, by)]
        assert names == [f"in-{name}" for name in ("narrower", "public") if name in seen]


def test_collections_are_counted_and_dated_by_what_one_may_see(
    site: dict[str, Container], mara: Person, otto: Person
) -> None:
    for by, seen in readers(mara, otto):
        expected = []
        for name in ("internal", "private", "public"):
            inside = [each for each in (name, "narrower") if each in seen]
            inside = inside if name == "public" else inside[: name in seen]
            if inside:
                last = max(list(site).index(each) for each in inside)
                expected.append((name, len(inside), DAY + timedelta(days=last)))
        for page in (
            browsing.collections(by=by),
            browsing.collections_of_entity(mara.entity, by=by),
        ):
            rows = [
                (row.collection.name, row.container_count, row.pushed_at)
                for row in page
                if row.collection.entity == mara.entity
            ]
            assert rows == expected


def test_an_empty_collection_is_listed_and_no_other_entitys(mara: Person, otto: Person) -> None:
    make_collection(mara.entity, "tools", mara)
    make_collection(otto.entity, "other", otto)
    (row,) = browsing.collections_of_entity(mara.entity, by=NOBODY)
    assert (str(row.collection), row.container_count, row.pushed_at) == ("mara/tools", 0, None)
    every = [str(row.collection) for row in browsing.collections(by=NOBODY)]
    assert every == ["library/default", "mara/tools", "otto/other"]


def test_lists_are_read_in_pages(mara: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "PAGE", 2)
    tools = make_collection(mara.entity, "c0", mara)
    for number in range(5):
        make_collection(mara.entity, f"c{number}", mara)
        make_container(tools, f"k{number}", mara)
    for ask in (
        lambda page: browsing.collections_of_entity(mara.entity, page=page, by=NOBODY),
        lambda page: browsing.containers_of_collection(tools, page=page, by=NOBODY),
    ):
        pages = [ask(number) for number in (1, 2, 3, 4)]
        assert [(len(page), page.has_next, page.has_previous) for page in pages] == [
            (2, True, False),
            (2, True, True),
            (1, False, True),
            (0, False, True),
        ]
    every = [len(browsing.collections(page=page, by=NOBODY)) for page in (1, 2, 3, 4)]
    assert every == [2, 2, 2, 0]


def test_much_takes_as_many_queries_as_little(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    asks: list[tuple[Any, int]] = [
        (lambda: browsing.recently_pushed(by=NOBODY), 3),
        (lambda: browsing.collections(by=NOBODY), 2),
        (lambda: browsing.collections_of_entity(mara.entity, by=NOBODY), 2),
        (lambda: browsing.containers_of_collection(tools, by=NOBODY), 2),
    ]
    for count in (1, 8):
        for number in range(count):
            make_collection(mara.entity, f"c{count}.{number}", mara)
            gcc = make_container(tools, f"k{count}.{number}", mara)
            make_image(gcc, "latest", "other", by=mara)
        for ask, wanted in asks:
            with CaptureQueriesContext(connection) as found:
                assert ask()
            assert len(found) == wanted
