"""Passwords that are known to have been stolen somewhere."""

import hashlib
import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from shub import outgoing
from shub.errors import Refusal

logger = logging.getLogger(__name__)

# Somebody waits for the page while the service is asked.
PATIENCE_SECONDS = 3.0


class BreachedPasswordValidator:
    """Refuses passwords of known breaches, where the site has PASSWORD_BREACH_CHECK.

    The service is told the first five hex digits of the password's SHA-1, and answers with the rest
    of each that it knows (k-anonymity). Where it does not answer, the password is taken.
    """

    def validate(self, password: str, user: Any = None) -> None:
        """ValidationError for a password that the service knows."""
        if is_breached(password):
            raise ValidationError(
                "This password is in a list of stolen ones. Choose another, here and wherever you "
                "use it.",
                code="password_breached",
            )

    def get_help_text(self) -> str:
        """What the form says beforehand."""
        return "Your password can't be one that is known to have been stolen."


def is_breached(password: str) -> bool:
    """Whether the service knows the password; False where it does not answer."""
    # SHA-1 is the service's index, no protection.
    digits = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    prefix, rest = digits[:5], digits[5:]
    try:
        # Padding hides from those who watch the line how many there are.
        answer = outgoing.ask(
            "GET",
            settings.PASSWORD_BREACH_URL + prefix,
            headers={"Add-Padding": "true"},
            seconds=PATIENCE_SECONDS,
        )
    except Refusal as refusal:
        logger.warning("The service for stolen passwords was not asked: %s", refusal.message)
        return False
    if answer.status != HTTPStatus.OK:
        logger.warning("The service for stolen passwords answered %s.", answer.status)
        return False
    return any(
        line.strip().startswith(rest + ":") and not line.strip().endswith(":0")
        for line in answer.body.decode(errors="replace").splitlines()
    )
