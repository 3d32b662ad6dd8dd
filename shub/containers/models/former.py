"""Former names: what collections and containers were called before, within what they are in.

They lead to a place only where nothing that is there has the name: something new may take it.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity
from shub.containers.models.collection import Collection
from shub.containers.models.container import Container
from shub.names import NAME_LENGTH, NAME_PATTERN


class FormerCollectionName(models.Model):
    """A name that a collection had in its entity."""

    # The constraint's index below leads with the entity.
    entity = models.ForeignKey(
        Entity, on_delete=models.CASCADE, related_name="former_collection_names", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH, db_collation="C")
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="former_names"
    )
    given_up_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=NAME_PATTERN), name="former_collection_name_form"
            ),
            models.UniqueConstraint(fields=["entity", "name"], name="former_collection_name_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, now {self.collection}"


class FormerContainerName(models.Model):
    """A name that a container had in its collection."""

    # The constraint's index below leads with the collection.
    collection = models.ForeignKey(
        Collection, on_delete=models.CASCADE, related_name="former_container_names", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH, db_collation="C")
    container = models.ForeignKey(Container, on_delete=models.CASCADE, related_name="former_names")
    given_up_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=NAME_PATTERN), name="former_container_name_form"
            ),
            models.UniqueConstraint(
                fields=["collection", "name"], name="former_container_name_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, now {self.container}"
