"""The roster: who has an account here. For administrators and auditors."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q, QuerySet

from shub.accounts import standing
from shub.accounts.administrators import check_sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import TeamMembership, Token, User
from shub.errors import NotFound
from shub.rows import first

PAGE = 50

ENABLED, DISABLED = "enabled", "disabled"
ROBOT, NO_ROLE = "robot", "none"


@dataclass(frozen=True)
class Question:
    """Whose accounts are asked for; what is empty asks for any. A word of no meaning is none."""

    text: str = ""
    """In the sign-in name or the e-mail address."""
    state: str = ""
    """ENABLED or DISABLED."""
    role: str = ""
    """ADMINISTRATOR, AUDITOR, NO_ROLE, or ROBOT."""
    after: str = ""
    """The sign-in name that the page before ended with."""


@dataclass(frozen=True)
class Page:
    """Users by their names, and the name that the next page begins after (empty: none does)."""

    users: list[User]
    next: str


@dataclass(frozen=True)
class Account:
    """What there is to know of one user."""

    user: User
    memberships: list[TeamMembership]
    valid_tokens: int
    token_used_at: datetime | None
    owned_alone: list[str]
    """Teams in which nobody else decides."""


def page(asked: Question, *, by: Caller) -> Page:
    """The next users that are asked for, PAGE at most. Two queries at most."""
    check_sees_everything(by)
    users = User.objects.filter(_where(asked)).select_related(
        "entity", "robot_entity", "robot_team"
    )
    if asked.after:
        users = users.filter(username__gt=asked.after)
    found = list(users.order_by("username")[: PAGE + 1])
    more = len(found) > PAGE
    found = found[:PAGE]
    return Page(found, found[-1].username if more else "")


def _where(asked: Question) -> Q:
    where = Q()
    if asked.text:
        where &= Q(username__icontains=asked.text) | Q(email__icontains=asked.text)
    if asked.state in {ENABLED, DISABLED}:
        where &= Q(is_active=asked.state == ENABLED)
    robots = Q(robot_entity__isnull=False) | Q(robot_team__isnull=False)
    if asked.role == ROBOT:
        return where & robots
    if asked.role == standing.ADMINISTRATOR:
        where &= Q(is_superuser=True)
    elif asked.role == standing.AUDITOR:
        where &= Q(is_auditor=True)
    elif asked.role == NO_ROLE:
        where &= Q(is_superuser=False, is_auditor=False) & ~robots
    return where


def account(public_id: str, *, by: Caller) -> Account:
    """One user, by their public id. NotFound where there is none."""
    user = find(public_id, by=by)
    used: QuerySet[Token] = user.tokens.valid()
    return Account(
        user,
        list(user.memberships.select_related("team").order_by("team__name")),
        used.count(),
        user.tokens.aggregate(at=Max("last_used_at"))["at"],
        [team.name for team in standing.owned_alone(user)],
    )


def find(public_id: str, *, by: Caller) -> User:
    """The user of this public id. NotFound where there is none."""
    check_sees_everything(by)
    users = User.objects.select_related("entity", "robot_entity", "robot_team")
    found = first(users.filter(public_id=public_id))
    if found is None:
        raise NotFound("There is no such user.")
    return found
