"""The first words of our own addresses: what lies below the registry's host cannot be called so."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

# Ours by no pattern of the URL map: what nginx and browsers ask for, and the mark before our own
# words in pages' addresses.
FURTHER = frozenset({"-", ".well-known", "favicon.ico", "healthz", "metrics", "readyz"})


@cache
def route_words() -> frozenset[str]:
    """The first components of all addresses that begin with a fixed word.

    Where a pattern leaves a part of the word open (`v[12]`), each of its forms is there.
    """
    static = str(settings.STATIC_URL).strip("/").split("/")[0]
    found = {word for pattern in _patterns(get_resolver()) for word in _first_words(pattern)}
    return frozenset(found | FURTHER | {static})


def _patterns(resolver: URLResolver, before: str = "") -> Iterator[str]:
    """All routes, as regular expressions from their beginnings."""
    for each in resolver.url_patterns:
        whole = before + _expression(each)
        if isinstance(each, URLResolver):
            yield from _patterns(each, whole)
        else:
            yield whole


def _expression(each: URLPattern | URLResolver) -> str:
    pattern: Any = each.pattern
    return str(pattern.regex.pattern).removeprefix("^").removesuffix(r"\Z").removesuffix("$")


def _first_words(expression: str) -> Iterator[str]:
    """The words before the first slash; none where it begins with anything that is not fixed.

    >>> sorted(_first_words(r"v[12](?:/|$)")), list(_first_words(r"(?P<entity>[a-z]+)/x"))
    (['v1', 'v2'], [])
    >>> sorted(_first_words(r"(?:api|container)/")), sorted(_first_words(r"pks/lookup/?"))
    (['api', 'container'], ['pks'])
    """
    if group := re.match(r"\(\?:([^()]*)\)(.*)", expression):
        for choice in group[1].split("|"):
            yield from _first_words(choice + group[2])
        return
    head = re.match(r"((?:\\.|[\w.-]|\[\w+\])*)", expression)
    word = head[1] if head else ""
    rest = expression[len(word) :]
    # Followed by a slash, by nothing, or by a choice of both: else the word goes on, openly.
    if word and (not rest or rest.startswith(("/", "(?:/", "$", r"\Z"))):
        yield from _spelled(word)


def _spelled(word: str) -> Iterator[str]:
    if letters := re.search(r"\[(\w+)\]", word):
        for letter in letters[1]:
            yield from _spelled(word[: letters.start()] + letter + word[letters.end() :])
        return
    yield re.sub(r"\\(.)", r"\1", word)
