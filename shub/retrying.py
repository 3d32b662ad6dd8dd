"""Retrying: what fails now is tried again later, with growing pauses, and its row says so."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, models
from django.db.models import Q
from django.db.models.functions import Now

from shub.errors import Unavailable
from shub.rows import is_row_busy

log = logging.getLogger(__name__)

# The fields that `clear` empties, for who saves some of a row's fields only.
FIELDS = ("failures", "retry_at", "trouble")

# What they are then, for who updates the row without having it.
CLEARED: dict[str, Any] = {"failures": 0, "retry_at": None, "trouble": ""}

BUSY = "Another change of the same thing was under way."

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


def in_trouble() -> Q:
    """The rows whose last try failed."""
    return Q(failures__gt=0)


def attempt(row: Retried, act: Callable[[], object]) -> bool:
    """Do the act, which takes this row further; False where something in it is in the way.

    That is then written on the row, and the caller goes on with others. A store or a database that
    is away is raised: it is in the way of all rows, and no fault of this one.
    """
    try:
        act()
    except Unavailable:
        raise
    except (OperationalError, InterfaceError) as error:
        if not is_row_busy(error):
            raise
        postpone(row, BUSY)
    except Exception as fault:  # noqa: BLE001  a fault of ours in one row must not stop the others
        note_fault(row, fault)
    else:
        if row.failures:
            forget(row)
        return True
    return False


def forget(row: Retried) -> None:
    """Forget the failures, in the database: the act went well, and the row may have gone by it."""
    model: Any = type(row)
    model.objects.filter(pk=row.pk).update(**CLEARED)


def note_fault(row: Retried, fault: Exception) -> None:
    """Postpone the row for a fault of ours, which is logged: with its trace the first time only."""
    if row.failures:
        log.error("%s failed again, for the %dth time: %r", row, row.failures + 1, fault)
    else:
        log.error("%s could not be taken further; it is tried again.", row, exc_info=fault)
    postpone(row, in_words(fault))


def in_words(fault: Exception) -> str:
    """What a person is told of a fault of ours; the log has the rest.

    >>> in_words(KeyError("arch"))
    "A fault of this server, KeyError: 'arch'. The log of the sweep says more."
    """
    said = f"{type(fault).__name__}: {fault}".strip().splitlines()[0][:200]
    return f"A fault of this server, {said}. The log of the sweep says more."
