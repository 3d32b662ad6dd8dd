"""Charges: which bytes an entity pays for."""

from django.db import models
from django.db.models import Q

from shub.accounts.models import Entity
from shub.containers.models.blob import DIGEST_PATTERN


class Charge(models.Model):
    """Bytes that an entity pays for, once however many of its images have them.

    Stored: an image of it that is there has the bytes. Else pending: an upload of them into it is
    under way, and this is the largest size that one was announced with. Written by
    `shub.containers.ledger` alone.
    """

    # The constraint's index below leads with the entity.
    entity = models.ForeignKey(
        Entity, on_delete=models.CASCADE, related_name="charges", db_index=False
    )
    digest = models.CharField(max_length=64, db_collation="C", help_text="hex of SHA-256")
    size = models.BigIntegerField(help_text="bytes")
    is_stored = models.BooleanField(help_text="else pending: an upload of it is under way")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entity", "digest"], name="charge_once"),
            models.CheckConstraint(
                condition=Q(digest__regex=DIGEST_PATTERN), name="charge_digest_form"
            ),
            models.CheckConstraint(condition=Q(size__gte=0), name="charge_size_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.size} bytes of {self.digest} ({'stored' if self.is_stored else 'pending'})"
