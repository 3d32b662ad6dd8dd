"""How far it is: a bar on a terminal, now and then a line in a pipe."""

from time import monotonic
from typing import TextIO

from shub.operations.figures import in_time, in_units

TERMINAL_SECONDS = 0.2
LINE_SECONDS = 30.0
BAR = 24


class Progress:
    """One line on what is looked at. Says nothing where there is nothing to write to."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out
        self._terminal = bool(out and getattr(out, "isatty", bool)())
        self._what, self._all, self._in_bytes = "", 0, False
        self._begun = self._said_at = monotonic()
        self.done = 0

    def begin(self, what: str, total: int, *, in_bytes: bool = False) -> None:
        """From now on this is looked at, about so much of it."""
        self.end()
        self._what, self._all, self._in_bytes, self.done = what, total, in_bytes, 0
        self._begun = monotonic()

    def advance(self, count: int) -> None:
        """So much more."""
        self.done += count
        now = monotonic()
        if now - self._said_at >= (TERMINAL_SECONDS if self._terminal else LINE_SECONDS):
            self._said_at = now
            self._write(f"\r\x1b[K{self}" if self._terminal else f"{self}\n")

    def note(self, words: str) -> None:
        """Say something beside it."""
        self._write(f"\r\x1b[K{words}\n" if self._terminal else f"{words}\n")

    def end(self) -> None:
        """Leave an empty line to write on."""
        if self._terminal:
            self._write("\r\x1b[K")

    def __str__(self) -> str:
        share = min(self.done / self._all, 1.0) if self._all else 1.0
        done = int(share * BAR)
        bar = f"[{'#' * done}{'.' * (BAR - done)}] " if self._terminal else ""
        spent = max(monotonic() - self._begun, 0.001)
        rate = self.done / spent
        left = (self._all - self.done) / rate if rate and self._all > self.done else 0
        return (
            f"{self._what}: {bar}{share:4.0%}, {self._said(self.done)} of {self._said(self._all)}, "
            f"{self._said(int(rate))}/s, {in_time(left)} left"
        )

    def _said(self, count: int) -> str:
        return in_units(count) if self._in_bytes else f"{count:,}"

    def _write(self, words: str) -> None:
        if self._out:
            self._out.write(words)
            self._out.flush()
