"""Collections: the second part of a reference, and who may see what is below."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity
from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules


class Visibility(models.TextChoices):
    """Who may see something, the widest first."""

    PUBLIC = "public", "public: everybody who reaches this registry"
    INTERNAL = "internal", "internal: everybody who is logged in"
    PRIVATE = "private", "private: those who have a role here"


class Collection(models.Model):
    """A set of containers. Visibility belongs to it."""

    public_id = PublicIdField()
    # The unique constraint below leads with the entity: an index of its own would only mislead.
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
            models.UniqueConstraint(fields=["entity", "name"], name="collection_once_in_entity"),
        ]

    def __str__(self) -> str:
        return f"{self.entity.name}/{self.name}"
