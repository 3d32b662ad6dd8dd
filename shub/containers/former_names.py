"""Former names: what is called otherwise now, found by what it was called.

Of what was renamed the names before are kept, and lead to it as long as nothing that is there has
them. Something new that is called so takes the name over, for good.
"""

from dataclasses import replace
from typing import TypeAlias

from django.db.models import QuerySet, Value

from shub.accounts.models import Entity
from shub.containers.models import (
    Collection,
    Container,
    FormerCollectionName,
    FormerContainerName,
    not_removed,
)
from shub.containers.refs import LibraryRef
from shub.names import folded
from shub.rows import first

Path: TypeAlias = tuple[str, str, str]

# What is called so names nothing.
NOWHERE: Path = ("", "", "")


def present_path(entity: str, collection: str, container: str = "") -> Path:
    """What the container, or without one the collection, is called now, which was called so before.

    Each part may be a name of before. NOWHERE where there is none, and where all parts are of
    today. As many queries whatever is found, one for each of the two: it is asked for what is
    hidden and for what is missing, so that time does not tell them apart.
    """
    asked = (folded(entity), folded(collection), folded(container))
    key, entity, collection = _collection(asked[0], asked[1])
    path = (entity, collection, _container(key, asked[2]) if container else "")
    is_there = bool(path[2]) if container else bool(key)
    return path if is_there and path != asked else NOWHERE


def present_ref(ref: LibraryRef) -> LibraryRef:
    """The reference by the names of today, as `present_path` says."""
    entity, collection, container = present_path(ref.entity, ref.collection, ref.container)
    return replace(ref, entity=entity, collection=collection, container=container)


def _collection(entity: str, collection: str) -> tuple[int, str, str]:
    """The key of the collection that is called so, or else was; and its names of today."""
    # What is called so now goes before what was; each way has an index of its own.
    ways = [(of, by) for of in ("", "former_names__") for by in ("name", "former_names__name")]
    ranked = [
        Collection.objects.filter(
            not_removed(""), **{f"{of}entity__{by}": entity, f"{of}name": collection}
        )
        .annotate(rank=Value(rank))
        .values_list("rank", "pk", "entity__name", "name")
        for rank, (of, by) in enumerate(ways)
    ]
    found = ranked[0].union(*ranked[1:], all=True).order_by("rank")
    for _, key, *names in found[:1]:
        return (key, names[0], names[1])
    return (0, "", "")


def _container(collection: int, container: str) -> str:
    """What the container is called now that is called so in the collection, or else was."""
    there = Container.objects.filter(not_removed(""), collection=collection)
    now = there.filter(name=container)
    before = there.filter(former_names__collection=collection, former_names__name=container)
    ranked = [
        rows.annotate(rank=Value(rank)).values_list("rank", "name")
        for rank, rows in enumerate((now, before))
    ]
    for _, name in ranked[0].union(ranked[1], all=True).order_by("rank")[:1]:
        return str(name)
    return ""


def collection_once_called(name: str, entity: Entity) -> Collection | None:
    """The collection of the entity that was called so, and is there."""
    there = Collection.objects.select_related("entity").filter(not_removed(""), entity=entity)
    return first(there.filter(former_names__entity=entity, former_names__name=name))


def container_once_called(name: str, collection: Collection) -> Container | None:
    """The container of the collection that was called so, and is there."""
    there = Container.objects.filter(not_removed(""), collection=collection)
    return first(there.filter(former_names__collection=collection, former_names__name=name))


def take_over(place: Collection | Container) -> None:
    """Have the name that the place has mean it alone, from now on."""
    _within(place).filter(name=place.name).delete()


def keep(place: Collection | Container, *, before: str) -> None:
    """Have what the place was called lead to it, and what it is called now mean it alone.

    In the transaction of who renames it, once the database has let it have the name.
    """
    _within(place).filter(name__in=[before, place.name]).delete()
    if isinstance(place, Collection):
        place.former_names.create(name=before, entity_id=place.entity_id)
    else:
        place.former_names.create(name=before, collection_id=place.collection_id)


def _within(
    place: Collection | Container,
) -> "QuerySet[FormerCollectionName] | QuerySet[FormerContainerName]":
    """The former names of all that is in what the place is in."""
    if isinstance(place, Collection):
        return FormerCollectionName.objects.filter(entity=place.entity_id)
    return FormerContainerName.objects.filter(collection=place.collection_id)
