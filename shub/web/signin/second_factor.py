"""Where the site demands a second factor, it is set up before anything else is done."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from shub.accounts.models import User
from shub.web.first_password import ALLOWED, MACHINES

# Recovery codes are a way back, no second factor of their own.
FACTORS = [Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN]

# What one may do before: that very thing, prove again who one is, and leave.
ALLOWED_BEFORE = ALLOWED | {"account_reauthenticate", "change-password"}


class SecondFactorMiddleware:
    """Leads whoever must have a second factor and has none to the page where it is set up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponse | None:
        """A redirect, or None to go on."""
        if settings.MFA_REQUIRED == "none":
            return None
        name = (request.resolver_match.url_name if request.resolver_match else "") or ""
        if view.__module__.startswith(MACHINES) or name in ALLOWED_BEFORE:
            return None
        if name.startswith("mfa_") or not lacks_factor(request.user):
            return None
        messages.warning(request, "This site asks for a second factor: set one up to go on.")
        return redirect("mfa_index")


def lacks_factor(user: Any) -> bool:
    """Whether the site demands a second factor of the user, who has none."""
    if not isinstance(user, User):
        return False
    if settings.MFA_REQUIRED == "administrators" and not user.is_superuser:
        return False
    return not Authenticator.objects.filter(user=user, type__in=FACTORS).exists()
