"""The site's read-only mode."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class ReadOnly(models.Model):
    """While its one row is there no image, tag, collection or entity changes on this site.

    Accounts do: people sign in, make tokens, and are in teams.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    message = models.CharField(max_length=500, help_text="what clients are told")
    since = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "read-only mode"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="read_only_one_row")]

    def __str__(self) -> str:
        return self.message
