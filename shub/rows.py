"""Rows: the one row of a look-up that finds one at most, and locks that were taken crosswise."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import OperationalError, transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)

# Postgres' code for the transaction that it ended so that the other can go on.
DEADLOCK = "40P01"


def first(rows: "QuerySet[Row]") -> "Row | None":
    """The row, or None. Not `.first()`: on a unique look-up its ORDER BY only costs planning."""
    return next(iter(rows[:1]), None)


def is_deadlock(error: OperationalError) -> bool:
    """Whether Postgres ended this transaction for another's sake: the same again will do."""
    return getattr(error.__cause__, "pgcode", None) == DEADLOCK


def in_transaction(act: Callable[[], None]) -> None:
    """Do the act in a transaction of its own; once more where it met another one crosswise."""
    try:
        with transaction.atomic():
            act()
    except OperationalError as error:
        if not is_deadlock(error):
            raise
        with transaction.atomic():
            act()


def in_chunks(rows: "QuerySet[Row]", size: int = 1000) -> Iterator["Row"]:
    """The rows by their keys, some at a time: whatever their number, no query brings more of them.

    Not `.iterator()`, whose cursor a proxy that shares its connections knows nothing of.
    """
    last = 0
    while True:
        chunk = list(rows.filter(pk__gt=last).order_by("pk")[:size])
        yield from chunk
        if len(chunk) < size:
            return
        last = chunk[-1].pk
