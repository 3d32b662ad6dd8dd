"""References: what clients think equal is one, and what they take for a hash is one."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from shub.containers import refs
from shub.containers.refs import LibraryRef
from shub.errors import NotFound
from shub.names import check_tag, folded
from tests.names import HASH_REF, NAME, hash_refs, legal_names, near_names

ENTITY, COLLECTION = "library", "default"

# Django's settings stay as one test has set them, for all of its examples.
with_settings = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])

tags = legal_names.filter(lambda tag: not HASH_REF.fullmatch(tag))


@pytest.fixture(autouse=True)
def _defaults(settings: Any) -> Iterator[None]:
    settings.DEFAULT_ENTITY, settings.DEFAULT_COLLECTION = ENTITY, COLLECTION
    return


@given(legal_names, legal_names, legal_names, st.one_of(tags, hash_refs))
@with_settings
def test_a_reference_that_is_written_and_read_is_the_same(
    entity: str, collection: str, container: str, tag: str
) -> None:
    ref = LibraryRef(entity, collection, container, tag)
    assert refs.parse(str(ref)) == ref
    assert str(refs.parse(str(ref))) == str(ref)
    assert ref.path == f"{entity}/{collection}/{container}"


@st.composite
def spellings(draw: st.DrawFn) -> tuple[str, LibraryRef]:
    """A way to write a reference, and what every client means by it."""
    names = draw(st.lists(legal_names, min_size=1, max_size=3))
    tag = draw(st.one_of(st.none(), st.just(""), tags, hash_refs))
    left_out = [ENTITY, COLLECTION][: 3 - len(names)]
    ref = LibraryRef(*left_out, *names, tag or "latest")
    fold = draw(st.sampled_from([str, str.upper, str.title]))
    shown = [fold(name) for name in names]
    if draw(st.booleans()):
        shown = [*left_out, *shown]
    slashes = st.integers(1, 3).map("/".__mul__)
    path = draw(st.sampled_from(["", "/", "//"]))
    for number, name in enumerate(shown):
        path += (draw(slashes) if number else "") + name
    path += draw(st.sampled_from(["", "/"]))
    return (path if tag is None else f"{path}:{tag}"), ref


@given(spellings())
@with_settings
def test_what_a_client_thinks_equal_is_one_reference(spelling: tuple[str, LibraryRef]) -> None:
    """By the case of names, by what is left out, by empty parts, by a tag that is missing."""
    written, ref = spelling
    assert refs.parse(written) == ref


@given(legal_names, tags)
@with_settings
def test_the_case_of_a_tag_counts(name: str, tag: str) -> None:
    assume(tag != tag.upper())
    assert refs.parse(f"{name}:{tag}") != refs.parse(f"{name}:{tag.upper()}")


@given(st.lists(legal_names, min_size=3, max_size=3), st.lists(legal_names, min_size=3, max_size=3))
@with_settings
def test_two_references_of_different_names_are_two(one: list[str], other: list[str]) -> None:
    assume(one != other)
    assert refs.parse("/".join(one)) != refs.parse("/".join(other))
    assert str(refs.parse("/".join(one))) != str(refs.parse("/".join(other)))


@given(legal_names, st.one_of(near_names, tags, hash_refs))
@with_settings
def test_a_reference_names_a_hash_exactly_where_the_clients_expression_does(
    name: str, tag: str
) -> None:
    ref = refs.parse(f"{name}:{tag}")
    match = HASH_REF.fullmatch(tag)
    assert bool(ref.digest) == bool(match and match[1])
    assert bool(ref.sif_id is not None) == bool(match and match[2])
    if match and match[1]:
        assert f"sha256.{ref.digest}" == tag
    if match and match[2]:
        assert ref.sif_id == UUID(tag.removeprefix("sif."))


@given(legal_names, tags)
@with_settings
def test_a_tag_never_reads_as_a_hash(name: str, tag: str) -> None:
    check_tag(tag)
    ref = refs.parse(f"{name}:{tag}")
    assert (ref.digest, ref.sif_id) == ("", None)


@given(st.text(max_size=200))
@with_settings
def test_no_text_is_read_as_anything_but_a_reference_or_as_nothing(text: str) -> None:
    try:
        ref = refs.parse(text)
    except NotFound:
        return
    for name in (ref.entity, ref.collection, ref.container):
        assert name
        assert "/" not in name
        assert ":" not in name
        assert name == folded(name)
    assert ref.tag


@pytest.mark.parametrize("written", ["a/b/c/d", "a/b/c/d:e", "", "/", "//", ":", ":a", "/:a"])
def test_too_many_names_or_none_are_no_reference(written: str) -> None:
    with pytest.raises(NotFound):
        refs.parse(written)


def test_the_defaults_are_the_sites_own(settings: Any) -> None:
    settings.DEFAULT_ENTITY, settings.DEFAULT_COLLECTION = "lab", "images"
    assert str(refs.parse("alpine")) == "lab/images/alpine:latest"
    assert str(refs.parse("tools/gcc:13")) == "lab/tools/gcc:13"
    assert NAME.fullmatch(refs.parse("alpine").entity)
