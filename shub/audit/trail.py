"""Writing to the audit trail."""

from typing import Any

from shub.audit.models import Event


def record(
    action: str,
    *,
    kind: str,
    public_id: str = "",
    name: str = "",
    actor: str = "",
    token: str = "",
    **detail: Any,
) -> None:
    """Append an event, in the caller's transaction: what is rolled back was not done."""
    Event.objects.create(
        action=action,
        kind=kind,
        public_id=public_id,
        name=name,
        actor=actor,
        token=token,
        detail=detail,
    )
