"""How a refusal is told to a machine: one table of statuses, one envelope.

Clients show `message` for every status but 404, and only from exactly this envelope.
"""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import IntegrityError, InterfaceError, OperationalError
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from shub import errors, metrics
from shub.rows import is_deadlock

log = logging.getLogger(__name__)

# What is wrong in a body is told for so many of its fields: one is enough to mend it by.
MOST_WORDS = 5

STATUS: dict[type[Exception], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Unmeasured: 411,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    errors.OverQuota: 507,
}


def envelope(status: int, message: str) -> dict[str, Any]:
    """The library's form of an error: an integer code and a sentence."""
    return {"error": {"code": status, "message": message}}


def answer_exception(error: Exception, context: dict[str, Any]) -> Response:
    """The answer to whatever a view raised; nothing leaves as HTML or as a stack trace."""
    status, message = explain(error)
    if status == 500:
        log.error("A request failed.", exc_info=error)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, errors.TooMany) else {}
    return Response(envelope(status, message), status=status, headers=headers)


def explain(error: Exception) -> tuple[int, str]:
    """The status and the sentence for an error."""
    if isinstance(error, errors.Refusal):
        return STATUS[type(error)], error.message
    if isinstance(error, Http404):
        return 404, "There is nothing at this address."
    if isinstance(error, exceptions.ValidationError):
        return 400, _validation_words(error.detail)
    if isinstance(error, exceptions.APIException):
        return error.status_code, str(error.detail)
    if isinstance(error, RequestDataTooBig):
        return 413, "The request's body is too large."
    if isinstance(error, IntegrityError) or (
        isinstance(error, OperationalError) and is_deadlock(error)
    ):
        log.warning("Something changed at the same moment: %s", str(error).partition("\n")[0])
        return 409, "Something that this needs changed at the same moment. Try again."
    if isinstance(error, OperationalError | InterfaceError):
        metrics.DATABASE_ERRORS.inc()
        log.warning("The database is away: %s", str(error).strip().partition("\n")[0])
        return 503, "The registry's database is away at the moment. Try again in a minute."
    return 500, "The registry failed; its log says why. Tell the administrator when it happened."


def _validation_words(detail: Any) -> str:
    if isinstance(detail, dict):
        items = list(detail.items())[:MOST_WORDS]
        return " ".join(f"{field}: {_validation_words(words)}" for field, words in items)
    if isinstance(detail, list):
        return " ".join(_validation_words(words) for words in detail[:MOST_WORDS])
    return str(detail)
