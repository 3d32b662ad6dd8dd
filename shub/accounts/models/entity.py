"""Entities: the first part of a reference, and the names that they had before."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models.team import Team
from shub.accounts.models.user import User
from shub.names import NAME_LENGTH, NAME_PATTERN, RESERVED_ENTITIES
from shub.public_ids import PublicIdField, public_id_rules


class Entity(models.Model):
    """A namespace: of one user, of one team, or of the site (of neither).

    A retired one belongs to nobody any more, its account having been deleted. It keeps its name, so
    that no reference comes to mean somebody else's images; only administrators and auditors see it.
    """

    public_id = PublicIdField()
    name = models.CharField(max_length=NAME_LENGTH, unique=True, db_collation="C")
    description = models.TextField(blank=True)
    user = models.OneToOneField(
        User, null=True, blank=True, on_delete=models.PROTECT, related_name="entity"
    )
    team = models.OneToOneField(
        Team, null=True, blank=True, on_delete=models.PROTECT, related_name="entity"
    )
    default_private = models.BooleanField(
        default=False, help_text="collections that a push makes here are private"
    )
    quota_bytes = models.BigIntegerField(
        null=True,
        blank=True,
        help_text="most that its images may take; 0: no bound; empty: DEFAULT_QUOTA_BYTES",
    )
    created_at = models.DateTimeField(default=timezone.now)
    retired_at = models.DateTimeField(
        null=True, blank=True, help_text="when its account was deleted"
    )

    class Meta:
        verbose_name_plural = "entities"
        constraints = [
            *public_id_rules("entity"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="entity_name_form"),
            models.CheckConstraint(
                condition=~Q(name__in=list(RESERVED_ENTITIES)), name="entity_name_not_reserved"
            ),
            models.CheckConstraint(
                condition=Q(quota_bytes__isnull=True) | Q(quota_bytes__gte=0),
                name="entity_quota_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=True) | Q(team__isnull=True, retired_at__isnull=True),
                name="entity_one_owner_of_user",
            ),
            models.CheckConstraint(
                condition=Q(team__isnull=True) | Q(retired_at__isnull=True),
                name="entity_retired_is_nobodys",
            ),
        ]
        indexes = [
            # What the sweep looks for: few rows of many.
            models.Index(
                fields=["id"], condition=Q(retired_at__isnull=False), name="entity_retired"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_sites(self) -> bool:
        """Belongs to no user and no team: administrators push there."""
        return self.user_id is None and self.team_id is None and self.retired_at is None


class FormerName(models.Model):
    """A name that the entity had. The API answers by it, and no other entity can take it.

    The last is the database's own word (migration 0004): the names of entities now and before are
    one set.
    """

    name = models.CharField(max_length=NAME_LENGTH, unique=True, db_collation="C")
    entity = models.ForeignKey(Entity, on_delete=models.CASCADE, related_name="former_names")
    given_up_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="former_name_form"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, now {self.entity.name}"
