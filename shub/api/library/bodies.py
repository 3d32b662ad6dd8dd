"""Bodies: what an old client sends to the registry itself, as it arrives."""

import logging
from time import monotonic
from typing import Any

from rest_framework.request import Request

from shub.errors import Invalid, Unmeasured
from shub.places import Places

log = logging.getLogger(__name__)

# How much of a refused body is read, and for how long, so that the client gets to reading why.
DRAINED_BYTES = 8 * 1024**2
DRAINED_SECONDS = 3.0

_draining = Places(1)


class Body:
    """A request's body, past DRF's parsers and Django's bounds: they have no part in it."""

    def __init__(self, request: Request) -> None:
        self._django = request._request  # noqa: SLF001  DRF has no public way to the stream

    @property
    def size(self) -> int:
        """How many bytes are going to come; Unmeasured where the client does not say."""
        written = str(self._django.META.get("CONTENT_LENGTH") or "")
        if not written:
            raise Unmeasured("An image is sent with a Content-Length, not in chunks.")
        if not (written.isascii() and written.isdigit()):
            raise Invalid(f"A Content-Length is a number, not {written[:20]!r}.")
        return int(written)

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end. OSError when the sender is gone."""
        return bytes(self._django.read(size))

    def wait_patiently(self) -> None:
        """Give the body as long as it needs: its sender is let in (`shub.web_worker`)."""
        wait: Any = getattr(self._django.META["wsgi.input"], "wait_patiently", None)
        if wait is not None:
            wait()

    def drain(self) -> None:
        """Read a part of what still comes, for a moment, and throw it away.

        One thread of the process at a time does: strangers can make it do so.
        """
        if not _draining.take():
            return
        left, give_up_at = DRAINED_BYTES, monotonic() + DRAINED_SECONDS
        try:
            while left > 0 and monotonic() < give_up_at and (piece := self.read(64 * 1024)):
                left -= len(piece)
        except OSError:
            log.debug("The client has hung up.")
        finally:
            _draining.leave()
