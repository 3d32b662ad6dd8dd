"""Robots: accounts for CI, of an entity or a team and of no person. They act by their tokens only.

A robot of an entity has the role there that it was given; one of a team may do what the team's
members may. Its sign-in name is `ENTITY/NAME`, or `@TEAM/NAME`.
"""

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from shub.accounts import teams
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, Token, User
from shub.accounts.models.user import ROBOT_MARK
from shub.audit import trail
from shub.containers.models import Grant, Role
from shub.containers.permissions import check_may_manage, check_may_own
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.names import check_name, folded
from shub.rows import first


def create(*, home: Entity | Team, name: str, role: int, by: Caller) -> User:
    """Make a robot. `role` is what it has on the entity; for a team's robot it says nothing.

    Those who manage the entity may, up to their own role, and the team's owners.
    """
    _check_may_keep(home, by=by)
    name = folded(name.strip())
    check_name(name, "robot")
    if isinstance(home, Entity):
        if role not in Role.values:
            raise Invalid("This is no role: expected reader, writer, maintainer or owner.")
        if role == Role.OWNER:
            check_may_own(by, home)
    username = f"{_prefix(home)}{ROBOT_MARK}{name}"
    try:
        with transaction.atomic():
            robot = User(username=username, **_of(home))
            robot.set_unusable_password()
            robot.save(force_insert=True)
            if isinstance(home, Entity):
                Grant.objects.create(entity=home, user=robot, role=role)
            _record("robot.created", robot, home, by=by)
    except IntegrityError:
        raise Conflict(f"There is a robot {username!r} already.") from None
    return robot


def of(home: Entity | Team) -> QuerySet[User]:
    """The robots of an entity or a team."""
    return User.objects.filter(**_of(home), is_active=True).order_by("username")


def find(home: Entity | Team, name: str, *, by: Caller) -> User:
    """The robot, to those who may keep it; NotFound for others."""
    _check_may_keep(home, by=by)
    robot = first(of(home).filter(username=f"{_prefix(home)}{ROBOT_MARK}{folded(name)}"))
    if robot is None:
        raise NotFound(f"There is no robot {name!r} here.")
    return robot


def remove(*, home: Entity | Team, robot: User, by: Caller) -> None:
    """End the robot: its tokens at once, its roles with it. What it pushed stays."""
    _check_may_keep(home, by=by)
    with transaction.atomic():
        _record("robot.removed", robot, home, by=by)
        Token.objects.filter(user=robot).delete()
        robot.delete()


def check_may_keep(robot: User, *, by: Caller) -> None:
    """Denied to all but those who may keep it: they make its tokens too."""
    home = robot.robot_entity or robot.robot_team
    if home is None:
        raise NotFound("There is no such robot.")
    _check_may_keep(home, by=by)


def _check_may_keep(home: Entity | Team, *, by: Caller) -> None:
    if by.token is not None:
        raise Denied("Robots are managed by who is signed in to the pages, not by tokens.")
    if isinstance(home, Team):
        teams.check_may_decide(by, home)
    else:
        check_may_manage(by, home)


def _prefix(home: Entity | Team) -> str:
    return home.name if isinstance(home, Entity) else f"@{home.name}"


def _of(home: Entity | Team) -> dict[str, Entity | Team]:
    return {"robot_entity" if isinstance(home, Entity) else "robot_team": home}


def _record(action: str, robot: User, home: Entity | Team, *, by: Caller) -> None:
    entity = home if isinstance(home, Entity) else first(Entity.objects.filter(team=home))
    trail.record(
        action,
        kind="user",
        public_id=robot.public_id,
        name=robot.username,
        entity=entity.public_id if entity else "",
        by=by,
    )
