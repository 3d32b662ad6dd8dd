"""Beats: how sweep processes say that they run, to whoever asks: pages, doctor, metrics."""

import os
import socket
from datetime import datetime, timedelta
from functools import lru_cache

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from shub.uploads.models import SweepBeat

# How often a process says so, and after how long a silence it is taken for dead. A process that is
# started each minute (`sweep --once` by cron) counts as one that runs.
EVERY_SECONDS = 15
ALIVE = timedelta(minutes=2)

# What was killed takes no row away: the next that starts does it.
KEPT = timedelta(minutes=10)

_HOST_CHARACTERS = 255


def beat() -> None:
    """Say that this process sweeps. One query; three the first time."""
    # Also over the row of a dead one of the same number: in containers, each is process 1.
    if _own().update(seen_at=Now(), started_at=_started_at()):
        return
    SweepBeat.objects.filter(seen_at__lt=Now() - KEPT).delete()
    own = SweepBeat(host=_host(), pid=os.getpid(), started_at=_started_at(), seen_at=Now())
    # Another thread of this process may have been faster.
    SweepBeat.objects.bulk_create(
        [own],
        update_conflicts=True,
        unique_fields=["host", "pid"],
        update_fields=["started_at", "seen_at"],
    )


def end() -> None:
    """Say that this process sweeps no more."""
    _own().delete()


def alive() -> list[SweepBeat]:
    """The processes that have said so within ALIVE, the oldest first. One query."""
    return list(SweepBeat.objects.filter(seen_at__gte=Now() - ALIVE).order_by("started_at", "id"))


def _own() -> QuerySet[SweepBeat]:
    return SweepBeat.objects.filter(host=_host(), pid=os.getpid())


def _host() -> str:
    return socket.gethostname()[:_HOST_CHARACTERS]


@lru_cache(maxsize=1)
def _started_at() -> datetime:
    return timezone.now()
