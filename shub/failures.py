"""What is answered where no view answers: a page to a browser, the envelope to a machine.

Neither says more than what to do next: the reason stands in the log, beside the request's id.
"""

import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from shub import request_ids
from shub.api.errors import envelope, explain
from shub.web import theme

# Where only machines ask, whatever they say that they accept.
MACHINES = ("/v1/", "/v2/", "/version", "/assets/config/", "/pks/", "/api/", "/container/")


def unreadable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: what Django refuses before any view, most often a host name that is not ours."""
    if isinstance(exception, DisallowedHost):
        words = _(
            "This registry is at %(url)s. Use that address, or have the administrator add this "
            "host name to ALLOWED_HOSTS."
        ) % {"url": settings.PUBLIC_URL}
        return _answer(request, 400, _("The registry is elsewhere"), words, way=settings.PUBLIC_URL)
    return _answer(
        request,
        400,
        _("This cannot be answered"),
        _("The request cannot be read. Go back and try it once more."),
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403: a page that is not for the one who asks."""
    return _answer(
        request,
        403,
        _("Not allowed"),
        _("You may not do this. Who administers the registry can say who may."),
    )


def missing(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such address, or none that one may see.

    Django's own looks into what was sent for a form's token, and fails where that cannot be read.
    """
    return render(request, "404.html", status=404)


def forged(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: a form without our own token in it, or from another site (Django's CSRF_FAILURE_VIEW).

    The reason is for those who write pages.
    """
    return _answer(
        request,
        403,
        _("This form is too old"),
        _(
            "It did not come from a page of ours, or that page was open for too long. Nothing was "
            "changed. Go back, load the page again, and send it once more. Cookies must be allowed "
            "for this site."
        ),
    )


def failed(request: HttpRequest) -> HttpResponse:
    """500, or 503 where the database or the store is away. Nothing is asked that may have failed:
    no database, no session."""
    error = sys.exc_info()[1]
    status, words = explain(error) if isinstance(error, Exception) else (500, "")
    if status == 503:
        return _answer(request, 503, _("The registry is not quite there"), words)
    return _answer(
        request,
        500,
        _("The registry failed"),
        _("Its log says why. Tell the administrator when it happened."),
    )


class WordlessMiddleware:
    """Gives a browser a page where an answer is a mere status: a method that an address does not
    know."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        wordless = answer.status_code == 405 and not answer.streaming and not answer.content
        if wordless and is_browser(request):
            said = _answer(
                request,
                405,
                _("Not in this way"),
                _("This address takes a form, and is no page to look at; or the reverse."),
            )
            answer.content, answer["Content-Type"] = said.content, said["Content-Type"]
        return answer


def _answer(
    request: HttpRequest, status: int, title: str, words: str, *, way: str = ""
) -> HttpResponse:
    if not is_browser(request):
        return JsonResponse(envelope(status, words), status=status)
    facts: dict[str, Any] = {
        "title": title,
        "words": words,
        "way": way,
        "registry_name": settings.REGISTRY_NAME,
        "theme": theme.of(request),
        "LANGUAGE_CODE": settings.LANGUAGE_CODE,
        "request_id": request_ids.present(),
    }
    return HttpResponse(render_to_string("failure.html", facts), status=status)


def is_browser(request: HttpRequest) -> bool:
    """Whether a page is what helps: it is asked for, where there are pages."""
    accepted = request.META.get("HTTP_ACCEPT", "")
    return "text/html" in accepted and not request.path_info.startswith(MACHINES)
