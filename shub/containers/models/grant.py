"""Grants: who has which role where."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity, Team
from shub.containers.models.collection import Collection


class Role(models.IntegerChoices):
    """What somebody may do in an entity or a collection; each may what those before it may."""

    READER = 10, "reader: sees what is private"
    WRITER = 20, "writer: pushes"
    MAINTAINER = 30, "maintainer: deletes, changes settings and members"
    OWNER = 40, "owner: decides who owns it"


class Grant(models.Model):
    """A role on an entity or on a collection, held by a user or by a team.

    Beside these, a user owns the entity that is theirs, and a team's members push into the team's.
    """

    entity = models.ForeignKey(
        Entity, null=True, blank=True, on_delete=models.CASCADE, related_name="grants"
    )
    collection = models.ForeignKey(
        Collection, null=True, blank=True, on_delete=models.CASCADE, related_name="grants"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="grants",
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="grants"
    )
    role = models.PositiveSmallIntegerField(choices=Role.choices)
    granted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(entity__isnull=True) ^ Q(collection__isnull=True),
                name="grant_on_entity_or_collection",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=True) ^ Q(team__isnull=True), name="grant_to_user_or_team"
            ),
            models.CheckConstraint(condition=Q(role__in=[10, 20, 30, 40]), name="grant_role_known"),
            models.UniqueConstraint(
                fields=["entity", "collection", "user", "team"],
                nulls_distinct=False,
                name="grant_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.holder}: {self.get_role_display()} on {self.entity or self.collection}"

    @property
    def holder(self) -> str:
        """The name of the user or team."""
        return str(self.user or self.team)
