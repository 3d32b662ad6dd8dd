"""All checks, in the order in which they are made."""

from collections.abc import Callable
from dataclasses import dataclass

from shub.operations.fsck import charges, contradictions, objects, parts, rereading
from shub.operations.fsck.course import Course


@dataclass(frozen=True)
class Check:
    """One subject. `make` takes its findings to the course, and goes on from `course.position`."""

    name: str
    make: Callable[[Course], None]


CHECKS = (
    Check("objects", objects.check),
    Check("parts", parts.check),
    Check("rows", contradictions.check),
    Check("ledger", charges.check),
    Check("bytes", rereading.check),
)
