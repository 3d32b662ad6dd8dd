"""Granting: who gets which role on an entity or a collection, and who loses it."""

from dataclasses import dataclass

from django.db import transaction

from shub.accounts import teams
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, User
from shub.accounts.models.user import ROBOT_MARK
from shub.accounts.users import user_named
from shub.containers import recording
from shub.containers.admission import check_may_manage, check_may_own, check_writable
from shub.containers.models import Collection, Grant, Role
from shub.containers.permissions import (
    may_look_into,
    may_manage,
    may_own,
    may_view_entity,
    role_on,
    teams_of,
)
from shub.errors import Denied, Invalid, NotFound
from shub.rows import first


@dataclass(frozen=True)
class Member:
    """A role that somebody has in a place, and where it comes from.

    `holder` is a sign-in name, or a team's name with an `@` before it. Only what was granted in
    this very place has a `grant_id`.
    """

    holder: str
    role: Role
    source: str
    grant_id: int | None = None
    may_change: bool = False
    may_give_up: bool = False


def may_see_members(place: Entity | Collection, *, by: Caller) -> bool:
    """See who has a role there: all of them, or as a lesser member oneself only."""
    if may_look_into(by, place):
        return True
    return by.signed_in is not None and role_on(by.signed_in, place) > 0


def members(place: Entity | Collection, *, by: Caller) -> list[Member]:
    """Who has which role in the place, the highest first; administrators apart.

    Whoever neither manages it nor sees everything gets only what they have themselves, in person or
    by a team. Denied to those who have nothing there.
    """
    if not may_see_members(place, by=by):
        raise Denied(f"Only those who have a role in {place} see who has one.")
    found = [*_granted(place, by=by), *_not_granted(place)]
    if not may_look_into(by, place):
        own = {by.name} | {f"@{team}" for team in teams_of(by.known)}
        found = [each for each in found if each.holder in own]
    return sorted(found, key=lambda each: (-each.role, each.holder))


def _granted(place: Entity | Collection, *, by: Caller) -> list[Member]:
    manages, owns = may_manage(by, place), may_own(by, place)
    return [
        Member(
            holder=_name_of(held.user or held.team),
            role=Role(held.role),
            source="granted here",
            grant_id=held.pk,
            may_change=manages and (owns or held.role != Role.OWNER),
            may_give_up=by.signed_in is not None and held.user_id == by.signed_in.pk,
        )
        for held in Grant.objects.select_related("user", "team").filter(**_on(place))
    ]


def _not_granted(place: Entity | Collection) -> list[Member]:
    """Who has a role in the place without a grant on it."""
    entity = place if isinstance(place, Entity) else place.entity
    found = []
    if entity.user is not None:
        found.append(Member(entity.user.username, Role.OWNER, f"{entity} is theirs"))
    if entity.team is not None:
        team = f"@{entity.team}"
        found.append(Member(team, Role.OWNER, f"{entity} is the team's: its owners"))
        found.append(Member(team, Role.WRITER, f"{entity} is the team's: its members"))
    if isinstance(place, Collection):
        found += [
            Member(_name_of(held.user or held.team), Role(held.role), f"granted on {entity}")
            for held in Grant.objects.select_related("user", "team").filter(entity=entity)
        ]
    return found


def roles_to_give(place: Entity | Collection, *, by: Caller) -> list[Role]:
    """The roles that the caller may give there, the lowest first."""
    if not may_manage(by, place):
        return []
    return [role for role in Role if role != Role.OWNER or may_own(by, place)]


def holder_named(name: str, *, by: Caller) -> User | Team:
    """The user of this sign-in name; with an `@` before it, the team that the caller is in.

    NotFound where there is none.
    """
    name = name.strip()
    if name.startswith("@") and ROBOT_MARK not in name:
        return teams.find(name.removeprefix("@"), by=by)
    found = user_named(name)
    if found is None or not found.is_active or not _may_name(found, by=by):
        raise NotFound(f"There is no user {name!r}. A team is written with an @ before its name.")
    return found


def _may_name(user: User, *, by: Caller) -> bool:
    """People are known to whoever gives roles; a robot to those who know what it belongs to."""
    if user.robot_team is not None:
        return teams.visible_to(by).filter(pk=user.robot_team.pk).exists()
    return user.robot_entity is None or may_view_entity(by, user.robot_entity)


def grant_by_name(*, place: Entity | Collection, name: str, role: int, by: Caller) -> Grant:
    """Give the role to whom the name is of: a user, or with an `@` before it a team.

    Who may not give it is not told whether there is somebody of this name.
    """
    check_may_manage(by, place)
    if role == Role.OWNER:
        check_may_own(by, place)
    return grant(place=place, holder=holder_named(name, by=by), role=role, by=by)


def grant(*, place: Entity | Collection, holder: User | Team, role: int, by: Caller) -> Grant:
    """Give the holder this role there, instead of the one they were granted before.

    Maintainers give up to their own role; only owners make owners, and change what those have.
    """
    check_may_manage(by, place)
    if role not in Role.values:
        raise Invalid("This is no role: expected reader, writer, maintainer or owner.")
    with transaction.atomic():
        _lock(place)
        held = first(Grant.objects.filter(**_on(place), **_of(holder)))
        _check_may_change(held, role, place, by=by)
        if held is None:
            held = Grant.objects.create(**_on(place), **_of(holder), role=role)
        elif held.role != role:
            held.role = role
            held.save(update_fields=["role"])
        else:
            return held
        _record("role.granted", place, holder, by=by, role=Role(role).name.lower())
    return held


def change(*, place: Entity | Collection, grant_id: int, role: int, by: Caller) -> None:
    """Make what was granted there another role. NotFound where it was taken away meanwhile."""
    check_may_manage(by, place)
    held = first(Grant.objects.select_related("user", "team").filter(**_on(place), pk=grant_id))
    holder = (held.user or held.team) if held else None
    if holder is None:
        raise NotFound("This role has been taken away meanwhile.")
    grant(place=place, holder=holder, role=role, by=by)


def revoke(*, place: Entity | Collection, grant_id: int, by: Caller) -> None:
    """Take away what was granted there; everybody may give up their own. Again is no error."""
    with transaction.atomic():
        _lock(place)
        held = first(Grant.objects.select_related("user", "team").filter(**_on(place), pk=grant_id))
        own = bool(held and by.signed_in and held.user_id == by.signed_in.pk)
        if own:
            check_writable()
        else:
            check_may_manage(by, place)
        if held is None:
            return
        if not own:
            _check_may_change(held, held.role, place, by=by)
        held.delete()
        _record("role.revoked", place, held.user or held.team, by=by)


def _check_may_change(
    held: Grant | None, role: int, place: Entity | Collection, *, by: Caller
) -> None:
    if Role.OWNER in {role, held.role if held else None}:
        check_may_own(by, place)


def _lock(place: Entity | Collection) -> None:
    """Of two who change the roles of one place at once, one waits."""
    type(place).objects.select_for_update(no_key=True).get(pk=place.pk)


def _on(place: Entity | Collection) -> dict[str, Entity | Collection]:
    return {"entity" if isinstance(place, Entity) else "collection": place}


def _of(holder: User | Team) -> dict[str, User | Team]:
    return {"user" if isinstance(holder, User) else "team": holder}


def _name_of(holder: User | Team | None) -> str:
    return str(holder) if isinstance(holder, User) else f"@{holder}"


def _record(
    action: str,
    place: Entity | Collection,
    holder: User | Team | None,
    *,
    by: Caller,
    **detail: str,
) -> None:
    recording.record(
        action,
        place,
        by=by,
        about=holder.public_id if isinstance(holder, User) else "",
        holder=_name_of(holder),
        **detail,
    )
