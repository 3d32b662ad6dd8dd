"""A password that somebody else gave is changed before anything else is done with it."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

# What one may still do before: that very thing, or leave.
ALLOWED = frozenset({"change-password", "sign-out"})

# Doors that know no session: a redirect to a page would only confuse the clients there.
MACHINES = "shub.api."


class FirstPasswordMiddleware:
    """Leads whoever must change their password to the page where that is done.

    It goes by the view that was found, not by the address, which can be written in many ways.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> HttpResponse | None:
        """A redirect, or None to go on."""
        name = request.resolver_match.url_name if request.resolver_match else ""
        if view.__module__.startswith(MACHINES) or name in ALLOWED:
            return None
        user = request.user
        if user.is_authenticated and user.must_change_password:
            return redirect("change-password")
        return None
