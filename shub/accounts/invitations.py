"""Invitations: offered by link or by name, accepted once, withdrawn.

Into a team by its owners; to register by administrators.
"""

import hashlib
import secrets
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from shub.accounts import teams
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Invitation, Team, TeamMembership
from shub.accounts.users import user_named
from shub.audit import trail
from shub.errors import Conflict, Denied, Invalid, NotFound
from shub.rows import first

LIFE = timedelta(days=7)
LONGEST_LIFE = timedelta(days=90)


def invite_by_link(
    *,
    team: Team | None,
    by: Caller,
    role: str = TeamMembership.Role.MEMBER,
    note: str = "",
    life: timedelta = LIFE,
) -> tuple[Invitation, str]:
    """One place for whoever has the link; the row, and the secret that is never to be had again.

    Into the team; or, without one, to register.
    """
    _check_may_invite(team, role, life, by=by)
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        invitation = Invitation.objects.create(
            digest=_digest(secret),
            team=team,
            role=role,
            note=note.strip(),
            created_by=by.user,
            expires_at=timezone.now() + life,
        )
        # Without the note: the team's owners see it, the trail of the entity others too.
        _record("invitation.made", invitation, by=by)
    return invitation, secret


def invite_by_name(*, team: Team, username: str, role: str, by: Caller) -> None:
    """One place in the team for the user of this name, who sees it on their page of teams.

    NotFound where there is no such person.
    """
    _check_may_invite(team, role, LIFE, by=by)
    user = user_named(username)
    if user is None or not user.is_active or user.is_robot:
        raise NotFound(f"There is no user {username!r} who could be invited.")
    if teams.is_member(team, user):
        raise Conflict(f"{user.username} is in the team already.")
    try:
        with transaction.atomic():
            Invitation.objects.filter(
                team=team, user=user, expires_at__lt=timezone.now(), accepted_at=None
            ).update(withdrawn_at=timezone.now())
            invitation = Invitation.objects.create(
                team=team,
                user=user,
                role=role,
                created_by=by.user,
                expires_at=timezone.now() + LIFE,
            )
            _record("invitation.made", invitation, by=by, user=user.username)
    except IntegrityError:
        return  # they are invited already


def find(secret: str) -> Invitation:
    """The open invitation that the link is of; NotFound when there is none, or no longer."""
    found = first(
        Invitation.objects.open()
        .select_related("team", "created_by")
        .filter(digest=_digest(secret))
    )
    if found is None or not _still_stands(found):
        raise NotFound("This invitation has been used, withdrawn or has expired. Ask for another.")
    return found


def find_by_name(public_id: str, *, by: Caller) -> Invitation:
    """The open invitation that names the caller; NotFound where it does not."""
    found = first(
        Invitation.objects.open()
        .select_related("team", "created_by")
        .filter(public_id=public_id, user=by.known)
    )
    if found is None or not _still_stands(found):
        raise NotFound("This invitation has been used, withdrawn or has expired. Ask for another.")
    return found


def naming(by: Caller) -> list[Invitation]:
    """The open invitations that name the caller."""
    named = Invitation.objects.open().select_related("team", "created_by").filter(user=by.known)
    return [each for each in named.order_by("created_at") if _still_stands(each)]


def of(team: Team, *, by: Caller) -> QuerySet[Invitation]:
    """The open invitations into the team, for those who decide who is in it; none for others."""
    if not teams.may_decide(by, team):
        return Invitation.objects.none()
    found = Invitation.objects.open().select_related("user", "created_by").filter(team=team)
    return found.order_by("created_at")


def accept(invitation: Invitation, *, by: Caller) -> None:
    """Take the place; once. For one to register, the caller is the user who has just been made."""
    user = by.known
    if by.token is not None:
        raise Denied("Invitations are accepted by who is signed in to the pages, not by tokens.")
    teams.refuse_auditor(user)
    with transaction.atomic():
        taken = (
            Invitation.objects.open().filter(pk=invitation.pk).update(accepted_at=timezone.now())
        )
        if not taken or invitation.user_id not in {None, user.pk}:
            raise Conflict("This invitation has been used meanwhile. Ask for another.")
        _record("invitation.accepted", invitation, by=by)
        if invitation.team is not None:
            teams.add(team=invitation.team, user=user, role=invitation.role, by=by)


def withdraw(*, public_id: str, by: Caller) -> None:
    """Make it worth nothing: by those who may invite there, and by whom it names."""
    found = first(Invitation.objects.select_related("team", "user").filter(public_id=public_id))
    if found is None or not _may_withdraw(found, by=by):
        raise NotFound("There is no such invitation.")
    with transaction.atomic():
        if Invitation.objects.open().filter(pk=found.pk).update(withdrawn_at=timezone.now()):
            _record("invitation.withdrawn", found, by=by)


def _may_withdraw(invitation: Invitation, *, by: Caller) -> bool:
    user = by.signed_in
    if user is None:
        return False
    if user.pk in {invitation.user_id, invitation.created_by_id}:
        return True
    if invitation.team is None:
        return user.is_administrator
    return teams.may_decide(by, invitation.team)


def _check_may_invite(team: Team | None, role: str, life: timedelta, *, by: Caller) -> None:
    if by.token is not None:
        raise Denied("Invitations are made by who is signed in to the pages, not by tokens.")
    if team is not None:
        teams.check_may_decide(by, team)
    elif not by.known.is_administrator:
        raise Denied("Only administrators invite people to register.")
    if role not in TeamMembership.Role.values:
        raise Invalid(f"{role!r} is no role in a team: expected member or owner.")
    if not timedelta() < life <= LONGEST_LIFE:
        raise Invalid(f"An invitation lives {LONGEST_LIFE.days} days at most.")


def _still_stands(invitation: Invitation) -> bool:
    """Whoever made it may still do so: who has left invites nobody any more."""
    maker = Caller(invitation.created_by)
    if invitation.team is not None:
        return teams.may_decide(maker, invitation.team)
    return maker.user is not None and maker.user.is_administrator


def _record(action: str, invitation: Invitation, *, by: Caller, **detail: str) -> None:
    team, invited = invitation.team, invitation.user
    owned = first(Entity.objects.filter(team=team)) if team else None
    trail.record(
        action,
        kind="invitation",
        public_id=invitation.public_id,
        name=str(invitation),
        entity=owned.public_id if owned else "",
        by=by,
        about=invited.public_id if invited else "",
        **detail,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
