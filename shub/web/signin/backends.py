"""Passwords that are kept here, and who may be signed in at all."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend

from shub.accounts.models import User


class PasswordBackend(AuthenticationBackend):
    """allauth's: by sign-in name and password; whoever is disabled is signed out at once."""

    def user_can_authenticate(self, user: Any) -> bool:
        """Not the disabled, and nobody who is no person."""
        return may_sign_in(user)


def may_sign_in(user: User) -> bool:
    """Whether there may be a session for them."""
    return user.is_active and not user.is_robot
