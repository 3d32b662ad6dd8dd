"""Collections: the second part of a reference, and who may see what is below."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity
from shub.containers.models.removable import (
    Removable,
    not_removed,
    removable_indexes,
    removable_rules,
)
from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules


class Visibility(models.TextChoices):
    """Who may see something, the widest first."""

    PUBLIC = "public", "public: everybody who reaches this registry"
    INTERNAL = "internal", "internal: everybody who is logged in"
    PRIVATE = "private", "private: those who have a role here"


class Collection(Removable):
    """A set of containers. Visibility belongs to it."""

    public_id = PublicIdField()
    # The indexes below lead with the entity: one of its own would only mislead.
    entity = models.ForeignKey(
        Entity, on_delete=models.PROTECT, related_name="collections", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH, db_collation="C")
    description = models.TextField(blank=True)
    visibility = models.CharField(
        max_length=16, choices=Visibility.choices, default=Visibility.PUBLIC
    )
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            *public_id_rules("collection"),
            models.CheckConstraint(
                condition=Q(name__regex=NAME_PATTERN), name="collection_name_form"
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "internal", "private"]),
                name="collection_visibility_known",
            ),
            models.UniqueConstraint(
                fields=["entity", "name"],
                condition=not_removed(""),
                name="collection_once_in_entity",
            ),
            *removable_rules("collection"),
        ]
        indexes = [
            # Removed ones too, which the constraint's index does not know.
            models.Index(fields=["entity", "removed_at"], name="collection_of_entity"),
            *removable_indexes("collection"),
        ]

    def __str__(self) -> str:
        return f"{self.entity.name}/{self.name}"

    @property
    def is_removed(self) -> bool:
        """It is there for nobody."""
        return self.removed_at is not None
