"""Invitations: into a team, or to register."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from shub.accounts.models.team import Team, TeamMembership
from shub.public_ids import PublicIdField, public_id_rules


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Invitations, in sets."""

    def open(self) -> "InvitationQuerySet":
        """Those that can be accepted now."""
        return self.filter(
            expires_at__gt=Now(), accepted_at__isnull=True, withdrawn_at__isnull=True
        )


class Invitation(models.Model):
    """One place, offered to whoever has the link, or to one user by name.

    Into a team with a role there; without a team, to register. Accepted once. Of the link's secret
    only the SHA-256 is kept.
    """

    public_id = PublicIdField()
    digest = models.CharField(
        max_length=64, blank=True, db_collation="C", help_text="of the link; empty: by name"
    )
    team = models.ForeignKey(
        Team, null=True, blank=True, on_delete=models.CASCADE, related_name="invitations"
    )
    role = models.CharField(
        max_length=16,
        choices=TeamMembership.Role.choices,
        default=TeamMembership.Role.MEMBER,
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="invitations",
        help_text="the one who may accept it; empty: whoever has the link",
    )
    note = models.CharField(max_length=200, blank=True, help_text="whom it is meant for")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+"
    )
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            *public_id_rules("invitation"),
            models.CheckConstraint(
                condition=Q(digest__regex=r"^[0-9a-f]{64}$", user__isnull=True)
                | Q(digest="", user__isnull=False, team__isnull=False),
                name="invitation_by_link_or_by_name",
            ),
            models.UniqueConstraint(
                fields=["digest"], condition=~Q(digest=""), name="invitation_digest_once"
            ),
            models.UniqueConstraint(
                fields=["team", "user"],
                condition=Q(
                    accepted_at__isnull=True, withdrawn_at__isnull=True, user__isnull=False
                ),
                name="invitation_open_once_by_name",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["member", "owner"]), name="invitation_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"invitation into {self.team}" if self.team else "invitation to register"
