"""Visibility: who may see a collection, changed by those who administer its entity."""

from django.db import transaction

from shub.accounts.models import User
from shub.audit import trail
from shub.containers import namespaces
from shub.containers.models import Collection
from shub.containers.permissions import may_administer
from shub.errors import Denied, Invalid


def change(*, entity: str, collection: str, to: str, by: User) -> Collection:
    """Make the collection public or private; it is written down who did."""
    found = namespaces.find_collection(entity, collection, by=by)
    if not may_administer(by, found.entity):
        raise Denied(f"Only the owner of {found.entity} may change who sees {found}.")
    if to not in Collection.Visibility.values:
        expected = " or ".join(Collection.Visibility.values)
        raise Invalid(f"{to!r} is no visibility: expected {expected}.")
    with transaction.atomic():
        locked = Collection.objects.select_for_update(no_key=True).get(pk=found.pk)
        before, found.visibility = locked.visibility, to
        if before == to:
            return found
        found.save(update_fields=["visibility"])
        trail.record(
            "collection.visibility",
            kind="collection",
            public_id=found.public_id,
            name=str(found),
            actor=by.username,
            before=before,
            after=to,
        )
    return found
