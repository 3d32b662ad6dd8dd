"""Transfers through this server: answers that are streamed, and how many there may be at once.

Nearly all bytes go between client and store. What cannot (docs/explanation/pulls.md) passes through
here, and must not take the threads that answer everybody else.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Self

from django.conf import settings
from django.http import StreamingHttpResponse

from shub.errors import Unavailable

# How much a client that reads slowly has to take within the server's patience of 15 seconds.
SENT_AT_ONCE = 64 * 1024


@lru_cache(maxsize=1)
def _places() -> BoundedSemaphore:
    return BoundedSemaphore(settings.TRANSFER_THREADS)


def take_place() -> None:
    """Take one of the process' places for a transfer; Unavailable where all are taken."""
    if not _places().acquire(blocking=False):
        raise Unavailable(
            "The registry carries as many images at this moment as it can for clients that do not "
            "follow it to the store. Try again in a minute, or use a newer client."
        )


def leave_place() -> None:
    """Give the place back."""
    _places().release()


@contextmanager
def place() -> Iterator[None]:
    """A place for the time of the block."""
    take_place()
    try:
        yield
    finally:
        leave_place()


class Stream:
    """An answer's body, read from the store as it is sent; holds a place until it is closed."""

    def __init__(self, source: AbstractContextManager[Iterator[bytes]]) -> None:
        take_place()
        self._held = ExitStack()
        self._held.callback(leave_place)
        try:
            # Asked for before the answer begins: what the store refuses can still be told.
            self._pieces = self._held.enter_context(source)
        except BaseException:
            self._held.close()
            raise
        self._rest = memoryview(b"")

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._pieces))
        sent, self._rest = self._rest[:SENT_AT_ONCE], self._rest[SENT_AT_ONCE:]
        return bytes(sent)

    def close(self) -> None:
        """End the reading and leave the place; again is no error."""
        self._held.close()


@dataclass(frozen=True)
class Range:
    """The bytes from `start` to before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def parse_range(header: str, size: int) -> Range | None:
    """The one range of bytes that the header asks for; None where it asks for none, for several,
    or in a form that is not known: then the whole is the answer (RFC 9110, 14.2).

    >>> parse_range("bytes=0-1023", 5000), parse_range("bytes=-10", 5000), parse_range("", 5)
    (Range(start=0, end=1024), Range(start=4990, end=5000), None)
    """
    unit, equals, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash or "," in spec:
        return None
    if not all((text.isascii() and text.isdigit()) or not text for text in (first, last)):
        return None
    if len(first) > 20 or len(last) > 20:
        return None
    if not first:
        if not last:
            return None
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last or size) + 1, size)
        if last and int(last) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return Range(start, end)


def streamed(
    source: AbstractContextManager[Iterator[bytes]], *, status: int, headers: dict[str, str]
) -> StreamingHttpResponse:
    """An answer whose body is read from the source while it is sent."""
    return StreamingHttpResponse(Stream(source), status=status, headers=headers)
