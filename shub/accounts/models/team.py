"""Teams: people who have rights together."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.names import NAME_LENGTH, NAME_PATTERN
from shub.public_ids import PublicIdField, public_id_rules


class Team(models.Model):
    """People who have rights together, and mostly an entity of the team's name."""

    public_id = PublicIdField()
    name = models.CharField(max_length=NAME_LENGTH, unique=True, db_collation="C")
    description = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            *public_id_rules("team"),
            models.CheckConstraint(condition=Q(name__regex=NAME_PATTERN), name="team_name_form"),
        ]

    def __str__(self) -> str:
        return self.name


class TeamMembership(models.Model):
    """One user in one team.

    Members push into the team's entity; owners own it, and decide who is in the team. A team has an
    owner at every moment: the database refuses what would leave it without one (migration 0004).
    """

    class Role(models.TextChoices):
        MEMBER = "member"
        OWNER = "owner"

    team = models.ForeignKey(
        Team, on_delete=models.CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.MEMBER)
    from_group = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        help_text="the group of the sign-in that it came with, and goes with; empty: neither",
    )
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="team_membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["member", "owner"]), name="team_membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} ({self.role})"
