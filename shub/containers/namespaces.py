"""Namespaces: entities, collections and containers, found for readers and made for pushers.

A push looks for each of the three in turn and makes what it does not find; every client does so
anew on each push, two at once too. So making is idempotent: what is there is the answer.
"""

from django.conf import settings

from shub.accounts.models import Entity, User
from shub.containers.models import Collection, Container
from shub.containers.permissions import (
    Caller,
    check_may_push,
    may_view,
    may_view_entity,
    refuse_push,
)
from shub.errors import NotFound
from shub.names import check_name, folded
from shub.rows import first

# What clients send as a description when nobody has written one.
FILLER = "no description"


def find_entity(name: str, *, by: Caller) -> Entity:
    """The entity, if the caller may push into it or see anything in it; else NotFound."""
    entity = first(Entity.objects.filter(name=folded(name)))
    if entity is not None and may_view_entity(by, entity):
        return entity
    raise NotFound(f"There is no entity {name!r}, or you may not see it.")


def find_collection(entity: str, collection: str, *, by: Caller) -> Collection:
    """The collection, if the caller may see it; else NotFound."""
    found = first(
        Collection.objects.select_related("entity").filter(
            entity__name=folded(entity), name=folded(collection)
        )
    )
    if found is None or not may_view(by, found):
        raise NotFound(f"There is no collection {entity}/{collection}, or you may not see it.")
    return found


def find_container(entity: str, collection: str, container: str, *, by: Caller) -> Container:
    """The container, if the caller may see it; else NotFound."""
    found = first(
        Container.objects.select_related("collection__entity").filter(
            collection__entity__name=folded(entity),
            collection__name=folded(collection),
            name=folded(container),
        )
    )
    if found is None or not may_view(by, found.collection):
        raise NotFound(
            f"There is no container {entity}/{collection}/{container}, or you may not see it."
        )
    return found


def visible_container(public_id: str, *, by: Caller) -> Container:
    """The container of this id, if the caller may see it; else NotFound."""
    found = first(
        Container.objects.select_related("collection__entity").filter(public_id=public_id)
    )
    if found is None or not may_view(by, found.collection):
        raise NotFound("There is no such container, or you may not see it.")
    return found


def pushable_container(public_id: str, *, by: User) -> Container:
    """The container of this id, if the caller may push there; else refused, whichever it is."""
    found = first(
        Container.objects.select_related("collection__entity").filter(public_id=public_id)
    )
    if found is None:
        refuse_push(by)
    check_may_push(by, found.collection.entity)
    return found


def ensure_entity(name: str, *, by: User) -> Entity:
    """The entity to push into. None is ever made by a push: entities come with their users."""
    entity = first(Entity.objects.filter(name=folded(name)))
    if entity is None:
        refuse_push(by)
    check_may_push(by, entity)
    return entity


def ensure_collection(*, entity_id: str, name: str, description: str, by: User) -> Collection:
    """The collection of this name in the entity, made if it is missing."""
    entity = first(Entity.objects.filter(public_id=entity_id))
    if entity is None:
        refuse_push(by)
    check_may_push(by, entity)
    name = folded(name)
    check_name(name, "collection")
    private = settings.DEFAULT_PRIVATE or entity.default_private
    collection, _ = Collection.objects.get_or_create(
        entity=entity,
        name=name,
        defaults={
            "description": without_filler(description),
            "visibility": (
                Collection.Visibility.PRIVATE if private else Collection.Visibility.PUBLIC
            ),
            "created_by": by,
        },
    )
    collection.entity = entity
    return collection


def ensure_container(*, collection_id: str, name: str, description: str, by: User) -> Container:
    """The container of this name in the collection, made if it is missing."""
    collection = first(Collection.objects.select_related("entity").filter(public_id=collection_id))
    if collection is None:
        refuse_push(by)
    check_may_push(by, collection.entity)
    name = folded(name)
    check_name(name, "container")
    container, _ = Container.objects.get_or_create(
        collection=collection,
        name=name,
        defaults={"description": without_filler(description), "created_by": by},
    )
    container.collection = collection
    return container


def without_filler(description: str) -> str:
    """The description, or nothing where it is the clients' filler.

    >>> without_filler("No Description"), without_filler("Tools")
    ('', 'Tools')
    """
    description = description.strip()
    return "" if description.lower() == FILLER else description
