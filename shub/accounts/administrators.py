"""Administrators, of whom a site has one at every moment; and who sees everything beside them."""

from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.errors import Conflict, Denied, NotFound
from shub.rows import first


def is_administrator(caller: Caller) -> bool:
    """May do what concerns the whole site. Not by a token: none is for that."""
    return caller.signed_in is not None and caller.signed_in.is_administrator


def sees_everything(caller: Caller) -> bool:
    """Administrators and auditors, signed in: the whole audit trail is theirs to read."""
    return caller.signed_in is not None and caller.signed_in.sees_everything


def check_administrator(caller: Caller) -> None:
    """Denied to all but administrators, signed in."""
    if not is_administrator(caller):
        raise Denied("Only an administrator may do this.")


def check_sees_everything(caller: Caller) -> None:
    """NotFound to all but administrators and auditors, signed in."""
    if not sees_everything(caller):
        raise NotFound("There is nothing here, or you may not see it.")


def check_another(user: User) -> None:
    """Conflict unless somebody else administrates too. Asked with the user `locked`."""
    # Locked already: of two who demote each other, the second sees what the first did.
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
    if not others.exists():
        raise Conflict(f"{user.username} is the only administrator. Make somebody else one first.")


def locked(user: User) -> User | None:
    """The user as they are now, and nobody else changes them until the commit; None: they are gone.

    Administrators are locked together, before anybody alone: two who demote each other do not meet
    crosswise.
    """
    administrators = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    list(administrators.select_for_update(no_key=True).values_list("pk"))
    return first(User.objects.select_for_update(no_key=True).filter(pk=user.pk))
