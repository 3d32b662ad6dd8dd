"""Administrators: a site has one at every moment."""

from shub.accounts.models import User
from shub.errors import Conflict
from shub.rows import first


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
