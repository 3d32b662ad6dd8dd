"""All checks, in the order in which they are made. A check's module has the name of the check."""

from collections.abc import Callable
from dataclasses import dataclass

from shub.operations.fsck.checks import bytes as reading
from shub.operations.fsck.checks import ledger, objects, parts, rows
from shub.operations.fsck.course import Course


@dataclass(frozen=True)
class Check:
    """One subject. `make` takes its findings to the course, and goes on from `course.position`."""

    name: str
    make: Callable[[Course], None]


CHECKS = (
    Check("objects", objects.check),
    Check("parts", parts.check),
    Check("rows", rows.check),
    Check("ledger", ledger.check),
    Check("bytes", reading.check),
)
