"""What people find: by which words, why, with which figures; and nothing that they may not see."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shub.accounts.callers import NOBODY, Caller
from shub.containers import finding
from shub.containers.finding import Filters, Search, find_containers
from shub.containers.models import Container, Image
from tests.factories import Person, make_auditor, make_collection, make_container
from tests.rows import make_image

pytestmark = pytest.mark.django_db

Make = Callable[..., Container]


@pytest.fixture
def make(mara: Person) -> Make:
    """Makes a container of mara's, with a description."""

    def made(name: str, description: str = "", collection: str = "tools") -> Container:
        container = make_container(make_collection(mara.entity, collection, mara), name, mara)
        container.description = description
        container.save()
        return container

    return made


def found(text: str, by: Caller = NOBODY, **options: Any) -> list[str]:
    """The names of what is found, in order."""
    return [hit.container.name for hit in find_containers(text, by=by, **options).page]


# ── by which words ──
def test_names_and_descriptions_match_by_any_part_in_any_case(make: Make) -> None:
    make("samtools", "Alignments in SAM")
    make("bwa", "Aligns short reads, with Samtools inside")
    make("gcc")
    assert found("samt") == found("SAMT") == ["samtools", "bwa"]
    assert found("tools sam") == ["samtools", "bwa"]
    assert found("samtools reads") == ["bwa"]
    assert found("samtools gcc") == found("nothing") == []
    hit = find_containers("align sam", by=NOBODY).page.rows[1]
    assert (hit.container.name, hit.why) == ("bwa", ["description"])
    hit = find_containers("sam", by=NOBODY).page.rows[0]
    assert (hit.name_spans, hit.description_spans) == ([(0, 3)], [(14, 17)])
    assert hit.why == ["name", "description"]


def test_the_name_itself_comes_before_its_beginning_and_that_before_any_part(make: Make) -> None:
    for name in ("my-gcc", "gcc-13", "gcc", "other"):
        make(name)
    assert found("gcc") == ["gcc", "gcc-13", "my-gcc"]


def test_a_few_characters_begin_a_name(make: Make) -> None:
    make("r-base", "an r")
    make("gcc-r")
    make("r")
    assert found("r") == ["r", "r-base"]
    assert found("r-") == ["r-base"]


def test_a_path_matches_as_for_clients(make: Make) -> None:
    make("gcc")
    make("gcc", collection="other")
    for text in ("tools/g", "mara/tools/gcc", "ls/gcc"):
        (hit,) = find_containers(text, by=NOBODY).page
        assert str(hit.container) == "mara/tools/gcc"
        assert hit.name_spans


def test_the_beginning_of_a_tag_matches_and_is_told(make: Make, mara: Person) -> None:
    gcc = make("gcc")
    make("clang")
    make_image(gcc, "13.2.1", "13.2", "12.0", by=mara)
    (hit,) = find_containers("13.2", by=NOBODY).page
    assert (hit.container, hit.tags, hit.why) == (gcc, ["13.2", "13.2.1"], ["tag"])
    assert found("gcc 13.2") == ["gcc"]
    assert found("clang 13.2") == found("3.2.1") == []


@pytest.mark.parametrize("form", ["{}", "sha256.{}", "sha256:{}", "SHA256:{}"])
def test_the_beginning_of_a_hash_finds_where_it_is(make: Make, mara: Person, form: str) -> None:
    gcc, other = make("gcc"), make("other")
    image = make_image(gcc, by=mara)
    make_image(other, by=mara)
    for length in (8, 20, 64):
        (hit,) = find_containers(form.format(image.digest[:length]), by=NOBODY).page
        assert (hit.container, hit.digests, hit.why) == (gcc, [image.digest], ["hash"])


def test_a_hash_that_is_only_claimed_finds_nothing(make: Make) -> None:
    Image.objects.create(container=make("gcc"), digest="ab" * 32)
    assert found("ab" * 32) == []


def test_no_words_find_everything(make: Make) -> None:
    for name in ("c", "a", "b"):
        make(name)
    search = find_containers(" \n ", by=NOBODY)
    assert [hit.container.name for hit in search.page] == ["a", "b", "c"]
    assert (search.page.total, search.counted_all) == (3, True)
    assert all(hit.why == [] for hit in search.page)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="%_\\'\"/.:*()[] \0aG", max_size=20))
def test_any_text_can_be_looked_for(mara: Person, text: str) -> None:
    find_containers(text, by=NOBODY)
    find_containers(text, filters=Filters(arch=text.replace("\0", "")), order=text, by=mara.caller)


def test_marks_of_patterns_mean_themselves(make: Make) -> None:
    make("a_b_c", "100 % of it")
    make("axbxc", "100 of it")
    assert found("a_b") == found("100 % of") == ["a_b_c"]


# ── narrowed ──
def test_one_image_must_be_all_that_is_asked_for(make: Make, mara: Person) -> None:
    now = timezone.now()
    gcc, clang = make("gcc"), make("clang")
    make_image(gcc, by=mara, arch="amd64", signed=True, size=10, pushed_at=now - timedelta(days=9))
    make_image(gcc, by=mara, arch="arm64", size=20)
    make_image(clang, by=mara, arch="arm64", signed=True, size=30)
    make("empty")
    for filters, names in (
        (Filters(arch="arm64"), ["clang", "gcc"]),
        (Filters(arch="arm64", signed=True), ["clang"]),
        (Filters(signed=True), ["clang", "gcc"]),
        (Filters(signed=False), ["gcc"]),
        (Filters(min_size=20), ["clang", "gcc"]),
        (Filters(min_size=21), ["clang"]),
        (Filters(max_size=10), []),
        (Filters(max_size=11), ["gcc"]),
        (Filters(pushed_since=now - timedelta(days=1), max_size=15), []),
        (Filters(pushed_since=now - timedelta(days=1)), ["clang", "gcc"]),
        (Filters(entity="mara"), ["clang", "empty", "gcc"]),
        (Filters(entity="MARA"), ["clang", "empty", "gcc"]),
        (Filters(entity="otto"), []),
    ):
        assert found("", filters=filters) == names, filters


def test_the_figures_count_each_container_once_for_each_kind(make: Make, mara: Person) -> None:
    now = timezone.now()
    gcc, clang = make("gcc"), make("clang")
    for size in (10, 20):
        make_image(gcc, by=mara, size=size, signed=True, pushed_at=now - timedelta(days=3))
    make_image(gcc, by=mara, arch="arm64", size=2_000_000_000)
    make_image(clang, by=mara, arch="", size=10, pushed_at=now - timedelta(days=400))
    make("empty")
    facets = find_containers("", by=NOBODY).facets
    assert facets.arches == {"amd64": 1, "arm64": 1, "": 1}
    assert list(facets.arches) == ["amd64", "arm64", ""]
    assert facets.signed == {True: 1, False: 2}
    assert facets.sizes == {0: 2, 1_000_000_000: 1}
    assert facets.days == {1: 1, 7: 1, 30: 1, 365: 1}
    assert facets.entities == {"mara": 3}
    facets = find_containers("", filters=Filters(arch="amd64"), by=NOBODY).facets
    assert (facets.arches, facets.sizes, facets.days) == (
        *({"amd64": 1}, {0: 1}),
        {7: 1, 30: 1, 365: 1},
    )
    assert facets.entities == {"mara": 1}


def test_what_is_too_much_to_count_is_said_to_be(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        make(f"c{number}")
    for most, total, all_of_them in ((3, 3, False), (4, 4, True)):
        monkeypatch.setattr(finding, "MOST_MATCHES", most)
        search = find_containers("", by=NOBODY)
        assert (search.page.total, search.counted_all) == (total, all_of_them)
        assert search.facets.entities == {"mara": total}


# ── in which order ──
def test_the_orders(make: Make, mara: Person) -> None:
    for name, downloads in (("ab", 1), ("b", 5), ("a", 3)):
        container = make(name)
        container.download_count = downloads
        container.save()
        if name != "b":
            make_image(container, by=mara)
    assert found("", order="name") == ["a", "ab", "b"]
    assert found("", order="downloads") == ["b", "a", "ab"]
    assert found("", order="newest") == ["a", "ab", "b"]
    make_image(Container.objects.get(name="ab"), by=mara)
    assert found("", order="newest") == ["ab", "a", "b"]
    assert found("", order="none of these") == ["a", "ab", "b"]


def test_each_is_on_one_page(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PAGE", 2)
    for number in range(5):
        make(f"c{number}")
    pages = [find_containers("", page=number, by=NOBODY).page for number in (1, 2, 3, 4)]
    assert [[hit.container.name for hit in page] for page in pages] == [
        *(["c0", "c1"], ["c2", "c3"], ["c4"], []),
    ]
    assert [(page.has_next, page.total) for page in pages] == [
        *((True, 5), (True, 5), (False, 5), (False, 5)),
    ]


# ── for whom, and at what cost ──
def test_what_one_may_not_see_is_in_no_list_and_no_figure(mara: Person, otto: Person) -> None:
    digests = {}
    for visibility in ("public", "internal", "private"):
        collection = make_collection(mara.entity, visibility, mara, visibility=visibility)
        container = make_container(collection, f"gcc-{visibility}", mara)
        container.description = "secret word"
        container.save()
        image = make_image(container, f"tag-{visibility}", by=mara, arch=visibility[:6])
        digests[visibility] = image.digest
    other = make_collection(otto.entity, "own", otto, visibility="private")
    make_image(make_container(other, "gcc-otto", otto), "tag-otto", by=otto)

    mine = {"public", "internal", "private"}
    for by, seen in (
        (NOBODY, {"public"}),
        (otto.caller, {"public", "internal"}),
        (mara.caller, mine),
        (make_auditor().caller, mine),
    ):
        searches: list[Search] = [
            find_containers(text, by=by) for text in ("secret", "gcc-", "tag-", "", "mara")
        ]
        others = {"gcc-otto"} if by.user and by.user.username in {"otto", "audit"} else set()
        names = {f"gcc-{visibility}" for visibility in seen}
        for search, expected in zip(
            searches, (names, names | others, names | others), strict=False
        ):
            assert {hit.container.name for hit in search.page} == expected
            assert search.page.total == len(expected)
            arches = {visibility[:6] for visibility in seen} | ({"amd64"} if others else set())
            assert set(search.facets.arches) <= arches
            assert sum(search.facets.entities.values()) == len(expected)
        for visibility, digest in digests.items():
            assert found(digest, by=by) == [f"gcc-{visibility}"] * (visibility in seen)
            hidden = find_containers("", filters=Filters(arch=visibility[:6]), by=by)
            assert hidden.page.total == (visibility in seen)


def test_a_bound_token_finds_within_its_bounds(mara: Person) -> None:
    for name in ("one", "two"):
        make_container(
            make_collection(mara.entity, name, mara, visibility="private"), f"gcc-{name}", mara
        )
    token = mara.token
    token.entity, token.collection = mara.entity, "one"
    token.save()
    assert found("gcc", by=Caller(mara.user, token)) == ["gcc-one"]


def test_much_takes_as_many_queries_as_little(make: Make, mara: Person) -> None:
    for count in (1, 12):
        for number in range(count):
            make_image(make(f"gcc-{count}-{number}"), "v1.0", "v1.1", by=mara)
        for text, options, wanted in (
            ("gcc", {}, 5),
            ("", {}, 4),
            ("v1.0", {}, 5),
            ("sha256.ab", {}, 6),
            ("gcc", {"order": "newest"}, 6),
        ):
            with CaptureQueriesContext(connection) as queries:
                search = find_containers(text, by=NOBODY, **options)
            if search.page.rows:
                assert len(queries) == wanted, text
