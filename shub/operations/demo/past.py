"""The past: rows that are made while it lasts bear the date that is given.

What the database lets nobody change (moves of tags, the audit trail) is written with its date the
first time, so nothing is lifted and no row is rewritten. In this process only: what the web server
and the sweep write meanwhile is as old as it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.db.models.signals import pre_save

from shub.accounts.models import Entity, Invitation, Team, TeamMembership, Token, User
from shub.audit.models import Event
from shub.containers.models import Grant, Readme, Tag, TagMove

DATES: dict[type[Model], str] = {
    Entity: "created_at",
    Event: "at",
    Grant: "granted_at",
    Invitation: "created_at",
    Readme: "written_at",
    Tag: "moved_at",
    TagMove: "moved_at",
    Team: "created_at",
    TeamMembership: "joined_at",
    Token: "created_at",
    User: "date_joined",
}

# A tag is one row that is changed at each move; of all others only the making is dated.
DATED_AT_EACH_CHANGE = frozenset({Tag})


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    """Date what is made here, and the tags that move here, at the moment."""

    def date(sender: type[Model], instance: Model, **_: Any) -> None:
        field = DATES.get(sender)
        if field and (instance._state.adding or sender in DATED_AT_EACH_CHANGE):  # noqa: SLF001
            setattr(instance, field, moment)

    pre_save.connect(date, weak=False, dispatch_uid="shub.operations.demo.past")
    try:
        yield
    finally:
        pre_save.disconnect(dispatch_uid="shub.operations.demo.past")
