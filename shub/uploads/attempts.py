"""Attempts: the uploads of the whole site, for administrators and auditors."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from shub import retrying
from shub.accounts.administrators import check_sees_everything
from shub.accounts.callers import Caller
from shub.names import folded
from shub.uploads.models import Upload

PAGE = 50

State = Upload.State

# What may be asked for, and the states that it means.
KINDS: dict[str, tuple[str, ...]] = {
    "under-way": (State.OPEN, State.JOINING),
    "waiting": (State.VERIFYING,),
    "failed": (State.REFUSED, State.EXPIRED),
    "refused": (State.REFUSED,),
    "expired": (State.EXPIRED,),
    "aborted": (State.ABORTED,),
    "done": (State.DONE,),
}

# Rows of what has ended are never dropped: so many of the newest are looked through, so that no
# page reads them all.
LOOKED_THROUGH = 100_000

# A client that is alive asks for its next part sooner, and a sweep takes what has arrived sooner.
SILENT = timedelta(hours=1)
LEFT_WAITING = timedelta(minutes=10)


@dataclass(frozen=True)
class Question:
    """Which uploads are asked for; what is empty asks for any."""

    kind: str = ""
    """One of KINDS, `stuck` or `trouble`."""
    entity: str = ""
    """The name that the entity has today."""
    before: str = ""
    """What the page before said of `older`."""


@dataclass(frozen=True)
class Page:
    """Uploads, the newest first, and where the next page begins; empty where there is none."""

    uploads: list[Upload]
    older: str


def page(asked: Question, *, by: Caller) -> Page:
    """The newest uploads that are asked for, PAGE at most. Two queries at most."""
    check_sees_everything(by)
    rows = Upload.objects.filter(_where(asked.kind))
    if asked.entity:
        rows = rows.filter(container__collection__entity__name=folded(asked.entity))
    if asked.before.isascii() and asked.before.isdecimal() and len(asked.before) < 19:
        rows = rows.filter(id__lt=int(asked.before))
    rows = rows.select_related("container__collection__entity", "created_by", "token", "blob")
    found = list(rows.order_by("-id")[: PAGE + 1])
    more = len(found) > PAGE
    found = found[:PAGE]
    return Page(found, str(found[-1].pk) if more else "")


def _where(kind: str) -> Q:
    if kind == "stuck":
        return stuck()
    if kind == "trouble":
        # Its own, or of bytes that it has left.
        return (retrying.in_trouble() | Q(blob__failures__gt=0)) & among_the_newest()
    states = KINDS.get(kind, ())
    where = Q(state__in=states) if states else Q()
    if states and not set(states) & set(Upload.ENDED):
        return where
    return where & among_the_newest()


def stuck() -> Q:
    """Open without a sign of life, or arrived and left waiting."""
    now = timezone.now()
    return Q(state=State.OPEN, active_at__lt=now - SILENT) | Q(
        state__in=[State.JOINING, State.VERIFYING], active_at__lt=now - LEFT_WAITING
    )


def is_stuck(upload: Upload) -> bool:
    """The same of one."""
    silent = timezone.now() - upload.active_at
    if upload.state == State.OPEN:
        return silent > SILENT
    return upload.state in {State.JOINING, State.VERIFYING} and silent > LEFT_WAITING


def troubles_of(upload: Upload) -> list[retrying.Retried]:
    """What of it a sweep could not take further: itself, or the bytes that it has left."""
    rows: list[retrying.Retried | None] = [upload, upload.blob]
    return [row for row in rows if row is not None and row.failures]


def among_the_newest(most: int = LOOKED_THROUGH) -> Q:
    """Of the newest of the whole site, so many."""
    newest = Upload.objects.aggregate(newest=Max("id"))["newest"] or 0
    return Q(id__gt=newest - most)


def failed_since(days: int) -> QuerySet[Upload]:
    """Those that were refused or expired, begun within so many days."""
    return Upload.objects.filter(
        among_the_newest(),
        state__in=[State.REFUSED, State.EXPIRED],
        created_at__gte=timezone.now() - timedelta(days=days),
    )
