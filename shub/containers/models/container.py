"""Containers: the third part of a reference, under which images are pushed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.containers.models.collection import Collection, Visibility
from shub.containers.models.removable import (
    Removable,
    not_removed,
    removable_indexes,
    removable_rules,
)
from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules


class Container(Removable):
    """A name under which images are pushed.

    Its visibility can be narrower than its collection's, never wider: of the two the narrower one
    counts.
    """

    public_id = PublicIdField()
    collection = models.ForeignKey(
        Collection, on_delete=models.PROTECT, related_name="containers", db_index=False
    )
    name = models.CharField(max_length=NAME_LENGTH, db_collation="C")
    description = models.TextField(blank=True)
    visibility = models.CharField(
        max_length=16,
        choices=Visibility.choices,
        blank=True,
        db_default="",
        help_text="empty: as the collection",
    )
    is_frozen = models.BooleanField(
        "frozen", default=False, db_default=False, help_text="nothing is pushed here, or removed"
    )
    download_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = [
            *public_id_rules("container"),
            models.CheckConstraint(
                condition=Q(name__regex=NAME_PATTERN), name="container_name_form"
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["", *Visibility.values]),
                name="container_visibility_known",
            ),
            models.UniqueConstraint(
                fields=["collection", "name"],
                condition=not_removed(""),
                name="container_once_in_collection",
            ),
            *removable_rules("container"),
        ]
        indexes = [
            # Removed ones too, which the constraint's index does not know.
            models.Index(fields=["collection", "removed_at"], name="container_of_collection"),
            *removable_indexes("container"),
        ]

    def __str__(self) -> str:
        return f"{self.collection}/{self.name}"

    @property
    def narrowest_visibility(self) -> str:
        """The visibility that counts: its own, or its collection's where that is narrower."""
        return max(self.visibility, self.collection.visibility, key=["", *Visibility].index)

    @property
    def is_removed(self) -> bool:
        """It is there for nobody: removed itself, or with its collection."""
        return self.removed_at is not None or self.collection.is_removed
