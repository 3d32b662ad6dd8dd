"""Describing: by who manages the place, written down, and no more than is asked."""

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from shub.audit.models import Event
from shub.containers import describing, granting, images, namespaces
from shub.containers.models import Collection, Readme, Role
from shub.errors import Denied, Invalid
from tests.factories import Person, make_auditor, make_collection, make_container

pytestmark = pytest.mark.django_db


def test_an_entity_a_collection_and_a_container_are_described(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    gcc = make_container(tools, "gcc", mara)
    for place in (mara.entity, tools, gcc):
        describing.describe(place, text=" Compilers\r\nof ours ", by=mara.caller)
        describing.describe(place, text="Compilers\nof ours", by=mara.caller)
        place.refresh_from_db()
        assert place.description == "Compilers\nof ours"
    made = Event.objects.filter(action__endswith=".described").order_by("id")
    assert [(event.action, event.name, event.entity) for event in made] == [
        ("entity.described", "mara", mara.entity.public_id),
        ("collection.described", "mara/tools", mara.entity.public_id),
        ("container.described", "mara/tools/gcc", mara.entity.public_id),
    ]


def test_who_may_only_push_or_see_describes_nothing(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for by in (otto.caller, make_auditor().caller, mara.client):
        with pytest.raises(Denied):
            describing.describe(mara.entity, text="x", by=by)
        with pytest.raises(Denied):
            describing.set_default_private(mara.entity, private=True, by=by)
    mara.entity.refresh_from_db()
    assert (mara.entity.description, mara.entity.default_private) == ("", False)


def test_a_description_has_an_end(mara: Person) -> None:
    with pytest.raises(Invalid, match="4,000 characters at most"):
        describing.describe(mara.entity, text="x" * 4001, by=mara.caller)


def test_what_a_push_makes_from_now_on_is_private(mara: Person) -> None:
    before = make_collection(mara.entity, "before", mara)
    describing.set_default_private(mara.entity, private=True, by=mara.caller)
    describing.set_default_private(mara.entity, private=True, by=mara.caller)
    after = make_collection(mara.entity, "after", mara)
    assert (before.visibility, after.visibility) == ("public", "private")
    assert Collection.objects.get(name="before").visibility == "public"
    assert Event.objects.get(action="entity.default_private").detail == {"private": True}


def test_each_place_has_a_readme_of_its_own(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    places = (mara.entity, tools, make_container(tools, "gcc", mara))
    for place in places:
        assert describing.readme_of(place) == ""
        describing.write_readme(place, text=f"# {place}\r\n\rof ours\n", by=mara.caller)
        describing.write_readme(place, text=f"# {place}\n\nof ours\n", by=mara.caller)
    assert [describing.readme_of(place) for place in places] == [
        f"# {place}\n\nof ours\n" for place in places
    ]
    made = Event.objects.filter(action__endswith=".readme").order_by("id")
    assert [(event.action, event.name, event.detail) for event in made] == [
        ("entity.readme", "mara", {"characters": 16}),
        ("collection.readme", "mara/tools", {"characters": 22}),
        ("container.readme", "mara/tools/gcc", {"characters": 26}),
    ]


def test_an_empty_readme_is_none(mara: Person) -> None:
    describing.write_readme(mara.entity, text="text", by=mara.caller)
    describing.write_readme(mara.entity, text=" \n ", by=mara.caller)
    assert describing.readme_of(mara.entity) == ""
    assert not Readme.objects.exists()
    describing.write_readme(mara.entity, text="", by=mara.caller)
    assert Event.objects.filter(action="entity.readme").count() == 2


@pytest.mark.parametrize(
    ("text", "why"), [("x" * 100_001, "100,000 characters at most"), ("a\0b", "no NUL")]
)
def test_a_readme_that_cannot_be_kept_changes_nothing(mara: Person, text: str, why: str) -> None:
    describing.write_readme(mara.entity, text="before", by=mara.caller)
    with pytest.raises(Invalid, match=why):
        describing.write_readme(mara.entity, text=text, by=mara.caller)
    assert describing.readme_of(mara.entity) == "before"
    describing.write_readme(mara.entity, text="x" * 100_000, by=mara.caller)


def test_who_may_only_push_or_see_writes_no_readme(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    for by in (otto.caller, make_auditor().caller, mara.client):
        with pytest.raises(Denied):
            describing.write_readme(mara.entity, text="x", by=by)
    assert not Readme.objects.exists()


def test_a_readme_is_of_exactly_one_place(mara: Person) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    for places in ({}, {"entity": mara.entity, "collection": tools}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Readme.objects.create(text="x", **places)


def test_no_answer_to_a_client_fetches_a_readme(mara: Person) -> None:
    """Its table is asked by name only: none of the statements of pushes and pulls has it."""
    tools = make_collection(mara.entity, "tools", mara)
    make_container(tools, "gcc", mara)
    queries: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        namespaces.find_container("mara", "tools", "gcc", by=mara.client)
    statements = (images.IMAGE_BY_DIGEST, images.IMAGE_BY_ID, images.TAGS_BY_NAME)
    queries += [statement._compiled.sql for statement in statements]
    assert len(queries) > 3
    assert not [sql for sql in queries if "readme" in sql]
