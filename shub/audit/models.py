"""The audit trail's one table."""

from django.db import models
from django.utils import timezone


class Event(models.Model):
    """One thing that was done, or refused, by somebody.

    Things are named by kind and public id, never by foreign key: the trail outlives them. The
    database refuses to change a row, and to delete one that is younger than what is said while old
    ones are dropped (`shub.audit.keeping`), and than 30 days in any case (migration 0011).
    """

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=150, blank=True, help_text="sign-in name; empty: nobody")
    token = models.CharField(max_length=24, blank=True, help_text="public id of the token used")
    address = models.CharField(
        max_length=45, blank=True, db_default="", help_text="where the request came from"
    )
    action = models.CharField(max_length=64, help_text="such as image.pushed")
    kind = models.CharField(max_length=32, help_text="what it was done to: image, token, …")
    public_id = models.CharField(max_length=24, blank=True)
    name = models.CharField(max_length=512, blank=True, help_text="what people call the thing")
    entity = models.CharField(
        max_length=24,
        blank=True,
        db_default="",
        help_text="public id of the entity that the thing is in; empty: in none",
    )
    about = models.CharField(
        max_length=24,
        blank=True,
        db_default="",
        help_text="public id of the user whom it concerns; empty: nobody in particular",
    )
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["kind", "public_id", "-at"], name="audit_by_thing"),
            models.Index(fields=["actor", "-at"], name="audit_by_actor"),
            models.Index(
                fields=["entity", "-at"], condition=~models.Q(entity=""), name="audit_by_entity"
            ),
            models.Index(
                fields=["about", "-at"], condition=~models.Q(about=""), name="audit_by_subject"
            ),
            models.Index(
                fields=["token", "-at"], condition=~models.Q(token=""), name="audit_by_token"
            ),
            models.Index(fields=["-at"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor or 'nobody'} {self.action} {self.name}"
