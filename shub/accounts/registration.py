"""Registration: a user comes with an entity, whose name follows from the sign-in name."""

from django.db import IntegrityError, transaction

from shub.accounts.callers import Caller
from shub.accounts.models import Entity, User
from shub.accounts.models.user import ROBOT_MARK, TEAM_MARK
from shub.audit import trail
from shub.errors import Conflict, Invalid
from shub.names import check_name, folded, is_legal_name


def entity_name_for(username: str) -> str:
    """The entity name that a sign-in name stands for: the same, in lower case.

    Invalid where that is no legal name (then the person is asked for one): nothing is replaced
    silently, since two sign-in names would then share a namespace.

    >>> entity_name_for("Mara.Smith")
    'mara.smith'
    """
    name = folded(username)
    if not is_legal_name(name):
        raise Invalid(
            f"No entity can be named after {username!r}: choose an entity name of lower-case "
            "letters and digits, in groups joined by a single '.', '_' or '-'."
        )
    return name


def create_user(
    *,
    username: str,
    password: str | None,
    entity_name: str = "",
    email: str = "",
    is_administrator: bool = False,
    must_change_password: bool = False,
    by: Caller | None = None,
) -> User:
    """Make a user and the entity that they own, both or neither. Conflict when a name is taken.

    `by` is None for whoever is at the server's own terminal; a caller who is nobody yet registers
    themselves.
    """
    name = entity_name or entity_name_for(username)
    check_name(name, "entity")
    if ROBOT_MARK in username:
        raise Invalid(f"A sign-in name has no {ROBOT_MARK!r}: those that have one are robots'.")
    if username.startswith(TEAM_MARK):
        raise Invalid(f"A sign-in name does not begin with {TEAM_MARK!r}: a team is written so.")
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                username,
                email,
                password,
                is_superuser=is_administrator,
                is_staff=is_administrator,
                must_change_password=must_change_password,
            )
            Entity.objects.create(name=name, user=user)
            trail.record(
                "user.created",
                kind="user",
                public_id=user.public_id,
                name=username,
                about=user.public_id,
                by=Caller(user, address=by.address) if by and by.user is None else by,
            )
    except IntegrityError:
        raise Conflict(
            f"The sign-in name {username!r} or the entity name {name!r} is taken. "
            "Choose another entity name, or another sign-in name."
        ) from None
    return user
