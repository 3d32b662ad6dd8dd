"""Usage: how many bytes an entity, and the whole site, has and has promised room for.

Written by `shub.containers.ledger` alone, each row locked last in its transaction. No rule says
that the sums are not negative: a sum that is wrong is found and corrected by a recount, and must
keep nobody from pushing until then.
"""

from django.db import models
from django.db.models import Q

from shub.accounts.models import Entity


class EntityUsage(models.Model):
    """What an entity pays for: the sums of its charges.

    An entity without a row, or whose row was never counted, is counted when it is first asked for.
    """

    entity = models.OneToOneField(
        Entity, primary_key=True, on_delete=models.CASCADE, related_name="usage"
    )
    stored_bytes = models.BigIntegerField(default=0, db_default=0)
    reserved_bytes = models.BigIntegerField(
        default=0, db_default=0, help_text="promised to uploads that are under way"
    )
    counted_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was last counted anew; empty: never"
    )

    class Meta:
        verbose_name_plural = "usage of entities"
        indexes = [
            models.Index(fields=["-stored_bytes", "entity"], name="usage_largest_first"),
            models.Index(fields=["counted_at"], name="usage_counted_at"),
        ]

    def __str__(self) -> str:
        return f"{self.stored_bytes} bytes, and {self.reserved_bytes} promised"


class SiteUsage(models.Model):
    """What the store holds for this site, in one row.

    `stored_bytes` are those of every blob that is not gone, condemned ones too; `reserved_bytes`
    those that uploads have announced and that are no object yet.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    stored_bytes = models.BigIntegerField(default=0, db_default=0)
    reserved_bytes = models.BigIntegerField(default=0, db_default=0)
    counted_at = models.DateTimeField(
        null=True, blank=True, help_text="when it was last counted anew; empty: never"
    )

    class Meta:
        verbose_name = verbose_name_plural = "usage of the site"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="site_usage_one_row")]

    def __str__(self) -> str:
        return f"{self.stored_bytes} bytes, and {self.reserved_bytes} promised"
