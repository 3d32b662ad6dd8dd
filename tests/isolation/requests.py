"""Requests of the table, and their answers in a form that can be compared."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.test import Client
from django.test.client import ClientHandler

from tests.isolation.world import Actor, Place

# What differs from one answer to the next, and says nothing: tokens of forms, lengths.
CSRF = re.compile(r'(name="csrfmiddlewaretoken" value=")[^"]*')
UNCOMPARED = frozenset({"content-length", "set-cookie", "date", "x-request-id"})


@dataclass(frozen=True)
class Ask:
    """One request. `body`: JSON, or a form for pages, or bytes."""

    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()

    def __str__(self) -> str:
        return f"{self.path} {self.content!r} {dict(self.headers)}"


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def text(self) -> str:
        """All that there is to read in it."""
        return "\n".join([*(f"{name}: {value}" for name, value in self.headers.items()), self.body])

    def says(self, word: str) -> bool:
        """The word is in it, as a word of its own."""
        return word in self.text and bool(
            re.search(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])", self.text)
        )

    def alike(self, *places: Place) -> tuple[int, dict[str, str], str]:
        """The answer without the names by which any of these things was asked for."""
        names = sorted({pair for place in places for pair in place.names()}, key=_longest_first)

        def without(text: str) -> str:
            for name, instead in names:
                text = text.replace(name, instead)
            return text

        headers = {
            name: without(value)
            for name, value in self.headers.items()
            if name.lower() not in UNCOMPARED
        }
        return self.status, headers, without(CSRF.sub(r"\1", self.body))


def _longest_first(pair: tuple[str, str]) -> tuple[int, str]:
    return -len(pair[0]), pair[1]


@cache
def _handler() -> ClientHandler:
    return ClientHandler(enforce_csrf_checks=False)


def send(method: str, ask: Ask, actor: Actor, *, is_page: bool) -> Reply:
    """The answer to the request: with the actor's session or token, as the door takes it."""
    client = Client(raise_request_exception=False)
    # One for all: each of its own would load the middleware anew.
    client.handler = _handler()
    headers = dict(ask.headers)
    if actor.token:
        headers.setdefault("authorization", f"Bearer {actor.token}")
    if actor.session and (is_page or not actor.token):
        client.cookies[settings.SESSION_COOKIE_NAME] = actor.session
    if is_page and actor.session:
        headers.pop("authorization", None)
    content, kind = ask.content, ""
    if is_page and ask.body is not None:
        content = urlencode(ask.body, doseq=True).encode()
        kind = "application/x-www-form-urlencoded"
    answer = client.generic(method, ask.path, content, content_type=kind, headers=headers)
    body = answer.getvalue()
    cookies = {"Set-Cookie": answer.cookies.output()} if answer.cookies else {}
    return Reply(
        answer.status_code, {**dict(answer.headers), **cookies}, body.decode(errors="replace")
    )
