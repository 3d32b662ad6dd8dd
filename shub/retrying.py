"""Retrying: what fails now is tried again later, with growing pauses, and its row says so."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

# The fields that `clear` empties, for who saves some of a row's fields only.
FIELDS = ("failures", "retry_at", "trouble")

# The first pause doubles until the longest.
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(minutes=15)


class Retried(models.Model):
    """A row that a sweep takes further, and what kept it from that."""

    failures = models.PositiveIntegerField(
        default=0, db_default=0, help_text="how often in a row a sweep could not take it further"
    )
    retry_at = models.DateTimeField(
        null=True, blank=True, help_text="no sweep tries again before; empty: at once"
    )
    trouble = models.TextField(
        blank=True, db_default="", help_text="why the last try failed, in a person's words"
    )

    class Meta:
        abstract = True


def due() -> Q:
    """The rows that may be tried now, by the database's clock."""
    return Q(retry_at__isnull=True) | Q(retry_at__lte=Now())


def pause_after(failures: int) -> timedelta:
    """How long to wait after so many failures in a row, from 1 on.

    >>> [pause_after(failures).total_seconds() for failures in (1, 2, 3, 30)]
    [2.0, 4.0, 8.0, 900.0]
    """
    growing = FIRST_PAUSE * int(2 ** min(failures - 1, 20))
    return min(growing, LONGEST_PAUSE)


def postpone(row: Retried, trouble: str) -> None:
    """Write down that a try failed, and when the next is due. Two that fail at once count twice."""
    model: Any = type(row)
    model.objects.filter(pk=row.pk).update(
        failures=models.F("failures") + 1,
        retry_at=Now() + pause_after(row.failures + 1),
        trouble=trouble,
    )
    row.refresh_from_db(fields=["failures", "retry_at", "trouble"])


def clear(row: Retried) -> None:
    """Forget the failures, in memory: whoever saves the row's next step saves this with it."""
    row.failures, row.retry_at, row.trouble = 0, None, ""
