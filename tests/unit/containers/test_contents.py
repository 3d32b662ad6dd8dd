"""What is in a container, in pages: the grid of tags, the history, the images."""

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from shub.accounts.callers import NOBODY, Caller
from shub.containers import contents, freezing, removal
from shub.containers.contents import Grid
from shub.containers.models import Container, Image, Tag
from shub.containers.refs import LibraryRef
from shub.errors import NotFound
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.rows import make_image

pytestmark = pytest.mark.django_db


@pytest.fixture
def gcc(mara: Person) -> Container:
    return make_container(make_collection(mara.entity, "tools", mara), "gcc", mara)


def names(grid: Grid) -> list[str]:
    return [row.name for row in grid.page]


# ── the grid ──
def test_latest_is_first_and_then_what_moved_last(gcc: Container, mara: Person) -> None:
    for tag in ("latest", "13.1", "13.2", "12.0"):
        make_image(gcc, tag, by=mara)
    grid = contents.tag_grid(gcc, by=NOBODY)
    assert names(grid) == ["latest", "12.0", "13.2", "13.1"]
    assert (grid.page.total, grid.page.has_next, grid.page.has_previous) == (4, False, False)


def test_each_arch_has_a_column_and_what_a_name_lacks_is_missing(
    gcc: Container, mara: Person
) -> None:
    for arch in ("riscv64", "arm64", "amd64", ""):
        make_image(gcc, "all", by=mara, arch=arch, size=len(arch) * 100)
    only = make_image(gcc, "one", by=mara, arch="arm64", signed=True, size=7)
    grid = contents.tag_grid(gcc, by=NOBODY)
    assert grid.arches == ["amd64", "arm64", "riscv64", ""]
    one, every = grid.page.rows
    assert [cell and cell.image.digest for cell in one.cells] == [None, only.digest, None, None]
    assert (one.size, one.sizes, one.images[0].signed, one.moved_by) == (7, (7, 7), True, "mara")
    assert one.moved_at == Tag.objects.get(name="one").moved_at
    assert all(every.cells)
    assert every.sizes == (0, 700)


def test_a_name_is_shown_once_as_it_is_now(gcc: Container, mara: Person, otto: Person) -> None:
    make_image(gcc, "latest", by=mara)
    now = make_image(gcc, "latest", by=otto)
    (row,) = contents.tag_grid(gcc, by=NOBODY).page
    assert ([image.pk for image in row.images], row.moved_by) == ([now.pk], "otto")
    freezing.set_tag_frozen(gcc, name="latest", frozen=True, by=mara.caller)
    (row,) = contents.tag_grid(gcc, by=NOBODY).page
    assert row.is_frozen


def test_names_are_narrowed_by_what_is_in_them(gcc: Container, mara: Person) -> None:
    for tag in ("13.1-rc", "13.1", "latest", "a_b", "axb"):
        make_image(gcc, tag, by=mara)
    for contains, found in (
        ("13", ["13.1", "13.1-rc"]),
        ("RC", ["13.1-rc"]),
        ("at", ["latest"]),
        ("_", ["a_b"]),
        ("%", []),
        ("'", []),
        ("\0", []),
    ):
        grid = contents.tag_grid(gcc, contains=contains, by=NOBODY)
        assert (names(grid), grid.page.total) == (found, None)


@pytest.mark.parametrize("alike", [True, False])
def test_the_pages_of_the_grid_have_each_name_once(
    gcc: Container, mara: Person, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    """Moved at the same moment, too, as the tags of one request are."""
    monkeypatch.setattr(contents, "PAGE", 3)
    for number in range(7):
        for arch in ("amd64", "arm64") if number % 2 else ("amd64",):
            make_image(gcc, f"v{number}", by=mara, arch=arch)
    make_image(gcc, "latest", by=mara)
    if alike:
        Tag.objects.update(moved_at="2026-11-26T00:00:00Z")
    pages = [contents.tag_grid(gcc, page=page, by=NOBODY) for page in (1, 2, 3, 4)]
    found = [name for grid in pages for name in names(grid)]
    order = sorted(range(7), reverse=not alike)
    assert found == ["latest", *(f"v{number}" for number in order)]
    assert [grid.page.has_next for grid in pages] == [True, True, False, False]
    assert len({tuple(grid.arches) for grid in pages}) == 1


def test_a_container_without_tags_has_an_empty_grid(gcc: Container) -> None:
    grid = contents.tag_grid(gcc, by=NOBODY)
    assert (grid.arches, names(grid), grid.page.total) == ([], [], 0)


def test_no_page_is_before_the_first_or_without_end(gcc: Container, mara: Person) -> None:
    make_image(gcc, "latest", by=mara)
    assert names(contents.tag_grid(gcc, page=-5, by=NOBODY)) == ["latest"]
    assert names(contents.tag_grid(gcc, page=10**30, by=NOBODY)) == []


# ── the history ──
def test_the_history_tells_where_each_tag_went_and_what_is_still_there(
    gcc: Container, mara: Person
) -> None:
    first = make_image(gcc, "latest", by=mara)
    second = make_image(gcc, "latest", "13.2", by=mara)
    gone = first.digest
    removal.remove_image(
        LibraryRef("mara", "tools", "gcc", f"sha256.{gone}"), arch="", by=mara.caller
    )
    told = [
        (each.move.name, each.before and each.before.pk, each.after and each.after.pk)
        for each in contents.history(gcc, by=NOBODY)
    ]
    assert told == [
        ("13.2", None, second.pk),
        ("latest", None, second.pk),
        ("latest", None, None),
    ]
    of_one = contents.history(gcc, tag="latest", by=NOBODY)
    assert [each.move.from_digest for each in of_one] == [gone, ""]
    for name in ("none", "\0", "lat%"):
        assert not contents.history(gcc, tag=name, by=NOBODY).rows


def test_the_history_is_read_in_pages(
    gcc: Container, mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents, "PAGE", 2)
    for number in range(5):
        make_image(gcc, f"v{number}", by=mara)
    found = [
        [each.move.name for each in contents.history(gcc, page=page, by=NOBODY)]
        for page in (1, 2, 3, 4)
    ]
    assert found == [["v4", "v3"], ["v2", "v1"], ["v0"], []]


# ── the images ──
def test_images_are_listed_with_their_tags_or_those_without(gcc: Container, mara: Person) -> None:
    tagged = make_image(gcc, "a", "b", by=mara)
    bare = make_image(gcc, by=mara)
    Image.objects.create(container=gcc, digest="0" * 64)
    listed = contents.images_of(gcc, by=NOBODY)
    assert [(each.image.pk, list(each.tags)) for each in listed] == [
        (bare.pk, []),
        (tagged.pk, ["b", "a"]),
    ]
    (only,) = contents.images_of(gcc, untagged_only=True, by=NOBODY)
    assert (only.image.pk, only.image.container) == (bare.pk, gcc)


def test_an_image_with_very_many_tags_names_some(gcc: Container, mara: Person) -> None:
    image = make_image(gcc, *(f"v{number}" for number in range(220)), by=mara)
    (listed,) = contents.images_of(gcc, by=NOBODY)
    assert (len(listed.tags), listed.tags[0], listed.has_more_tags) == (20, "v219", True)
    tags = contents.tags_of_image(image, by=NOBODY)
    assert (len(tags), tags[0].name) == (200, "v219")


# ── for whom, and at what cost ──
def test_what_one_may_not_see_is_not_there(mara: Person, otto: Person) -> None:
    own = make_collection(mara.entity, "own", mara, visibility="private")
    hidden = make_container(own, "gcc", mara)
    image = make_image(hidden, "latest", by=mara)

    def told(by: Caller) -> list[int]:
        return [
            len(contents.tag_grid(hidden, by=by).page),
            len(contents.history(hidden, by=by)),
            len(contents.images_of(hidden, by=by)),
            len(contents.tags_of_image(image, by=by)),
        ]

    for by in (mara.caller, mara.client, make_auditor().caller):
        assert told(by) == [1, 1, 1, 1]
    for by in (NOBODY, otto.caller, otto.client):
        for ask in (contents.tag_grid, contents.history, contents.images_of):
            with pytest.raises(NotFound):
                ask(hidden, by=by)
        with pytest.raises(NotFound):
            contents.tags_of_image(image, by=by)


def test_nothing_of_another_container_is_in_it(gcc: Container, mara: Person) -> None:
    other = make_container(gcc.collection, "other", mara)
    make_image(other, "latest", "x", by=mara, arch="s390x")
    grid = contents.tag_grid(gcc, by=NOBODY)
    assert (names(grid), grid.arches, grid.page.total) == ([], [], 0)
    assert not contents.history(gcc, by=NOBODY).rows
    assert not contents.images_of(gcc, by=NOBODY).rows


def test_much_takes_as_many_queries_as_little(gcc: Container, mara: Person) -> None:
    asks: dict[Any, int] = {contents.tag_grid: 4, contents.history: 2, contents.images_of: 2}
    for count in (1, 30):
        with transaction.atomic():
            for number in range(count):
                make_image(gcc, f"v{count}.{number}", by=mara)
        for ask, wanted in asks.items():
            with CaptureQueriesContext(connection) as found:
                ask(gcc, by=NOBODY)
            assert len(found) == wanted
