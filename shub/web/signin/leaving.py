"""Leaving for a provider's page, coming back, and what there is to say when it is away."""

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

logger = logging.getLogger(__name__)

# Answers of SAML are some ten thousand bytes, with very many groups some more.
MOST_ANSWER_BYTES = 256 * 1024

# How long one waits for the page that takes it up, which the browser asks for at once.
ANSWER_SECONDS = 300

View = Callable[..., HttpResponse]


def asking(view: View) -> View:
    """The view, with a page that says so when the provider cannot be asked."""

    @wraps(view)
    def ask(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # SAML's code reads the header itself; a client of 1996 sends none.
        request.META.setdefault("HTTP_HOST", request.get_host())
        try:
            return view(request, *args, **kwargs)
        except OSError as error:
            logger.warning("A provider could not be asked: %s", error)
            page = "socialaccount/authentication_error.html"
            return render(request, page, {"is_away": True}, status=HTTPStatus.BAD_GATEWAY)

    return ask


def leaving(view: View) -> View:
    """The view, with a page that leads on in place of a redirect to another site.

    Our pages let no form lead elsewhere (form-action 'self'), and browsers hold a redirect after a
    form to that as well; naming the provider would not do, since it sends people on to others.
    """

    @wraps(view)
    def lead_on(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        answer = require_http_methods(["GET", "POST"])(asking(view))(request, *args, **kwargs)
        if isinstance(answer, HttpResponseRedirect) and "://" in answer.url:
            return render(request, "web/leaving.html", {"to": answer.url})
        return answer

    return lead_on


def bounded(view: View) -> View:
    """SAML's way back, whose form is kept until the browser's session is there to go on with.

    Anybody can send one, before anything of it is looked at: so it is small, and soon forgotten.
    """

    @wraps(view)
    def take(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_ANSWER_BYTES:
            words, status = (
                "An answer of SAML is not that long.",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
            return HttpResponse(words, status=status, content_type="text/plain")
        kept = SessionStore()
        kept.set_expiry(ANSWER_SECONDS)
        asked: Any = request
        asked.saml_acs_session = kept  # where allauth looks for it
        return view(request, *args, **kwargs)

    return take
