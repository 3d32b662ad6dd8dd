"""Legal names, by the clients' own expression; and that the database agrees with it."""

import re
from typing import Any

import pytest
from django.db import DataError, IntegrityError, transaction
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shub.accounts.models import Entity
from shub.accounts.registration import create_user
from shub.containers import namespaces
from shub.containers.models import Collection, Container, Image, Tag
from shub.errors import Conflict, Invalid
from shub.names import (
    NAME_LENGTH,
    RESERVED_ENTITIES,
    TAG_LENGTH,
    check_name,
    check_tag,
    is_hash_ref,
    is_legal_name,
)
from tests.factories import Person
from tests.names import HASH_REF, NAME, hash_refs, legal_names, near_names

# The database's fixtures stay for all examples: each makes what no other made, or takes it back.
in_one_database = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def refusal_of(name: str) -> str:
    """Why the check that every door uses refuses the name; empty where it is accepted."""
    try:
        check_name(name, "collection")
    except Invalid as refusal:
        return refusal.message
    return ""


@given(legal_names)
def test_every_name_that_the_clients_allow_is_accepted(name: str) -> None:
    assert is_legal_name(name)
    assert refusal_of(name) == ""


@given(near_names)
@example("a\n")
@example("a.")
@example("a.-b")
@example("\u0661")  # a digit to Python, and to nobody's client
@example("\u017f")  # its upper case is S
def test_no_other_name_is_accepted(name: str) -> None:
    assert is_legal_name(name) == bool(NAME.fullmatch(name) and len(name) <= NAME_LENGTH)
    assert ("not a legal collection name" in refusal_of(name)) != is_legal_name(name)


@pytest.mark.parametrize(("length", "is_legal"), [(1, True), (128, True), (129, False)])
def test_a_name_has_at_most_as_many_characters_as_the_database_keeps(
    length: int, is_legal: bool
) -> None:
    assert is_legal_name("a" * length) == is_legal
    assert (NAME_LENGTH, TAG_LENGTH) == (128, 128)
    if is_legal:
        check_tag("a" * length)
    else:
        with pytest.raises(Invalid):
            check_tag("a" * length)


@given(near_names)
def test_a_tag_is_accepted_exactly_where_the_clients_can_pull_by_it(tag: str) -> None:
    legal = bool(NAME.fullmatch(tag)) and len(tag) <= TAG_LENGTH and not HASH_REF.fullmatch(tag)
    if legal:
        check_tag(tag)
    else:
        with pytest.raises(Invalid):
            check_tag(tag)


@given(hash_refs)
def test_a_hash_is_never_a_tag_and_the_refusal_says_so(ref: str) -> None:
    assert is_hash_ref(ref)
    with pytest.raises(Invalid, match="reads as a hash"):
        check_tag(ref)


@given(
    st.one_of(
        near_names,
        hash_refs,
        hash_refs.map(str.upper),
        hash_refs.map(lambda ref: ref[:-1]),
        hash_refs.map(lambda ref: ref + "0"),
        hash_refs.map(lambda ref: ref + "\n"),
        hash_refs.map(lambda ref: ref.replace(".", ":", 1)),
        hash_refs.map(lambda ref: f"x{ref}"),
    )
)
def test_a_hash_is_recognised_exactly_by_the_clients_expression(text: str) -> None:
    assert is_hash_ref(text) == bool(HASH_REF.fullmatch(text))


# ── reserved words ──


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["imagefile", "tags"])
@pytest.mark.parametrize("spell", [str, str.upper, str.title])
def test_a_word_of_the_addresses_is_refused_as_an_entity_with_the_reason(
    name: str, spell: Any
) -> None:
    with pytest.raises(Invalid, match=f"/v2/{name}/"):
        create_user(username=spell(name), password=None)
    with pytest.raises(Invalid, match=f"/v2/{name}/"):
        create_user(username="mara", password=None, entity_name=name)
    assert not Entity.objects.filter(name=name).exists()


@pytest.mark.django_db
def test_a_reserved_word_is_a_name_like_any_other_below_an_entity(mara: Person) -> None:
    for name in RESERVED_ENTITIES:
        collection = namespaces.ensure_collection(
            entity_id=mara.entity.public_id, name=name, description="", by=mara.caller
        )
        container = namespaces.ensure_container(
            collection_id=collection.public_id, name=name, description="", by=mara.caller
        )
        assert str(container) == f"mara/{name}/{name}"


# ── the database ──


@pytest.mark.django_db
@given(st.one_of(legal_names, near_names))
@in_one_database
def test_the_database_holds_a_name_exactly_where_it_is_legal(mara: Person, name: str) -> None:
    """The constraint is the last word: also for what comes past every check."""
    try:
        with transaction.atomic():
            Collection.objects.create(entity=mara.entity, name=name)
            held = True
    except (IntegrityError, DataError):
        held = False
    assert held == is_legal_name(name)
    Collection.objects.filter(entity=mara.entity, name=name).delete()


@pytest.mark.django_db
@given(st.one_of(legal_names, near_names, hash_refs))
@in_one_database
def test_the_database_holds_every_tag_that_is_legal(mara: Person, tag: str) -> None:
    try:
        check_tag(tag)
    except Invalid:
        return
    collection, _ = Collection.objects.get_or_create(entity=mara.entity, name="tools")
    container, _ = Container.objects.get_or_create(collection=collection, name="gcc")
    image, _ = Image.objects.get_or_create(container=container, digest="a" * 64)
    row, _ = Tag.objects.get_or_create(
        container=container, name=tag, arch="amd64", defaults={"image": image}
    )
    assert Tag.objects.get(container=container, name=tag).pk == row.pk


@pytest.mark.django_db
@given(legal_names, st.randoms(use_true_random=False))
@in_one_database
def test_a_name_in_any_case_is_one_row_however_often_it_is_made(
    mara: Person, name: str, source: Any
) -> None:
    made = set()
    for _ in range(3):
        written = "".join(source.choice([str.upper, str.lower])(letter) for letter in name)
        collection = namespaces.ensure_collection(
            entity_id=mara.entity.public_id, name=written, description="", by=mara.caller
        )
        container = namespaces.ensure_container(
            collection_id=collection.public_id, name=written, description="", by=mara.caller
        )
        found = namespaces.find_container("MARA", written, written, by=mara.caller)
        made.add((collection.pk, container.pk, found.pk, collection.name, container.name))
    assert len(made) == 1
    assert made.pop()[3:] == (name, name)


@pytest.mark.django_db
@pytest.mark.parametrize("written", ["\u212a", "ma\u212ae", "\u0130", "\uff41"])
def test_a_letter_of_another_alphabet_does_not_fold_into_a_name(mara: Person, written: str) -> None:
    """The sign for kelvin, whose lower case is k to Python: the case of ASCII is all that folds."""
    with pytest.raises(Invalid):
        namespaces.ensure_collection(
            entity_id=mara.entity.public_id, name=written, description="", by=mara.caller
        )
    assert not Collection.objects.filter(entity=mara.entity).exists()


@pytest.mark.django_db
@given(st.lists(legal_names, min_size=2, max_size=5, unique=True))
@in_one_database
def test_two_names_are_two_rows_and_each_is_found_by_its_own(
    mara: Person, names: list[str]
) -> None:
    rows = {
        name: namespaces.ensure_collection(
            entity_id=mara.entity.public_id, name=name, description="", by=mara.caller
        ).pk
        for name in names
    }
    assert len(set(rows.values())) == len(names)
    for name, row in rows.items():
        assert namespaces.find_collection("mara", name, by=mara.caller).pk == row


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("one", "other"), [("a.b", "a-b"), ("a_b", "a-b"), ("a1", "al"), ("a", "aa"), ("0", "o")]
)
def test_names_that_look_alike_are_not_one(mara: Person, one: str, other: str) -> None:
    found = [Collection.objects.create(entity=mara.entity, name=name).pk for name in (one, other)]
    assert found[0] != found[1]


@pytest.mark.django_db
def test_two_sign_in_names_that_differ_in_case_cannot_share_an_entity() -> None:
    create_user(username="Mara", password=None)
    for name in ("mara", "MARA"):
        with pytest.raises(Conflict):
            create_user(username=name, password=None)
    assert Entity.objects.filter(name="mara").count() == 1


def test_the_expression_here_is_the_one_of_the_clients() -> None:
    """So that nothing above is compared with itself."""
    assert NAME.pattern == r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
    assert re.fullmatch(HASH_REF, f"sha256.{'0' * 64}")
    assert not re.fullmatch(HASH_REF, f"sha256:{'0' * 64}")
