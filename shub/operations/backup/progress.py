"""How far it is: one line that changes on a terminal, now and then a line in a pipe."""

from threading import Lock
from time import monotonic
from typing import TextIO

from shub.operations.figures import in_units

LINE_SECONDS = 10.0
TERMINAL_SECONDS = 0.2
BAR = 24


class Progress:
    """Counts objects and bytes, for any number of threads, and says how far that is."""

    def __init__(self, out: TextIO, *, objects: int, size: int, what: str) -> None:
        self.objects = self.bytes = 0
        self._all_objects, self._all_bytes, self._what = objects, size, what
        self._out, self._lock = out, Lock()
        self._terminal = bool(getattr(out, "isatty", bool)())
        self._said_at = monotonic()

    def bytes_came(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self.bytes += count
            self._say()

    def object_done(self) -> None:
        """One object more."""
        with self._lock:
            self.objects += 1
            self._say()

    def end(self) -> None:
        """Leave the terminal's line."""
        if self._terminal:
            self._out.write(f"\r{self}\n")
            self._out.flush()

    def __str__(self) -> str:
        share = min(self.bytes / self._all_bytes, 1.0) if self._all_bytes else 1.0
        done = int(share * BAR)
        bar = f"[{'#' * done}{'.' * (BAR - done)}] " if self._terminal else ""
        return (
            f"{self._what}: {bar}{share:4.0%}, {self.objects} of {self._all_objects} objects, "
            f"{in_units(self.bytes)} of {in_units(self._all_bytes)}"
        )

    def _say(self) -> None:
        now = monotonic()
        if now - self._said_at < (TERMINAL_SECONDS if self._terminal else LINE_SECONDS):
            return
        self._said_at = now
        self._out.write(f"\r{self}" if self._terminal else f"{self}\n")
        self._out.flush()
