"""Running: the checks one after the other, from where an earlier run was stopped."""

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError

from shub.audit import trail
from shub.operations.fsck.checks import CHECKS
from shub.operations.fsck.course import Course
from shub.uploads import totals

log = logging.getLogger(__name__)


def run(course: Course, only: Sequence[str] = ()) -> None:
    """Make those checks that are not done yet. NotFinished; Ended."""
    try:
        for check in CHECKS:
            if check.name in course.done or (only and check.name not in only):
                continue
            check.make(course)
            course.done.append(check.name)
            course.reached(None)
    finally:
        course.progress.end()
        _write_down(course)


def _write_down(course: Course) -> None:
    """What was repaired, in the trail; what was counted, where the metrics are read."""
    repaired = {code: course.found[code] - course.left[code] for code in course.found}
    said = [f"{code}: {count}" for code, count in repaired.items() if count]
    try:
        if said:
            trail.record("site.repaired", kind="site", by=None, what=said)
        totals.add()
    except (OperationalError, InterfaceError):
        log.warning("The database is away: what was done is not written down.")
