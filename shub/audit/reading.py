"""Reading the trail: by whom, about whom, in which entity, when; newest first, page by page.

Who may read what is said by those who call this.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import Q, QuerySet

from shub.audit.models import Event
from shub.errors import Invalid

PAGE = 50
CHUNK = 1000


@dataclass(frozen=True)
class Person:
    """One who reads of themselves: what they did since they have the name, and what was done to
    them. Who had the name before was somebody else."""

    username: str
    public_id: str
    since: datetime


@dataclass(frozen=True)
class Question:
    """Which events are asked for; what is empty asks for any."""

    action: str = ""
    """Such as `image.pushed`; or what it begins with, up to the dot: `image`."""
    actor: str = ""
    entity: str = ""
    """The public id."""
    about: str = ""
    """The public id."""
    since: datetime | None = None
    until: datetime | None = None
    person: Person | None = None

    def sets(self) -> list[QuerySet[Event]]:
        """The events: in two sets for a person, each by an index of its own; they may overlap."""
        asked = Event.objects.filter(self._where())
        if self.person is None:
            return [asked]
        own = asked.filter(actor=self.person.username, at__gte=self.person.since)
        return [own, asked.filter(about=self.person.public_id)]

    def _where(self) -> Q:
        where = Q()
        if self.action:
            where &= Q(action=self.action) | Q(action__startswith=f"{self.action}.")
        for field in ("actor", "entity", "about"):
            if getattr(self, field):
                where &= Q(**{field: getattr(self, field)})
        if self.since is not None:
            where &= Q(at__gte=self.since)
        if self.until is not None:
            where &= Q(at__lt=self.until)
        return where


@dataclass(frozen=True)
class Page:
    """Events, the newest first, and where the next page begins; empty where there is none."""

    events: list[Event]
    older: str


def page(question: Question, *, before: str = "", size: int = PAGE) -> Page:
    """The newest events that are asked for; `before` is what another page says of `older`."""
    where = Q()
    if before:
        at, number = _place(before)
        where = Q(at__lte=at) & (Q(at__lt=at) | Q(id__lt=number))
    found = _merged(question, where, "-at", "-id", count=size + 1)
    events = sorted(found, key=_order, reverse=True)[: size + 1]
    more = len(events) > size
    events = events[:size]
    return Page(events, f"{events[-1].at.isoformat()}_{events[-1].pk}" if more else "")


def every(question: Question) -> Iterator[Event]:
    """All events that are asked for, the oldest first, some at a time."""
    where = Q()
    while True:
        found = _merged(question, where, "at", "id", count=CHUNK)
        events = sorted(found, key=_order)[:CHUNK]
        yield from events
        if len(events) < CHUNK:
            return
        at, number = _order(events[-1])
        where = Q(at__gte=at) & (Q(at__gt=at) | Q(id__gt=number))


def moment(written: str) -> datetime:
    """A day or a moment, as ISO 8601 has it, or as a browser's field; UTC where no zone is named.

    >>> moment("2026-11-26").isoformat(), moment("2026-11-26T09:30").isoformat()
    ('2026-11-26T00:00:00+00:00', '2026-11-26T09:30:00+00:00')
    """
    try:
        found = datetime.fromisoformat(written.strip())
        # Postgres takes fewer zones than Python, and in its own no year 0 and no year 10000 either.
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{written!r} is no moment: expected such as 2026-11-26T09:30.") from None


def as_line(event: Event) -> str:
    """The event as one line of JSON."""
    return json.dumps(facts(event), ensure_ascii=False) + "\n"


def facts(event: Event) -> dict[str, object]:
    """The event's fields, by the names that an export has."""
    return {
        "at": event.at.isoformat(),
        "actor": event.actor,
        "token": event.token,
        "address": event.address,
        "action": event.action,
        "kind": event.kind,
        "id": event.public_id,
        "name": event.name,
        "entity": event.entity,
        "about": event.about,
        "detail": event.detail,
    }


def _merged(question: Question, where: Q, *order: str, count: int) -> set[Event]:
    found: set[Event] = set()
    for events in question.sets():
        found.update(events.filter(where).order_by(*order)[:count])
    if question.person is not None:
        for event in found:
            _without_others_whereabouts(event, question.person)
    return found


def _without_others_whereabouts(event: Event, person: Person) -> None:
    """Where another user acted from is not told to whom it concerns. Of nobody known, it is: a
    sign-in that failed is told with its address."""
    if event.actor not in {"", person.username}:
        event.address = event.token = ""


def _order(event: Event) -> tuple[datetime, int]:
    return event.at, event.pk


def _place(before: str) -> tuple[datetime, int]:
    at, _, number = before.rpartition("_")
    if not number.isascii() or not number.isdigit():
        raise Invalid("There is no such page: go back to the newest events.")
    # No number of a row is larger; Postgres would refuse to compare with one that is.
    return moment(at), min(int(number[:30]), 2**63 - 1)
