"""Teams: made, joined, left and handed over. A team has an owner at every moment.

Who decides: the team's owners, and administrators. Nothing here is done by a token.
"""

from typing import NoReturn

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Invitation, Team, TeamMembership, User
from shub.accounts.users import user_named
from shub.audit import trail
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.names import check_name, folded
from shub.rows import first

Role = TeamMembership.Role


def create(*, name: str, description: str, by: Caller) -> Team:
    """Make a team with an entity of its name, and its maker its first owner; all or nothing.

    Conflict when a user's, a team's or the site's entity has the name, or had it.
    """
    user = _signed_in(by)
    refuse_auditor(user)
    if not may_create(by):
        raise Denied("Only administrators make teams here. Ask one of them.")
    name = folded(name.strip())
    check_name(name, "entity")
    try:
        with transaction.atomic():
            team = Team.objects.create(name=name, description=description.strip())
            TeamMembership.objects.create(team=team, user=user, role=Role.OWNER)
            Entity.objects.create(name=name, team=team)
            _record("team.created", team, by=by)
    except IntegrityError:
        raise Conflict(f"The name {name!r} is taken. Choose another one for the team.") from None
    return team


def may_create(by: Caller) -> bool:
    """Make teams: everybody who is signed in, auditors apart, or administrators only, as the
    setting says."""
    user = by.signed_in
    if user is None or user.is_auditor:
        return False
    return settings.TEAM_CREATION != "administrators" or user.is_administrator


def find(name: str, *, by: Caller) -> Team:
    """The team, for its members and those who see everything; NotFound for others."""
    team = first(visible_to(by).filter(name=folded(name)))
    if team is None:
        raise NotFound(f"There is no team {name!r}, or you are not in it.")
    return team


def visible_to(by: Caller) -> QuerySet[Team]:
    """The teams that `find` finds."""
    user = by.signed_in
    if user is None:
        return Team.objects.none()
    if user.sees_everything:
        return Team.objects.all()
    return Team.objects.filter(memberships__user=user)


def is_member(team: Team, user: User) -> bool:
    """The user is in the team, as an owner or not."""
    return user.is_active and team.memberships.filter(user=user).exists()


def may_decide(by: Caller, team: Team) -> bool:
    """Say who is in the team: its owners and administrators, signed in."""
    user = by.signed_in
    if user is None or user.is_auditor:
        return False
    return user.is_administrator or team.memberships.filter(user=user, role=Role.OWNER).exists()


def set_role(*, team: Team, username: str, role: str, by: Caller) -> None:
    """Make a member an owner, or an owner a member. Handing over is the first of the two."""
    check_may_decide(by, team)
    if role not in Role.values:
        raise Invalid(f"{role!r} is no role in a team: expected member or owner.")
    with transaction.atomic():
        membership = _locked_membership(team, username)
        if membership.role == role:
            return
        if membership.role == Role.OWNER:
            _check_another_owner(team, membership)
            _withdraw_invitations(team, Q(created_by=membership.user))
        membership.role = role
        membership.save(update_fields=["role"])
        _record("team.role", team, by=by, user=membership.user, role=role)


def remove(*, team: Team, username: str, by: Caller) -> None:
    """Take somebody out of the team; everybody may take out themselves."""
    user = _signed_in(by)
    if user_named(username) != user:
        check_may_decide(by, team)
    take_out(team=team, username=username, by=by)


def take_out(*, team: Team, username: str, by: Caller, from_group: str = "") -> None:
    """Take a user out of the team; Conflict for its only owner.

    Who may is asked by those who call this: `remove`, or a group says so.
    """
    with transaction.atomic():
        membership = _locked_membership(team, username)
        if membership.role == Role.OWNER:
            _check_another_owner(team, membership)
        _withdraw_invitations(team, Q(created_by=membership.user) | Q(user=membership.user))
        membership.delete()
        record_left(membership, by=by, group=from_group)


def record_removed(team: Team, *, by: Caller) -> None:
    """Write down that the team goes, with the account of the only one who is in it."""
    _record("team.removed", team, by=by)


def record_left(membership: TeamMembership, *, by: Caller, group: str = "") -> None:
    """Write down that somebody is in the team no more."""
    _record("team.left", membership.team, by=by, user=membership.user, group=group)


def add(*, team: Team, user: User, role: str, by: Caller, from_group: str = "") -> None:
    """Put a user into the team; who is in it already keeps the higher of the two roles.

    Who may is asked by those who call this: an invitation was accepted, or a group says so.
    """
    if user.is_robot:
        raise Invalid("A robot is in no team but its own.")
    with transaction.atomic():
        membership, made = TeamMembership.objects.select_for_update().get_or_create(
            team=team, user=user, defaults={"role": role, "from_group": from_group}
        )
        if not made and (membership.role in {Role.OWNER, role}):
            return
        membership.role = role
        membership.save(update_fields=["role"])
        _record("team.joined", team, by=by, user=user, role=role, group=from_group)


def check_may_decide(by: Caller, team: Team) -> None:
    """Denied to all but the team's owners and administrators."""
    if not may_decide(by, team):
        raise Denied(f"Only an owner of the team {team} may do this.")


def refuse_auditor(user: User) -> None:
    """Denied to auditors: they make no team and join none."""
    if user.is_auditor:
        raise Denied("An auditor sees everything, and changes nothing.")


def _locked_membership(team: Team, username: str) -> TeamMembership:
    """The membership, and the whole team locked: two who leave at once wait for each other."""
    Team.objects.select_for_update().get(pk=team.pk)
    memberships = team.memberships.select_related("user")
    found = first(memberships.filter(user=user_named(username)))
    if found is None:
        raise NotFound(f"{username!r} is not in the team {team}.")
    return found


def _withdraw_invitations(team: Team, which: Q) -> None:
    """Whoever is taken out comes back by none that is left, and brings nobody in."""
    Invitation.objects.open().filter(which, team=team).update(withdrawn_at=timezone.now())


def _check_another_owner(team: Team, membership: TeamMembership) -> None:
    owners = team.memberships.filter(role=Role.OWNER, user__is_active=True)
    if not owners.exclude(pk=membership.pk).exists():
        raise Conflict(
            f"{membership.user.username} is the only owner of the team {team}. Make somebody else "
            "an owner first."
        )


def _signed_in(by: Caller) -> User:
    if by.token is not None:
        _refuse_token()
    return by.known


def _refuse_token() -> NoReturn:
    raise Denied("Teams are managed by who is signed in to the pages, not by tokens.")


def _record(
    action: str, team: Team, *, by: Caller, user: User | None = None, **detail: str
) -> None:
    owned = first(Entity.objects.filter(team=team))
    if user is not None:
        detail["user"] = user.username
    trail.record(
        action,
        kind="team",
        public_id=team.public_id,
        name=team.name,
        entity=owned.public_id if owned else "",
        by=by,
        about=user.public_id if user else "",
        **detail,
    )
