"""Request ids: what an answer, its page of a failure and the lines of the log have in common.

A person quotes it, and an administrator finds by it what happened. It says nothing else.
"""

import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.http import HttpRequest, HttpResponse

from shub.client_address import is_by_trusted_proxy

HEADER = "X-Request-ID"

# What a proxy may call a request: nothing that would look like more than an id in a log.
WELL_FORMED = re.compile(r"[0-9A-Za-z_-]{8,64}")

_present: ContextVar[str] = ContextVar("request_id", default="")

# Of the upload that a request, or a sweep's work, is about.
_push: ContextVar[str] = ContextVar("push", default="")


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
        _push.set("")
        answer = self.get_response(request)
        answer.headers[HEADER] = found
        return answer


class InLogLines(logging.Filter):
    """Gives each record the ids that it belongs to: `request` and `push`; empty for none.

    And `of_request`: those that are there, in brackets after a blank.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request_id, followed = _present.get(), _push.get()
        found = ", ".join(filter(None, [request_id, followed and f"push {followed}"]))
        record.__dict__ |= {
            "request": request_id,
            "push": followed,
            "of_request": f" [{found}]" if found else "",
        }
        return True


def present() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _present.get()


def follow(push: str) -> None:
    """From now on this request is about the upload of this public id: its log lines say so.

    All requests of one push have it in common, and the sweep's work on it.
    """
    _push.set(push)


def push() -> str:
    """The public id of the upload that this is about; empty where it is about none."""
    return _push.get()


@contextmanager
def following(push: str) -> Iterator[None]:
    """The block is about the upload of this public id."""
    before = _push.set(push)
    try:
        yield
    finally:
        _push.reset(before)


def _of(request: HttpRequest) -> str:
    told: str = request.META.get("HTTP_X_REQUEST_ID", "")
    if told and is_by_trusted_proxy(request) and WELL_FORMED.fullmatch(told):
        return told
    return secrets.token_hex(8)
