"""Naming: what an entity is called. The names that it had stay its own until one is released."""

from django.conf import settings
from django.db import IntegrityError, transaction

from shub.accounts.administrators import check_administrator
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, FormerName, User
from shub.accounts.models.user import ROBOT_MARK
from shub.audit import trail
from shub.containers.admission import check_may_own
from shub.errors import Conflict, NotFound
from shub.names import check_name, folded
from shub.public_ids import new_public_id
from shub.rows import first

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
            trail.record(
                "entity.renamed",
                kind="entity",
                public_id=locked.public_id,
                name=to,
                entity=locked.public_id,
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
        trail.record(
            "name.released",
            kind="entity",
            public_id=entity.public_id,
            name=name,
            entity=entity.public_id,
            by=by,
        )


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
