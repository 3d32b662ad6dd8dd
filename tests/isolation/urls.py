"""Every route there is, from Django's own URL map."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

# Django's own pages, one set for each model: their rows are `test_admin.py`.
ADMIN = "admin/"

# What a view answers by itself to whatever it does not know.
WORDLESS = frozenset({"options", "trace"})


@dataclass(frozen=True)
class Route:
    """A pattern of addresses, and the methods that its view says it has (none: it says nothing)."""

    pattern: str
    methods: frozenset[str]
    name: str


def routes() -> list[Route]:
    """All of them, in the order in which they are tried."""
    return list(_walk(get_resolver(), ""))


def _walk(resolver: URLResolver, prefix: str) -> Iterator[Route]:
    for each in resolver.url_patterns:
        pattern = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _walk(each, pattern)
        else:
            yield Route(readable(pattern), _methods(each), each.name or "")


def _methods(pattern: URLPattern) -> frozenset[str]:
    view: Any = pattern.callback
    found = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if found is None:
        return frozenset()
    has = {method for method in found.http_method_names if hasattr(found, method)}
    # A HEAD that is a GET without a body needs no row of its own.
    own_head = "head" in vars(found)
    return frozenset(method.upper() for method in has - WORDLESS if method != "head" or own_head)


def readable(pattern: str) -> str:
    """The pattern as it is written in the table: `v1/entities/<entity>`.

    >>> readable(r"^v1/entities/(?P<entity>[^/]+)/?$"), readable("library/<name:entity>")
    ('v1/entities/<entity>', 'library/<entity>')
    """
    pattern = re.sub(r"\(\?P(<\w+>)[^()]*\)", r"\1", pattern)
    pattern = re.sub(r"<\w+:(\w+)>", r"<\1>", pattern)
    pattern = pattern.replace("^", "").removesuffix("$").removesuffix("\\Z")
    pattern = pattern.replace("(?:/|$)", "/…")
    return pattern.removesuffix("/?").replace("\\", "")
