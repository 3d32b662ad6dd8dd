"""Describing: what an entity, a collection or a container is said to be for."""

from typing import Any

from django.db import transaction

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.audit import trail
from shub.containers.admission import check_may_manage
from shub.containers.models import Collection, Container
from shub.containers.permissions import Place
from shub.errors import Invalid

LONGEST = 4000


def describe(place: Place, *, text: str, by: Caller) -> None:
    """Say what the place is for, instead of what was said before; an empty text says nothing."""
    check_may_manage(by, place)
    text = text.replace("\r\n", "\n").strip()
    if len(text) > LONGEST:
        raise Invalid(f"A description has {LONGEST:,} characters at most.")
    with transaction.atomic():
        locked = type(place).objects.select_for_update(no_key=True).get(pk=place.pk)
        place.description = text
        if locked.description == text:
            return
        place.save(update_fields=["description"])
        _record("described", place, by=by)


def set_default_private(entity: Entity, *, private: bool, by: Caller) -> None:
    """Have the collections that a push makes in the entity be private, or not; none that is there
    already changes."""
    check_may_manage(by, entity)
    with transaction.atomic():
        locked = Entity.objects.select_for_update(no_key=True).get(pk=entity.pk)
        entity.default_private = private
        if locked.default_private == private:
            return
        entity.save(update_fields=["default_private"])
        _record("default_private", entity, by=by, private=private)


def _record(what: str, place: Place, *, by: Caller, **detail: Any) -> None:
    kind = type(place).__name__.lower()
    trail.record(
        f"{kind}.{what}",
        kind=kind,
        public_id=place.public_id,
        name=str(place),
        entity=_entity_of(place).public_id,
        by=by,
        **detail,
    )


def _entity_of(place: Place) -> Entity:
    if isinstance(place, Container):
        return place.collection.entity
    return place.entity if isinstance(place, Collection) else place
