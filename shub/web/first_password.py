"""A password that somebody else gave is changed before anything else is done with it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

# The doors that know no session: a redirect to a page would only confuse the clients there.
MACHINE_PREFIXES = ("/v1/", "/v2/", "/pks/", "/assets/", "/version", "/static/")


class FirstPasswordMiddleware:
    """Leads whoever must change their password to the page where that is done."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(MACHINE_PREFIXES) and self._is_to_change(request):
            return redirect("change-password")
        return self.get_response(request)

    def _is_to_change(self, request: HttpRequest) -> bool:
        user = request.user
        return (
            user.is_authenticated
            and user.must_change_password
            and request.path not in {reverse("change-password"), reverse("sign-out")}
        )
