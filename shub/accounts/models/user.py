"""Users: people who sign in, and robots who do not."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from shub.public_ids import PublicIdField, public_id_rules

# In a robot's name and in no person's.
ROBOT_MARK = "/"


class User(AbstractUser):
    """Somebody who may act here.

    A person signs in and owns exactly one entity (`shub.accounts.registration`). A robot belongs to
    an entity or to a team, acts by its tokens only, and owns nothing (`shub.containers.robots`).
    """

    public_id = PublicIdField()
    must_change_password = models.BooleanField(
        default=False, help_text="the password was given by somebody else, and is to be replaced"
    )
    is_auditor = models.BooleanField(
        "auditor", default=False, db_default=False, help_text="sees everything, changes nothing"
    )
    administrator_from_group = models.CharField(
        max_length=255,
        blank=True,
        db_default="",
        default="",
        help_text="the group of the sign-in that made them an administrator; empty: a person did",
    )
    robot_entity = models.ForeignKey(
        "accounts.Entity",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="robots",
        help_text="the entity that this robot belongs to",
    )
    robot_team = models.ForeignKey(
        "accounts.Team",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="robots",
        help_text="the team that this robot belongs to",
    )

    class Meta:
        constraints = [
            *public_id_rules("user"),
            models.UniqueConstraint(Lower("username"), name="user_username_once"),
            models.CheckConstraint(
                condition=Q(is_superuser=False) | Q(is_auditor=False),
                name="user_one_site_role",
            ),
            models.CheckConstraint(
                condition=(
                    Q(robot_entity__isnull=True, robot_team__isnull=True)
                    & ~Q(username__contains=ROBOT_MARK)
                )
                | Q(
                    Q(robot_entity__isnull=False, robot_team__isnull=True)
                    | Q(robot_entity__isnull=True, robot_team__isnull=False),
                    username__contains=ROBOT_MARK,
                    is_superuser=False,
                    is_staff=False,
                    is_auditor=False,
                ),
                name="user_person_or_robot",
            ),
        ]

    @property
    def is_administrator(self) -> bool:
        """May do everything on this site."""
        return self.is_active and self.is_superuser

    @property
    def is_robot(self) -> bool:
        """Belongs to an entity or a team, and to nobody in person."""
        return self.robot_entity_id is not None or self.robot_team_id is not None

    @property
    def sees_everything(self) -> bool:
        """Administrators and auditors: nothing is hidden from them."""
        return self.is_active and (self.is_superuser or self.is_auditor)
