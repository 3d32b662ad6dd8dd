"""Visibility: who may see a collection, or a container in it, changed by those who manage it."""

from django.db import transaction

from shub.accounts.callers import Caller
from shub.containers import recording
from shub.containers.admission import check_may_manage
from shub.containers.models import Collection, Container, Visibility
from shub.errors import Invalid


def change(place: Collection | Container, *, to: str, by: Caller) -> None:
    """Make it public, internal or private; it is written down who did.

    A container can also be as its collection (an empty word). Invalid where it would be wider.
    """
    check_may_manage(by, place)
    if to not in allowed(place):
        expected = ", ".join(filter(None, allowed(place)))
        raise Invalid(
            f"{to!r} is no visibility that {place} can have: expected {expected}. A container is "
            "never wider than its collection."
        )
    with transaction.atomic():
        locked = type(place).objects.select_for_update(no_key=True).get(pk=place.pk)
        before, place.visibility = locked.visibility, to
        if before == to:
            return
        place.save(update_fields=["visibility"])
        action = f"{recording.kind_of(place)}.visibility"
        recording.record(action, place, by=by, before=before, after=to)


def allowed(place: Collection | Container) -> list[str]:
    """The visibilities that it can have; an empty word is the collection's own."""
    every = Visibility.values
    if isinstance(place, Collection):
        return every
    return ["", *every[every.index(place.collection.visibility) :]]
