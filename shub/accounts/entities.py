"""Entities by their names, those of today and those that they had before."""

from shub.accounts.models import Entity
from shub.names import folded
from shub.rows import first


def entity_named(name: str) -> Entity | None:
    """The entity that is called so, or was."""
    name = folded(name)
    today = Entity.objects.filter(name=name)
    return first(today.union(Entity.objects.filter(former_names__name=name)))
