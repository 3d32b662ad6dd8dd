"""Robots: accounts for CI, of an entity or a team and of no person. They act by their tokens only.

A robot of an entity has the role there that it was given; one of a team may do what the team's
members may. Its sign-in name is `ENTITY/NAME`, or `@TEAM/NAME`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from django.db import IntegrityError, transaction
from django.db.models import Max, Q, QuerySet

from shub.accounts import teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, Token, User
from shub.accounts.models.user import ROBOT_MARK
from shub.audit import trail
from shub.containers.admission import check_may_look_into, check_may_manage, check_may_own
from shub.containers.models import Grant, Role
from shub.containers.permissions import may_manage
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.names import check_name, folded
from shub.rows import first

# Of a sign-in name, which a robot's is made of two names.
NAME_LENGTH = 150


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
    if len(username) > NAME_LENGTH:
        raise Invalid(f"{username!r} is too long for a robot's name. Choose a shorter one.")
    try:
        with transaction.atomic():
            robot = User(username=username, **_of(home))
            robot.set_unusable_password()
            robot.save(force_insert=True)
            if isinstance(home, Entity):
                Grant.objects.create(entity=home, user=robot, role=role)
            given = Role(role).name.lower() if isinstance(home, Entity) else ""
            _record("robot.created", robot, home, by=by, role=given)
    except IntegrityError:
        raise Conflict(f"There is a robot {username!r} already.") from None
    return robot


def may_keep(home: Entity | Team, *, by: Caller) -> bool:
    """Make robots there, give them tokens, remove them."""
    if by.token is not None:
        return False
    return teams.may_decide(by, home) if isinstance(home, Team) else may_manage(by, home)


def seen(home: Entity | Team, *, by: Caller) -> QuerySet[User]:
    """The robots, each with `used_at`: when one of its tokens was used last.

    For those who keep them and those who see everything; Denied to others.
    """
    _check_may_look(home, by=by)
    return of(home).annotate(used_at=Max("tokens__last_used_at"))


def of(home: Entity | Team) -> QuerySet[User]:
    """The robots of an entity or a team."""
    return User.objects.filter(**_of(home), is_active=True).order_by("username")


def find(home: Entity | Team, name: str, *, by: Caller) -> User:
    """The robot, to those who keep it or see everything; Denied to others."""
    _check_may_look(home, by=by)
    robot = first(of(home).filter(username=f"{_prefix(home)}{ROBOT_MARK}{folded(name)}"))
    if robot is None:
        raise NotFound(f"There is no robot {name!r} here.")
    return robot


def remove(*, home: Entity | Team, robot: User, by: Caller) -> None:
    """End the robot: its tokens at once, its roles with it. What it pushed stays."""
    check_may_keep(robot, by=by)
    with transaction.atomic():
        _record("robot.removed", robot, home, by=by)
        Token.objects.filter(user=robot).delete()
        robot.delete()


def issue_token(
    *,
    robot: User,
    name: str,
    expires_at: datetime | None,
    scopes: Sequence[str],
    entity: Entity | None = None,
    collection: str = "",
    by: Caller,
) -> str:
    """Make a token for the robot; its text, which is never to be had again."""
    check_may_keep(robot, by=by)
    _, text = tokens.issue(
        user=robot,
        name=name,
        expires_at=expires_at,
        scopes=scopes,
        entity=entity,
        collection=collection,
        by=by,
    )
    return text


def revoke_token(*, robot: User, public_id: str, by: Caller) -> None:
    """End one of the robot's tokens, at once and for good; again is no error."""
    check_may_keep(robot, by=by)
    tokens.revoke(public_id=public_id, user=robot, by=by)


def check_may_keep(robot: User, *, by: Caller) -> None:
    """Denied to all but those who may keep it: they make its tokens too.

    Of a robot that owns the entity, or a collection in it, only owners: whoever has its token has
    its rights.
    """
    home = robot.robot_entity or robot.robot_team
    if home is None:
        raise NotFound("There is no such robot.")
    _check_may_keep(home, by=by)
    if isinstance(home, Entity):
        here = Q(entity=home) | Q(collection__entity=home)
        if Grant.objects.filter(here, user=robot, role=Role.OWNER).exists():
            check_may_own(by, home)


def roles(home: Entity | Team) -> dict[int, Role]:
    """The role on the entity of each of its robots, by the robot's key; a team's have none."""
    if isinstance(home, Team):
        return {}
    granted = Grant.objects.filter(entity=home, user__robot_entity=home)
    return {robot: Role(role) for robot, role in granted.values_list("user_id", "role")}


def name_of(robot: User) -> str:
    """What it is called where it belongs.

    >>> name_of(User(username="@lab/ci"))
    'ci'
    """
    return robot.username.partition(ROBOT_MARK)[2]


def _check_may_look(home: Entity | Team, *, by: Caller) -> None:
    if by.token is not None:
        _refuse_token()
    if isinstance(home, Entity):
        check_may_look_into(by, home)
    elif not by.known.sees_everything:
        teams.check_may_decide(by, home)


def _check_may_keep(home: Entity | Team, *, by: Caller) -> None:
    if by.token is not None:
        _refuse_token()
    if isinstance(home, Team):
        teams.check_may_decide(by, home)
    else:
        check_may_manage(by, home)


def _refuse_token() -> NoReturn:
    raise Denied("Robots are managed by who is signed in to the pages, not by tokens.")


def _prefix(home: Entity | Team) -> str:
    return home.name if isinstance(home, Entity) else f"@{home.name}"


def _of(home: Entity | Team) -> dict[str, Entity | Team]:
    return {"robot_entity" if isinstance(home, Entity) else "robot_team": home}


def _record(action: str, robot: User, home: Entity | Team, *, by: Caller, **detail: str) -> None:
    entity = home if isinstance(home, Entity) else first(Entity.objects.filter(team=home))
    trail.record(
        action,
        kind="user",
        public_id=robot.public_id,
        name=robot.username,
        entity=entity.public_id if entity else "",
        by=by,
        **detail,
    )
