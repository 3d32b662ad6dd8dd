"""Collections: the second part of a reference, and who may see what is below."""

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity, User
from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules


class CollectionQuerySet(models.QuerySet["Collection"]):
    """Collections, in sets."""

    def visible_to(self, user: User | AnonymousUser) -> "CollectionQuerySet":
        """Those that `permissions.may_view` says yes to."""
        if isinstance(user, AnonymousUser):
            return self.filter(visibility=Collection.Visibility.PUBLIC)
        if user.is_administrator:
            return self
        return self.filter(Q(visibility=Collection.Visibility.PUBLIC) | Q(entity__user=user))


class Collection(models.Model):
    """A set of containers. Visibility belongs to it."""

    class Visibility(models.TextChoices):
        PUBLIC = "public"
        PRIVATE = "private"

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

    objects = CollectionQuerySet.as_manager()

    class Meta:
        constraints = [
            *public_id_rules("collection"),
            models.CheckConstraint(
                condition=Q(name__regex=NAME_PATTERN), name="collection_name_form"
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["public", "private"]),
                name="collection_visibility_known",
            ),
            models.UniqueConstraint(fields=["entity", "name"], name="collection_once_in_entity"),
        ]

    def __str__(self) -> str:
        return f"{self.entity.name}/{self.name}"

    @property
    def is_private(self) -> bool:
        """Seen by nobody but those who may push here, and administrators."""
        return self.visibility == self.Visibility.PRIVATE
