"""The ledger: whether it says what entities and the site have."""

from functools import partial

from shub.containers import ledger
from shub.containers.ledger import Drift
from shub.operations.fsck.course import Course
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import LEDGER


def check(course: Course) -> None:
    """Count everything anew, each entity with its row locked: a push under way is no finding."""
    for drift in course.patiently(lambda: list(ledger.drifts())):
        stored, promised = drift.said
        counted, counted_promised = drift.counted
        seen = (
            f"{stored} bytes stored and {promised} promised by the ledger; {counted} and "
            f"{counted_promised} counted"
        )
        course.take(Finding(LEDGER, drift.whose, seen, partial(_correct, drift)))


def _correct(drift: Drift) -> str:
    drift.correct()
    return "counted anew"
