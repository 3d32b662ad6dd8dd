"""What every page knows of the site, and of who is looking."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from shub import request_ids
from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.client_address import client_address
from shub.web import indexing, theme

# Of a page's number: what is longer is none.
MOST_DIGITS = 6


def registry(request: HttpRequest) -> dict[str, Any]:
    """The registry's name, its public address and its looks, and what may be said of the page
    elsewhere (a template context processor)."""
    return {
        "registry_name": settings.REGISTRY_NAME,
        "public_url": settings.PUBLIC_URL,
        "theme": theme.of(request),
        "indexed": indexing.is_indexed(request.path),
        "canonical": indexing.canonical(request.path),
        "request_id": request_ids.present(),
    }


def caller(request: HttpRequest) -> Caller:
    """Who looks, or nobody."""
    user = request.user if isinstance(request.user, User) else None
    return Caller(user, address=client_address(request))


def signed_in(request: HttpRequest) -> User:
    """The user, on a page that only those who are signed in reach."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def page_number(request: HttpRequest) -> int:
    """Which page of a list is asked for; the first for what is no number."""
    asked = request.GET.get("page", "")
    return int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= MOST_DIGITS else 1
