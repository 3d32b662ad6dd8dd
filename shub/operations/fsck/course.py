"""The course of an examination: how far it is, what was found, and its patience."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from time import monotonic, sleep
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from shub.errors import Unavailable
from shub.operations.fsck.failures import NotFinished
from shub.operations.fsck.findings import Finding
from shub.operations.progress_line import ProgressLine
from shub.storage import Listed, object_store

Answer = TypeVar("Answer")

# So many findings of a kind are kept for the report; the others are counted, and in the JSON.
MOST_KEPT = 1000

# Pauses grow to this one while store or database are away.
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True)
class Options:
    """How it is looked. Sizes a second are bytes; 0: no bound, and none that is chosen."""

    read: bool = False
    repair: bool = False
    remove_unknown: bool = False
    """Repair objects too that no row has ever known."""
    bytes_per_second: int = 0
    older_than_days: float = 0
    newest: int = 0
    patience_seconds: float = 300.0


@dataclass
class Course:
    """One examination, from its begin on, however often it is stopped and gone on with."""

    options: Options
    progress: ProgressLine
    tell: Callable[[Finding], None] = lambda finding: None
    remember: Callable[["Course"], None] = lambda course: None
    began_at: datetime = field(default_factory=timezone.now)
    done: list[str] = field(default_factory=list)
    """Checks that were come to the end of."""
    position: Any = None
    """Where the present check is: what it needs to go on, as JSON; None at its begin."""
    counted: Counter[str] = field(default_factory=Counter)
    """What was looked at, by words."""
    found: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    """By kind: all findings, and those that were not repaired."""
    kept: dict[tuple[str, str], Finding] = field(default_factory=dict)
    """By kind and subject, MOST_KEPT of each kind."""

    def take(self, finding: Finding) -> None:
        """Repair it where that was asked for and is safe, then keep it."""
        if self.options.repair and finding.mend is not None:
            finding = replace(finding, repaired=self.patiently(finding.mend))
        code = finding.kind.code
        self._forget(code, finding.subject)
        self.found[code] += 1
        self.left[code] += finding.is_left
        if self.found[code] <= MOST_KEPT:
            self.kept[code, finding.subject] = finding
        self.tell(finding)

    def _forget(self, code: str, subject: str) -> None:
        """What is found again, after a stop or by another check, counts once."""
        before = self.kept.pop((code, subject), None)
        if before is not None:
            self.found[code] -= 1
            self.left[code] -= before.is_left

    def reached(self, position: Any) -> None:
        """All up to here is looked at: from here it would go on."""
        self.position = position
        self.remember(self)

    # ── patience ──
    def patiently(self, act: Callable[[], Answer]) -> Answer:
        """Do it; again, with growing pauses, while store or database are away. NotFinished where
        that takes too long."""
        waiting = Waiting(self)
        while True:
            try:
                return act()
            except (Unavailable, OperationalError, InterfaceError) as error:
                waiting.wait(error)

    def objects(self, after: str) -> Iterator[Listed]:
        """What the store has after this key; gone on with after the last one that came, where the
        store was away."""
        waiting = Waiting(self)
        while True:
            try:
                for listed in object_store().objects(after):
                    after = listed.key
                    waiting = Waiting(self)
                    yield listed
            except Unavailable as error:
                waiting.wait(error)
            else:
                return


class Waiting:
    """One wait for what is away."""

    def __init__(self, course: Course) -> None:
        self._course, self._pause = course, 1.0
        self._until: float | None = None

    def wait(self, error: Exception) -> None:
        """Pause. NotFinished where it has been long enough."""
        if isinstance(error, OperationalError | InterfaceError):
            connection.close()
        now = monotonic()
        self._until = self._until or now + self._course.options.patience_seconds
        if now >= self._until:
            raise NotFinished(_words(error)) from error
        self._course.progress.note(f"{_words(error)} It is tried again.")
        sleep(min(self._pause, max(self._until - now, 0.01)))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)


def _words(error: Exception) -> str:
    if isinstance(error, Unavailable):
        return error.message
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"The database is away: {said}."
