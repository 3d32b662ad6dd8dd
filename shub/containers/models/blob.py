"""Blobs: bytes that the object store holds."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from shub.public_ids import PublicIdField, public_id_rules
from shub.retrying import Retried

DIGEST_PATTERN = r"^[0-9a-f]{64}$"


class Blob(Retried):
    """Bytes under one key of the bucket, and what is known of them.

    pending → proven (read back and hashed) → damaged (no longer what they were), or → condemned
    (no row needs them) → leaving (the store is asked to remove them) → gone. At most one proven
    blob has a digest. A condemned blob can become proven or pending again, and may be kept for a
    while for that; one that is leaving cannot. A damaged one keeps its images until right bytes are
    there again.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        PROVEN = "proven"
        DAMAGED = "damaged"
        CONDEMNED = "condemned"
        LEAVING = "leaving"
        GONE = "gone"

    # Of what images have: their bytes were proven once.
    HELD = (State.PROVEN, State.DAMAGED)

    public_id = PublicIdField()
    algorithm = models.CharField(max_length=16, default="sha256")
    digest = models.CharField(max_length=64, db_collation="C", help_text="hex; pending: a claim")
    size = models.BigIntegerField(help_text="bytes")
    media_type = models.CharField(max_length=255, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    key = models.CharField(max_length=255, db_collation="C")
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(
        null=True, blank=True, help_text="when its bytes were last read whole, and were right"
    )
    damaged_at = models.DateTimeField(null=True, blank=True)
    damage = models.TextField(
        blank=True, db_default="", help_text="what was found instead, in a person's words"
    )
    kept_until = models.DateTimeField(
        null=True, blank=True, help_text="condemned: until when its bytes stay; empty: no longer"
    )

    class Meta:
        constraints = [
            *public_id_rules("blob"),
            models.CheckConstraint(
                condition=Q(
                    state__in=["pending", "proven", "damaged", "condemned", "leaving", "gone"]
                ),
                name="blob_state_known",
            ),
            models.CheckConstraint(
                condition=Q(algorithm="sha256", digest__regex=DIGEST_PATTERN),
                name="blob_digest_form",
            ),
            models.UniqueConstraint(fields=["key"], name="blob_key_once"),
            models.CheckConstraint(condition=Q(size__gte=0), name="blob_size_not_negative"),
            models.UniqueConstraint(
                fields=["algorithm", "digest"],
                condition=Q(state="proven"),
                name="blob_proven_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=["condemned", "leaving"]),
                name="blob_condemned",
            ),
            # Of very many that are kept, those that are kept no longer.
            models.Index(
                fields=["kept_until"],
                condition=Q(state__in=["condemned", "leaving"]),
                name="blob_kept_until",
            ),
            # What is to be read again: those that were not for the longest.
            models.Index(
                Coalesce("read_at", "created_at"),
                condition=Q(state="proven"),
                name="blob_proven_read_last",
            ),
            models.Index(fields=["id"], condition=Q(state="damaged"), name="blob_damaged"),
            models.Index(
                fields=["id"],
                condition=Q(state="proven", failures__gt=0),
                name="blob_proven_unreadable",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digest} ({self.state})"
