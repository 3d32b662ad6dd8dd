"""The progress line: how far it is, as a bar on a terminal, now and then as a line in a pipe."""

from threading import Lock
from time import monotonic
from typing import TextIO

from shub.operations.figures import in_time, in_units

TERMINAL_SECONDS = 0.2
LINE_SECONDS = 30.0
BAR = 24


class ProgressLine:
    """One line on what is done of a whole, told by any number of threads. Says nothing where there
    is nothing to write to."""

    def __init__(self, out: TextIO | None) -> None:
        self._out, self._lock = out, Lock()
        self._terminal = bool(out and getattr(out, "isatty", bool)())
        self._what, self._all, self._in_bytes, self._all_objects = "", 0, False, 0
        self._begun = self._said_at = monotonic()
        self.done = self.objects = 0

    def begin(self, what: str, total: int, *, in_bytes: bool = False, objects: int = 0) -> None:
        """From now on this is worked at, about so much of it; in so many objects, where they are
        counted, too."""
        self.end()
        with self._lock:
            self._what, self._all, self._in_bytes = what, total, in_bytes
            self._all_objects, self.done, self.objects = objects, 0, 0
            self._begun = monotonic()

    def advance(self, count: int = 0, *, objects: int = 0) -> None:
        """So much more."""
        with self._lock:
            self.done += count
            self.objects += objects
            now = monotonic()
            if now - self._said_at >= (TERMINAL_SECONDS if self._terminal else LINE_SECONDS):
                self._said_at = now
                self._write(f"\r\x1b[K{self}" if self._terminal else f"{self}\n")

    def note(self, words: str) -> None:
        """Say something beside it."""
        with self._lock:
            self._write(f"\r\x1b[K{words}\n" if self._terminal else f"{words}\n")

    def end(self) -> None:
        """Leave an empty line to write on."""
        if self._terminal:
            self._write("\r\x1b[K")

    def finish(self) -> None:
        """Leave the line as it is at the end, and the next to write on."""
        if self._terminal:
            self._write(f"\r\x1b[K{self}\n")

    def __str__(self) -> str:
        share = min(self.done / self._all, 1.0) if self._all else 1.0
        filled = int(share * BAR)
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}] " if self._terminal else ""
        said = [f"{share:4.0%}"]
        if self._all_objects:
            said.append(f"{self.objects} of {self._all_objects} objects")
        said.append(f"{self._said(self.done)} of {self._said(self._all)}")
        if self.done < self._all:
            rate = self.done / max(monotonic() - self._begun, 0.001)
            left = (self._all - self.done) / rate if rate else 0
            said += [f"{self._said(int(rate))}/s", f"{in_time(left)} left"]
        return f"{self._what}: {bar}{', '.join(said)}"

    def _said(self, count: int) -> str:
        return in_units(count) if self._in_bytes else f"{count:,}"

    def _write(self, words: str) -> None:
        if self._out:
            self._out.write(words)
            self._out.flush()
