"""Access: each request is counted, and is a line of the log.

Neither holds an address: a path has names that are not everybody's, and may be a secret itself, as
an invitation's is. What is asked for is said by the name of its route.
"""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import LazyObject, empty

from shub import metrics
from shub.accounts.models import User

log = logging.getLogger("shub.access")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# The machines' doors have no names in the URL map, and views that are called as pages are.
_DOOR = re.compile(r"shub\.api\.(\w+)")

_names: dict[Any, str] = {}


class AccessMiddleware:
    """Counts what is answered, and by ACCESS_LOG writes it down when the answer begins.

    Right below the middleware that gives a request its id.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.writes = settings.ACCESS_LOG

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = perf_counter()
        metrics.REQUESTS_UNDER_WAY.inc()
        try:
            answer = self.get_response(request)
        finally:
            metrics.REQUESTS_UNDER_WAY.dec()
        took = perf_counter() - begun
        route = route_of(request)
        # The method is the client's to write; a label has few values.
        method = request.method if request.method in METHODS else "other"
        metrics.REQUESTS.labels(route, method, answer.status_code).inc()
        metrics.REQUEST_SECONDS.labels(route, method).observe(took)
        if self.writes:
            write(method, route, answer.status_code, took, user_of(request))
        return answer


def write(method: str, route: str, status: int, seconds: float, user: str) -> None:
    """The line of one request."""
    milliseconds = round(seconds * 1000, 1)
    log.info(
        "%s %s %d %.1f ms, %s",
        *(method, route, status, milliseconds, user or "nobody"),
        extra={
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": milliseconds,
            "user": user or None,
        },
    )


def route_of(request: HttpRequest) -> str:
    """The name of the route, as the URL map has it or after its view; `none` where there is none.

    `static` for files; the administrators' own pages are one, `admin`.
    """
    match = request.resolver_match
    if match is None:
        return "static" if request.path_info.startswith(settings.STATIC_URL) else "none"
    found = _names.get(match.func)
    if found is None:
        found = "admin" if "admin" in match.app_names else match.url_name or _of_view(match.func)
        _names[match.func] = found
    return found


def user_of(request: HttpRequest) -> str:
    """The public id of who was recognised; empty for nobody. Nobody is looked for who was not."""
    user = request.__dict__.get("user")
    if isinstance(user, LazyObject):
        user = user.__dict__.get("_wrapped", empty)
    return user.public_id if isinstance(user, User) else ""


def _of_view(view: Any) -> str:
    """`MultipartCompletionView` of the Library API is `library-multipart-completion`."""
    kind = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if kind is None:
        return str(view.__name__)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind.__name__.removesuffix("View")).lower()
    door = _DOOR.match(kind.__module__)
    return f"{door[1]}-{name}" if door else name
