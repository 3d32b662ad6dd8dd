"""What the groups of a directory or a provider decide: who may come, who administers, which teams.

All ways to sign in call this, each under its own name (`ldap`, `oidc`, `saml`). What a group gave
is marked with it, and goes with it; what a person gave stays.
"""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.db import transaction

from shub.accounts import administrators, teams
from shub.accounts.callers import Caller
from shub.accounts.models import Team, TeamMembership, User
from shub.audit import trail
from shub.errors import Conflict, Denied

logger = logging.getLogger(__name__)

Role = TeamMembership.Role


def check_may_come(provider: str, names: Iterable[str]) -> None:
    """Denied to those in the provider's denied group, and to those who lack its required one."""
    held = folded(names)
    required = settings.REQUIRE_GROUP.get(provider, "")
    denied = settings.DENY_GROUP.get(provider, "")
    if (required and required.casefold() not in held) or (denied and denied.casefold() in held):
        raise Denied("Your groups do not let you into this site. Ask its administrators.")


def follow(provider: str, names: Iterable[str], *, by: Caller) -> None:
    """Give the caller what their groups at the provider give, and take what they gave before.

    The last administrator stays one, and so does a team's last owner. A team that a setting names
    and nobody has made is left out.
    """
    held = folded(names)
    with transaction.atomic():
        user = administrators.locked(by.known)
        if user is None:
            return
        _follow_administrators(provider, held, user, by=by)
        _follow_teams(provider, held, user, by=by)


def folded(names: Iterable[str]) -> set[str]:
    """Names of groups as they are compared: without regard to case."""
    return {name.casefold() for name in names}


def _follow_administrators(provider: str, held: set[str], user: User, *, by: Caller) -> None:
    group = settings.ADMIN_GROUP.get(provider, "")
    mark = f"{provider}:{group}"
    given = user.administrator_from_group
    if group and group.casefold() in held:
        if user.is_superuser:
            return
        user.is_auditor = False
        user.is_superuser = user.is_staff = True
        user.administrator_from_group = mark
    elif given.startswith(f"{provider}:"):
        try:
            administrators.check_another(user)
        except Conflict as refusal:
            logger.warning("%s", refusal.message)
            return
        user.is_superuser = user.is_staff = False
        user.administrator_from_group = ""
    else:
        return
    user.save(update_fields=["is_superuser", "is_staff", "is_auditor", "administrator_from_group"])
    trail.record(
        "user.site_role",
        kind="user",
        public_id=user.public_id,
        name=user.username,
        by=by,
        about=user.public_id,
        after="administrator" if user.is_superuser else "",
        group=user.administrator_from_group or given,
    )


def _follow_teams(provider: str, held: set[str], user: User, *, by: Caller) -> None:
    wanted = _places(settings.TEAM_GROUPS.get(provider, {}), held)
    memberships = user.memberships.select_related("team").order_by("team_id")
    there = {membership.team.name: membership for membership in memberships}
    for name, membership in there.items():
        if not membership.from_group.startswith(f"{provider}:"):
            # A person put them there: no group changes that.
            wanted.pop(name, None)
        elif wanted.get(name, ("", ""))[0] == membership.role:
            del wanted[name]
        elif not _taken_out(membership, user, by=by):
            wanted.pop(name, None)
    found = {team.name: team for team in Team.objects.filter(name__in=wanted)}
    for name, (role, group) in sorted(wanted.items()):
        if name in found:
            teams.add(
                team=found[name], user=user, role=role, by=by, from_group=f"{provider}:{group}"
            )
        else:
            logger.warning("The group %s leads to the team %s, which nobody has made.", group, name)


def _places(mapping: dict[str, str], held: set[str]) -> dict[str, tuple[str, str]]:
    """By team: the role there, and the group that gives it; the higher where two do.

    >>> _places({"lab": "physics", "heads": "physics:owner"}, {"lab", "heads"})
    {'physics': ('owner', 'heads')}
    """
    found: dict[str, tuple[str, str]] = {}
    for group, place in mapping.items():
        team, _, role = place.partition(":")
        if group.casefold() not in held or found.get(team, ("", ""))[0] == Role.OWNER:
            continue
        found[team] = (Role.OWNER.value if role == Role.OWNER else Role.MEMBER.value, group)
    return found


def _taken_out(membership: TeamMembership, user: User, *, by: Caller) -> bool:
    try:
        teams.take_out(
            team=membership.team,
            username=user.username,
            by=by,
            from_group=membership.from_group,
        )
    except Conflict as refusal:
        logger.warning("%s", refusal.message)
        return False
    return True
