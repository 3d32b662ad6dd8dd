"""Rows: the one row of a look-up that finds one at most."""

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)


def first(rows: "QuerySet[Row]") -> "Row | None":
    """The row, or None. Not `.first()`: on a unique look-up its ORDER BY only costs planning."""
    return next(iter(rows[:1]), None)
