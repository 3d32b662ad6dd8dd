"""Standing: who is let in, and who has a role on the whole site. Said by administrators.

`by` is None for whoever is at the server's own terminal.
"""

from collections.abc import Sequence

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from shub.accounts import administrators, tokens, users
from shub.accounts.administrators import check_administrator
from shub.accounts.callers import Caller
from shub.accounts.models import Team, TeamMembership, Token, User
from shub.audit import trail
from shub.errors import Invalid, NotFound

ADMINISTRATOR, AUDITOR, NONE = "administrator", "auditor", ""
# What one transaction drops at most: bounded, so that it stays short.
DROPPED_AT_ONCE = 10_000

SITE_ROLES: Sequence[str] = (NONE, AUDITOR, ADMINISTRATOR)


def site_role(user: User) -> str:
    """What the user is on the whole site: one of SITE_ROLES, whether they are let in or not."""
    if user.is_superuser:
        return ADMINISTRATOR
    return AUDITOR if user.is_auditor else NONE


def user_named(name: str) -> User:
    """The user of this sign-in name, person or robot; NotFound where there is none."""
    found = users.user_named(name)
    if found is None:
        raise NotFound(f"There is no user {name!r}.")
    return found


def disable(user: User, *, by: Caller | None, because: str = "") -> None:
    """Let the user in no more: their tokens and sessions end at once. Again is no error.

    What is theirs stays, and so do the robots of their entity, which are not theirs but its own.
    Conflict for the last administrator.
    """
    _check_may_decide(by)
    with transaction.atomic():
        locked = _present(user)
        if not locked.is_active:
            return
        if locked.is_superuser:
            administrators.check_another(locked)
        locked.is_active = user.is_active = False
        locked.save(update_fields=["is_active"])
        end_sessions(locked)
        _record("user.disabled", locked, by=by, because=because)


def enable(user: User, *, by: Caller | None, because: str = "") -> None:
    """Let the user in again. Their tokens count again, as far as they were neither revoked nor have
    expired; they sign in anew."""
    _check_may_decide(by)
    with transaction.atomic():
        locked = _present(user)
        if locked.is_active:
            return
        locked.is_active = user.is_active = True
        locked.save(update_fields=["is_active"])
        _record("user.enabled", locked, by=by, because=because)


def set_site_role(user: User, role: str, *, by: Caller | None) -> None:
    """Make the user an administrator, an auditor, or neither. Again is no error.

    Conflict for the last administrator; Invalid for a robot.
    """
    _check_may_decide(by)
    if role not in SITE_ROLES:
        raise Invalid(f"{role!r} is no role on a site: expected administrator or auditor.")
    if role and user.is_robot:
        raise Invalid("A robot is neither an administrator nor an auditor.")
    with transaction.atomic():
        locked = _present(user)
        before = site_role(locked)
        if before == role:
            return
        if locked.is_administrator:
            administrators.check_another(locked)
        for each in (locked, user):
            each.is_superuser = each.is_staff = role == ADMINISTRATOR
            each.is_auditor = role == AUDITOR
            # What a person says, no group of a sign-in takes away again.
            each.administrator_from_group = ""
        locked.save(
            update_fields=["is_superuser", "is_staff", "is_auditor", "administrator_from_group"]
        )
        _record("user.site_role", locked, by=by, before=before, after=role)


def revoke_token(token: Token, *, by: Caller) -> None:
    """End anybody's token, at once and for good: by administrators."""
    check_administrator(by)
    tokens.revoke(public_id=token.public_id, user=token.user, by=by)


def owned_alone(user: User) -> list[Team]:
    """The teams in which nobody decides but this user."""
    owned = Team.objects.filter(memberships__user=user, memberships__role=TeamMembership.Role.OWNER)
    others = TeamMembership.objects.filter(
        role=TeamMembership.Role.OWNER, user__is_active=True
    ).exclude(user=user)
    return list(owned.exclude(pk__in=others.values("team")).order_by("name"))


def sign_out(user: User, *, by: Caller) -> None:
    """End the user's sessions everywhere, and no token. They may sign in again at once."""
    check_administrator(by)
    with transaction.atomic():
        end_sessions(_present(user))
        _record("user.sessions_ended", user, by=by)


def end_sessions(user: User) -> None:
    """Sign the user out everywhere."""
    mine = [
        session.pk
        for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=mine).delete()


def drop_ended_sessions() -> int:
    """Delete a batch of sessions that have ended, those of visitors too; how many."""
    ended = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    keys = list(ended.values_list("pk", flat=True)[:DROPPED_AT_ONCE])
    return Session.objects.filter(pk__in=keys, expire_date__lt=timezone.now()).delete()[0]


def _present(user: User) -> User:
    found = administrators.locked(user)
    if found is None:
        raise NotFound(f"There is no user {user.username!r}.")
    return found


def _check_may_decide(by: Caller | None) -> None:
    if by is not None:
        check_administrator(by)


def _record(action: str, user: User, *, by: Caller | None, **detail: str) -> None:
    trail.record(
        action,
        kind="user",
        public_id=user.public_id,
        name=user.username,
        by=by,
        about=user.public_id,
        **detail,
    )
