"""Namespaces: entities, collections and containers, found for readers and made for pushers.

A push looks for each of the three in turn and makes what it does not find; every client does so
anew on each push, two at once too. So making is idempotent: what is there is the answer.
"""

from django.conf import settings
from django.db import transaction

from shub.accounts.callers import Caller
from shub.accounts.entities import entity_named
from shub.accounts.models import Entity
from shub.containers import former_names, recording
from shub.containers.admission import entity_for, pushable
from shub.containers.models import Collection, Container, Visibility, not_removed
from shub.containers.permissions import may_push, may_view, may_view_entity
from shub.errors import NotFound
from shub.names import check_name, folded
from shub.rows import first

# What clients send as a description when nobody has written one.
FILLER = "no description"


def find_entity(name: str, *, by: Caller) -> Entity:
    """The entity, if the caller may push into it or see anything in it; else NotFound."""
    entity = entity_named(name)
    if may_view_entity(by, entity) and entity is not None:
        return entity
    raise NotFound(f"There is no entity {name!r}, or you may not see it.")


def find_collection(entity: str, collection: str, *, by: Caller) -> Collection:
    """The collection, if the caller may see it; else NotFound."""
    found = _collection(entity, collection, by=by)
    if found is None:
        found = _collection(*former_names.present_path(entity, collection)[:2], by=by)
    if found is None:
        raise NotFound(f"There is no collection {entity}/{collection}, or you may not see it.")
    return found


def _collection(entity: str, collection: str, *, by: Caller) -> Collection | None:
    """Asked for nothing too, where the names were none's before: a no takes as long either way."""
    found = first(
        Collection.objects.select_related("entity").filter(
            not_removed(""), entity__name=folded(entity), name=folded(collection)
        )
    )
    return found if may_view(by, found) else None


def find_container(entity: str, collection: str, container: str, *, by: Caller) -> Container:
    """The container, if the caller may see it; else NotFound."""
    found = _container(entity, collection, container, by=by)
    if found is None:
        path = former_names.present_path(entity, collection, container)
        found = _container(*path, by=by)
    if found is None:
        raise NotFound(
            f"There is no container {entity}/{collection}/{container}, or you may not see it."
        )
    return found


def _container(entity: str, collection: str, container: str, *, by: Caller) -> Container | None:
    found = first(
        Container.objects.select_related("collection__entity").filter(
            not_removed("", "collection"),
            collection__entity__name=folded(entity),
            collection__name=folded(collection),
            name=folded(container),
        )
    )
    return found if may_view(by, found) else None


def visible_container(public_id: str, *, by: Caller) -> Container:
    """The container of this id, if the caller may see it; else NotFound."""
    found = first(
        Container.objects.select_related("collection__entity").filter(public_id=public_id)
    )
    if not may_view(by, found) or found is None:
        raise NotFound("There is no such container, or you may not see it.")
    return found


def pushable_container(public_id: str, *, by: Caller) -> Container:
    """The container of this id, if the caller may push there; else refused, whichever it is."""
    found = Container.objects.select_related("collection__entity").filter(public_id=public_id)
    return pushable(by, first(found))


def ensure_entity(name: str, *, by: Caller) -> Entity:
    """The entity to push into. None is ever made by a push: entities come with their users."""
    bound_to = by.token.collection if by.token else ""
    return entity_for(by, entity_named(name), collection=bound_to)


def ensure_collection(*, entity_id: str, name: str, description: str, by: Caller) -> Collection:
    """The collection of this name in the entity, or that had it and may be pushed into; made if it
    is missing."""
    name = folded(name)
    found = first(Entity.objects.filter(public_id=entity_id))
    entity = entity_for(by, found, collection=name)
    check_name(name, "collection")
    present = Collection.objects.filter(not_removed(""), entity=entity, name=name)
    collection = first(present) or _once_called(name, entity, by=by)
    if collection is None:
        collection = _make_collection(entity, name, description, by=by)
    collection.entity = entity
    return collection


def _once_called(name: str, entity: Entity, *, by: Caller) -> Collection | None:
    """Not to a token that is bound to the name since: that is for something new."""
    found = former_names.collection_once_called(name, entity)
    return found if found is not None and may_push(by, found) else None


def _make_collection(entity: Entity, name: str, description: str, *, by: Caller) -> Collection:
    private = settings.DEFAULT_PRIVATE or entity.default_private
    with transaction.atomic():
        collection, made = Collection.objects.get_or_create(
            entity=entity,
            name=name,
            removed_at=None,
            defaults={
                "description": without_filler(description),
                "visibility": Visibility.PRIVATE if private else Visibility.PUBLIC,
                "created_by": by.user,
            },
        )
        if made:
            former_names.take_over(collection)
            _record_made(collection, by=by, visibility=collection.visibility)
    return collection


def ensure_container(*, collection_id: str, name: str, description: str, by: Caller) -> Container:
    """The container of this name in the collection, or that had it; made if it is missing."""
    found = Collection.objects.select_related("entity").filter(public_id=collection_id)
    collection = pushable(by, first(found))
    name = folded(name)
    check_name(name, "container")
    present = Container.objects.filter(not_removed(""), collection=collection, name=name)
    container = first(present) or former_names.container_once_called(name, collection)
    if container is None:
        container = _make_container(collection, name, description, by=by)
    container.collection = collection
    return container


def _make_container(
    collection: Collection, name: str, description: str, *, by: Caller
) -> Container:
    with transaction.atomic():
        container, made = Container.objects.get_or_create(
            collection=collection,
            name=name,
            removed_at=None,
            defaults={"description": without_filler(description), "created_by": by.user},
        )
        if made:
            former_names.take_over(container)
            _record_made(container, by=by)
    return container


def _record_made(made: Collection | Container, *, by: Caller, **detail: str) -> None:
    recording.record(f"{recording.kind_of(made)}.created", made, by=by, **detail)


def without_filler(description: str) -> str:
    """The description, or nothing where it is the clients' filler.

    >>> without_filler("No Description"), without_filler("Tools")
    ('', 'Tools')
    """
    description = description.strip()
    return "" if description.lower() == FILLER else description
