"""Rows: the one row of a look-up that finds one at most, lists in pages, and locks that were taken
crosswise."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

# Farther into a list nobody reads, and each page costs as much as all before it.
MOST_PAGES = 2_000

# Postgres' code for the transaction that it ended so that the other can go on.
DEADLOCK = "40P01"

# Its codes for a row that another transaction had, or that took too long to come by.
BUSY = frozenset({DEADLOCK, "55P03", "57014"})


def first(rows: "QuerySet[Row]") -> "Row | None":
    """The row, or None. Not `.first()`: on a unique look-up its ORDER BY only costs planning."""
    return next(iter(rows[:1]), None)


def is_deadlock(error: OperationalError) -> bool:
    """Whether Postgres ended this transaction for another's sake: the same again will do."""
    return getattr(error.__cause__, "pgcode", None) == DEADLOCK


def is_row_busy(error: DatabaseError | InterfaceError) -> bool:
    """Whether another transaction was in the way of this one: the database itself is there."""
    return getattr(error.__cause__, "pgcode", None) in BUSY


def in_transaction(act: "Callable[[], Outcome]") -> "Outcome":
    """Do the act in a transaction of its own; once more where it met another one crosswise. What
    came of it."""
    try:
        with transaction.atomic():
            return act()
    except OperationalError as error:
        if not is_deadlock(error):
            raise
        with transaction.atomic():
            return act()


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


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some rows of a longer list. `total` is None where nobody has counted them."""

    rows: Sequence[Item]
    number: int
    has_next: bool
    total: int | None = None

    @property
    def has_previous(self) -> bool:
        """Whether rows come before these."""
        return self.number > 1

    def __iter__(self) -> Iterator[Item]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class Cut:
    """Where a page lies in its list: what a query skips, and takes.

    It takes one row more than the page has, which says whether there is a page after it.
    """

    number: int
    size: int

    @classmethod
    def at(cls, number: int, size: int) -> "Cut":
        """The page of this number, as far as there can be one: 1 is the first."""
        return cls(min(max(number, 1), MOST_PAGES), size)

    @property
    def skipped(self) -> int:
        """How many rows come before it."""
        return (self.number - 1) * self.size

    def of(self, rows: "QuerySet[Row]") -> "list[Row]":
        """Its rows out of a query in order, and one more."""
        return list(rows[self.skipped : self.skipped + self.size + 1])

    def page(self, taken: Sequence[Item], total: int | None = None) -> Page[Item]:
        """The page, of what was taken."""
        return Page(taken[: self.size], self.number, len(taken) > self.size, total)
