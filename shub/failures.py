"""What is answered where no view answers: a page to a browser, the envelope to a machine.

Neither says more than what to do next: the reason stands in the log.
"""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from shub.api.errors import envelope

# Where only machines ask, whatever they say that they accept.
MACHINES = ("/v1/", "/v2/", "/version", "/assets/config/", "/pks/", "/api/", "/container/")


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what Django refuses before any view, most often a host name that is not ours."""
    words = "The request cannot be read."
    if isinstance(exception, DisallowedHost):
        words = (
            f"This registry is at {settings.PUBLIC_URL}. Use that address, or have the "
            "administrator add this host name to ALLOWED_HOSTS."
        )
    return _answer(request, 400, "This cannot be answered", words)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: a page that is not for the one who asks."""
    return _answer(request, 403, "Not allowed", "You may not do this.")


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without our own token in it, or from another site (Django's CSRF_FAILURE_VIEW).

    The reason is for those who write pages.
    """
    return _answer(
        request,
        403,
        "This form is too old",
        "It did not come from a page of ours, or that page was open for too long. Go back, load "
        "the page again, and send it once more. Cookies must be allowed for this site.",
    )


def failed(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours. Nothing is asked that may have failed: no database, no session."""
    return _answer(
        request,
        500,
        "The registry failed",
        "Its log says why. Tell the administrator when it happened.",
    )


def _answer(request: HttpRequest, status: int, title: str, words: str) -> HttpResponse:
    if is_browser(request):
        facts = {"title": title, "words": words, "registry_name": settings.REGISTRY_NAME}
        return HttpResponse(render_to_string("failure.html", facts), status=status)
    return JsonResponse(envelope(status, words), status=status)


def is_browser(request: HttpRequest) -> bool:
    """Whether a page is what helps: it is asked for, where there are pages."""
    accepted = request.META.get("HTTP_ACCEPT", "")
    return "text/html" in accepted and not request.path_info.startswith(MACHINES)
