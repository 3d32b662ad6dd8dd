"""Repeated slashes in an address count as one, without a redirect."""

import re
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

_slashes = re.compile(r"/{2,}")


class CollapseSlashesMiddleware:
    """Looks for the view at the address with single slashes.

    Clients of 2019 leave the empty parts of a short reference in place, and a base address that
    ends with a slash doubles it. They turn a redirected POST into an empty GET.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "//" in request.path_info:
            request.path_info = _slashes.sub("/", request.path_info)
            request.path = _slashes.sub("/", request.path)
        return self.get_response(request)
