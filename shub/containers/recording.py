"""Recording: what was done to an entity, or to what is in one, in the trail.

Whoever manages the entity may read it there.
"""

from typing import Any, TypeAlias

from shub.accounts.models import Entity
from shub.audit import trail
from shub.audit.models import Event
from shub.audit.trail import Actor
from shub.containers.models import Collection, Container, Image, RemovedImage

Thing: TypeAlias = Entity | Collection | Container | Image | RemovedImage


def record(action: str, thing: Thing, *, by: Actor | None, name: str = "", **detail: Any) -> None:
    """Append an event on the thing, in the caller's transaction; `name` where it is not its own."""
    trail.record(action, **_told(thing, name), by=by, **detail)


def event(action: str, thing: Thing, *, by: Actor | None, name: str = "", **detail: Any) -> Event:
    """The same, not written yet."""
    return trail.event(action, **_told(thing, name), by=by, **detail)


def kind_of(thing: Thing) -> str:
    """The word for what it is; of an image the same when it is removed."""
    return "image" if isinstance(thing, RemovedImage) else type(thing).__name__.lower()


def entity_of(thing: Thing) -> Entity:
    """The entity that it is in, or is."""
    if isinstance(thing, Image | RemovedImage):
        thing = thing.container
    if isinstance(thing, Container):
        thing = thing.collection
    return thing.entity if isinstance(thing, Collection) else thing


def _told(thing: Thing, name: str) -> dict[str, str]:
    return {
        "kind": kind_of(thing),
        "public_id": thing.public_id,
        "name": name or str(thing),
        "entity": entity_of(thing).public_id,
    }
