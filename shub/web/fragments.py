"""Fragments: the part of a page that a script asks for, in place of the whole."""

from django.http import HttpRequest


def is_wanted(request: HttpRequest) -> bool:
    """Whether htmx asks, and will put the answer into the page that is there. A page that is gone
    back to is asked for whole."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and "HX-History-Restore-Request" not in headers
