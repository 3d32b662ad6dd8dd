"""Request ids: what an answer, its page of a failure and the lines of the log have in common.

A person quotes it, and an administrator finds by it what happened. It says nothing else.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from shub.client_address import is_by_trusted_proxy

HEADER = "X-Request-ID"

# What a proxy may call a request: nothing that would look like more than an id in a log.
WELL_FORMED = re.compile(r"[0-9A-Za-z_-]{8,64}")

_present: ContextVar[str] = ContextVar("request_id", default="")


class RequestIdMiddleware:
    """Gives each request an id, or takes the one that a proxy of ours gave it.

    The outermost: what any other logs has the id. It is kept until the thread's next request, since
    an answer that is streamed still says things when this has returned.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        found = _of(request)
        _present.set(found)
        answer = self.get_response(request)
        answer.headers[HEADER] = found
        return answer


class InLogLines(logging.Filter):
    """Gives each record `of_request`: the id in brackets after a blank; empty outside a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        found = _present.get()
        record.of_request = f" [{found}]" if found else ""
        return True


def present() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _present.get()


def _of(request: HttpRequest) -> str:
    told: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if told and is_by_trusted_proxy(request) and WELL_FORMED.fullmatch(told):
        return told
    return secrets.token_hex(8)
