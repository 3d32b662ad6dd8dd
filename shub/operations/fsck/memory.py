"""The state file: how far an examination is, so that another run goes on with it."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from shub.operations.fsck.course import Course
from shub.operations.fsck.failures import NotFinished
from shub.operations.fsck.findings import Finding

VERSION = 1
EVERY_SECONDS = 5.0


class Memory:
    """One file, replaced as a whole each time, and removed when all is looked at."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = 0.0

    def write_now_and_then(self, course: Course) -> None:
        """Write it where it was not for some seconds."""
        if monotonic() - self._written_at >= EVERY_SECONDS:
            self.write(course)

    def write(self, course: Course) -> None:
        """Write how far it is. NotFinished where that cannot be."""
        self._written_at = monotonic()
        new = self._path.with_name(f"{self._path.name}.new")
        try:
            new.write_text(json.dumps(_told(course)))
            new.replace(self._path)
        except OSError as error:
            raise NotFinished(f"{self._path} cannot be written: {error.strerror}.") from error

    def recall(self, course: Course) -> bool:
        """Go on from the file, where there is one. NotFinished where that cannot be."""
        try:
            told = json.loads(self._path.read_text())
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise NotFinished(f"{self._path} is no state of fsck: {error}.") from error
        if not isinstance(told, dict) or told.get("version") != VERSION:
            raise NotFinished(f"{self._path} is of another version of fsck: remove it.")
        course.began_at = datetime.fromisoformat(told["began_at"])
        course.done, course.position = told["done"], told["position"]
        course.counted, course.found = Counter(told["counted"]), Counter(told["found"])
        course.left = Counter(told["left"])
        kept = [Finding.from_json(each) for each in told["kept"]]
        course.kept = {(each.kind.code, each.subject): each for each in kept}
        return True

    def forget(self) -> None:
        """All is looked at."""
        self._path.unlink(missing_ok=True)


def _told(course: Course) -> dict[str, Any]:
    return {
        "version": VERSION,
        "began_at": course.began_at.isoformat(),
        "done": course.done,
        "position": course.position,
        "counted": course.counted,
        "found": course.found,
        "left": course.left,
        "kept": [replace(each, mend=None).as_json() for each in course.kept.values()],
    }
