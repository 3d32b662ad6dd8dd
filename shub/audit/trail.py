"""Writing to the audit trail."""

from collections.abc import Iterable
from typing import Any, Protocol

from shub.audit.models import Event


class Actor(Protocol):
    """Who did something, as `shub.accounts.callers.Caller` says it."""

    @property
    def name(self) -> str:
        """The sign-in name."""

    @property
    def token_id(self) -> str:
        """The public id of the token that was used."""

    @property
    def address(self) -> str:
        """Where the request came from."""


def record(
    action: str,
    *,
    kind: str,
    by: Actor | None,
    public_id: str = "",
    name: str = "",
    entity: str = "",
    about: str = "",
    **detail: Any,
) -> None:
    """Append an event, in the caller's transaction: what is rolled back was not done."""
    event(
        action,
        kind=kind,
        by=by,
        public_id=public_id,
        name=name,
        entity=entity,
        about=about,
        **detail,
    ).save(force_insert=True)


def record_all(events: Iterable[Event]) -> None:
    """Append events that `event` has made, by one statement for some hundred of them."""
    Event.objects.bulk_create(events, batch_size=500)


def event(
    action: str,
    *,
    kind: str,
    by: Actor | None,
    public_id: str = "",
    name: str = "",
    entity: str = "",
    about: str = "",
    **detail: Any,
) -> Event:
    """An event that is not written yet.

    `by` is None for what nobody asked for from outside: whoever sits at the server's own terminal.
    `entity` is the public id of the entity that the thing is in: those who manage it may read on.
    `about` is the public id of the user whom it concerns: they may read it.
    """
    return Event(
        action=action,
        kind=kind,
        public_id=public_id,
        name=name,
        entity=entity,
        about=about,
        actor=by.name if by else "",
        token=by.token_id if by else "",
        address=by.address if by else "",
        detail=detail,
    )
