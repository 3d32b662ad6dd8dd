"""Describing: by who manages the place, written down, and no more than is asked."""

import pytest

from shub.audit.models import Event
from shub.containers import describing, granting
from shub.containers.models import Collection, Role
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
