"""Transfers through this server: how many there may be at once, and answers that are streamed.

Nearly all bytes go between client and store. What cannot (docs/explanation/pulls.md) passes through
here, and must not take the threads that answer everybody else.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from time import monotonic
from typing import Self

from django.conf import settings

from shub.errors import Unavailable
from shub.places import Places

# How much a client that reads slowly has to take within the server's patience of 15 seconds.
SENT_AT_ONCE = 64 * 1024


# How slowly a client may take an image, on the average after the first seconds: it holds a place.
BYTES_PER_SECOND = 32 * 1024
FIRST_SECONDS = 30.0


@contextmanager
def place() -> Iterator[None]:
    """One of the process' places for the time of the block; Unavailable where all are taken."""
    places = _places()
    if not places.take():
        raise Unavailable(
            "The registry carries as many images at this moment as it can for clients that do not "
            "follow it to the store. Try again in a minute, or use a newer client."
        )
    try:
        yield
    finally:
        places.leave()


class Stream:
    """An answer's body, read from the source as it is sent; holds a place until it is closed."""

    def __init__(self, source: AbstractContextManager[Iterator[bytes]]) -> None:
        self._held = ExitStack()
        self._held.enter_context(place())
        try:
            # Asked for before the answer begins: what the store refuses can still be told.
            self._pieces = self._held.enter_context(source)
        except BaseException:
            self._held.close()
            raise
        self._rest = memoryview(b"")
        self._begun, self._sent = monotonic(), 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._sent < (monotonic() - self._begun - FIRST_SECONDS) * BYTES_PER_SECOND:
            raise TimeoutError  # the worker gives the answer up
        if not self._rest:
            self._rest = memoryview(next(self._pieces))
        sent, self._rest = self._rest[:SENT_AT_ONCE], self._rest[SENT_AT_ONCE:]
        self._sent += len(sent)
        return bytes(sent)

    def close(self) -> None:
        """End the reading and leave the place; again is no error."""
        self._held.close()


def forget_places() -> None:
    """Let the next transfer make the places anew, as the settings say then."""
    _places.cache_clear()


@lru_cache(maxsize=1)
def _places() -> Places:
    return Places(settings.TRANSFER_THREADS)
