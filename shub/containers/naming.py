"""Naming: what entities, collections and containers are called.

The names that an entity had stay its own until one is released. Those of the other two lead to them
until something new takes one (`shub.containers.former_names`).
"""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from shub.accounts.administrators import check_administrator
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, FormerName, Token, User
from shub.accounts.models.user import ROBOT_MARK
from shub.containers import former_names, recording
from shub.containers.admission import check_may_manage, check_may_own
from shub.containers.models import Collection, Container, Tag, not_removed
from shub.containers.recording import kind_of
from shub.errors import Conflict, NotFound
from shub.names import check_name, folded
from shub.public_ids import new_public_id
from shub.rows import first, in_transaction

# A sign-in name's, which a robot's begins with its entity's name.
USERNAME_LENGTH = 150


def rename(entity: Entity, *, to: str, by: Caller | None) -> Entity:
    """Call the entity by another name; the entity as it then is. The same again is no error.

    The name that it has now is kept: clients are answered by it as by the new one, and nobody else
    can take it. The sign-in names of the entity's robots follow; their tokens stay. By owners, and
    by administrators; None is whoever is at the server's own terminal.
    """
    if by is not None:
        check_may_own(by, entity)
    to = folded(to.strip())
    check_name(to, "entity")
    try:
        with transaction.atomic():
            # The name is a key: so nothing is made in the entity while it changes.
            locked = Entity.objects.select_for_update().get(pk=entity.pk)
            before = locked.name
            if before == to:
                return locked
            _check_may_change(locked)
            FormerName.objects.filter(entity=locked, name=to).delete()
            locked.name = to
            locked.save(update_fields=["name"])
            FormerName.objects.create(name=before, entity=locked)
            robots = _rename_robots(locked)
            recording.record(
                "entity.renamed",
                locked,
                by=by,
                before=before,
                after=to,
                robots=robots,
            )
    except IntegrityError:
        raise Conflict(
            f"The name {to!r} is taken: an entity has it, or had it. Choose another one."
        ) from None
    return locked


def _check_may_change(entity: Entity) -> None:
    if entity.retired_at is not None:
        raise Conflict(f"The account of {entity} was deleted: it is called so for good.")
    if entity.name == settings.DEFAULT_ENTITY:
        raise Conflict(
            f"{entity} is what references without an entity mean: DEFAULT_ENTITY says so."
        )


def _rename_robots(entity: Entity) -> int:
    robots = list(User.objects.select_for_update(no_key=True).filter(robot_entity=entity))
    for robot in robots:
        name = robot.username.rpartition(ROBOT_MARK)[2]
        robot.username = f"{entity.name}{ROBOT_MARK}{name}"
        if len(robot.username) > USERNAME_LENGTH:
            raise Conflict(
                f"The robot {name!r} would have a sign-in name of more than {USERNAME_LENGTH} "
                "characters. Choose a shorter name, or remove the robot first."
            )
    User.objects.bulk_update(robots, ["username"])
    return len(robots)


def rename_place(place: Collection | Container, *, to: str, by: Caller) -> Collection | Container:
    """Call the collection or the container by another name; it as it then is. The same again is no
    error.

    The name that it has now leads to it until something new is called so. Tokens that are bound to
    a collection follow. Conflict where the name is taken by what is there, and where something is
    frozen: references to that stay. A collection's by its owners, a container's by maintainers.
    """
    if place.is_removed:
        raise _missing(place)
    if isinstance(place, Container):
        check_may_manage(by, place)
    else:
        check_may_own(by, place)
    to = folded(to.strip())
    check_name(to, kind_of(place))
    done: list[Collection | Container] = []
    try:
        in_transaction(lambda: done.append(_rename_place(place, to=to, by=by)))
    except IntegrityError:
        raise _taken(place, to) from None
    return done[-1]


def _rename_place(place: Collection | Container, *, to: str, by: Caller) -> Collection | Container:
    locked = _locked(place)
    before = locked.name
    if before == to:
        return locked
    _check_nobodys_default(locked)
    _check_nothing_frozen(locked)
    if _beside(locked).filter(name=to).exists():
        raise _taken(locked, to)
    locked.name = to
    locked.save(update_fields=["name"])
    former_names.keep(locked, before=before)
    detail: dict[str, Any] = {}
    if isinstance(locked, Collection):
        bound = Token.objects.filter(entity=locked.entity, collection=before)
        detail["tokens"] = bound.update(collection=to)
    recording.record(f"{kind_of(locked)}.renamed", locked, by=by, before=before, after=to, **detail)
    return locked


def _locked(place: Collection | Container) -> Collection | Container:
    """The place as it is now. A container with its collection, as who freezes or removes either
    locks that. What is made beside it meanwhile the database holds apart: a name is there once."""
    collection_id = place.pk if isinstance(place, Collection) else place.collection_id
    there = not_removed("")
    collection = first(
        Collection.objects.select_for_update(no_key=True).filter(there, pk=collection_id)
    )
    if collection is None:
        raise _missing(place)
    if isinstance(place, Collection):
        return collection
    container = first(Container.objects.select_for_update(no_key=True).filter(there, pk=place.pk))
    if container is None:
        raise _missing(place)
    container.collection = collection
    return container


def _beside(place: Collection | Container) -> QuerySet[Collection] | QuerySet[Container]:
    """All that is there in what the place is in."""
    if isinstance(place, Collection):
        return Collection.objects.filter(not_removed(""), entity=place.entity_id)
    return Container.objects.filter(not_removed(""), collection=place.collection_id)


def _check_nobodys_default(place: Collection | Container) -> None:
    if isinstance(place, Collection) and (place.entity.name, place.name) == (
        settings.DEFAULT_ENTITY,
        settings.DEFAULT_COLLECTION,
    ):
        raise Conflict(
            f"{place} is what references without a collection mean: DEFAULT_COLLECTION says so."
        )


def _check_nothing_frozen(place: Collection | Container) -> None:
    """Conflict where it, or something in it, is to stay as it is: so is what it is called."""
    if isinstance(place, Collection):
        containers = Container.objects.filter(not_removed(""), collection=place)
    else:
        containers = Container.objects.filter(pk=place.pk)
    frozen = first(containers.filter(is_frozen=True).select_related("collection__entity"))
    if frozen is not None:
        raise Conflict(
            f"{frozen} is frozen: references to it stay as they are, and so do the names in them. "
            "Ask a maintainer to unfreeze it first."
        )
    tags = Tag.objects.filter(container__in=containers, is_frozen=True)
    tag = first(tags.select_related("container__collection__entity"))
    if tag is not None:
        raise Conflict(
            f"The tag {tag.container}:{tag.name} is frozen: references to it stay as they are, and "
            "so do the names in them. Ask a maintainer to unfreeze it first."
        )


def _taken(place: Collection | Container, name: str) -> Conflict:
    return Conflict(
        f"The name {name!r} is taken: another {kind_of(place)} here is called so. Choose another "
        "one."
    )


def _missing(place: Collection | Container) -> NotFound:
    return NotFound(f"There is no such {kind_of(place)}, or you may not see it.")


def release(name: str, *, by: Caller | None) -> None:
    """Let anybody take a name that an entity had, or that a deleted account's entity has.

    References by it then find nothing, until somebody takes it: then they mean what is there. By
    administrators; None is whoever is at the server's own terminal.
    """
    if by is not None:
        check_administrator(by)
    name = folded(name.strip())
    with transaction.atomic():
        entity = _release_former(name) or _release_retired(name)
        if entity is None:
            raise NotFound(f"There is no name {name!r} that is kept for nobody.")
        recording.record("name.released", entity, by=by, name=name)


def _release_former(name: str) -> Entity | None:
    former = first(FormerName.objects.select_for_update().filter(name=name))
    if former is None:
        return None
    former.delete()
    return former.entity


def _release_retired(name: str) -> Entity | None:
    """The entity stays as a row, for the history that names it, under a name that says so."""
    retired = Entity.objects.select_for_update().filter(name=name, retired_at__isnull=False)
    entity = first(retired)
    if entity is None:
        return None
    # Nobody can have taken it to be in the way.
    entity.name = f"retired-{new_public_id()}"
    entity.save(update_fields=["name"])
    return entity
