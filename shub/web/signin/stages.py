"""A step of signing in: an address that was given is verified first."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.stages import EmailVerificationStage


class GivenAddressStage(EmailVerificationStage):
    """allauth's, which would also lock out whoever was registered without an address."""

    def handle(self) -> tuple[Any, bool]:
        """Go on without a word where there is no address to verify."""
        user = self.login.user
        if user and not EmailAddress.objects.filter(user=user).exists():
            return None, True
        answer: tuple[Any, bool] = super().handle()
        return answer
