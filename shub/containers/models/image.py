"""Images: one SIF file each, known by its hash."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.containers.models.blob import DIGEST_PATTERN, Blob
from shub.containers.models.container import Container
from shub.public_ids import PublicIdField, public_id_rules
from shub.sif import Facts

# What `take` has from the SIF, or from an equal image.
FACTS = ("arch", "signed", "fingerprints", "encrypted", "sif_id", "unread")


class ImageFacts(models.Model):
    """What an image is, wherever its row stands."""

    container: models.ForeignKey[Container, Container]

    digest = models.CharField(max_length=64, db_collation="C", help_text="hex of SHA-256")
    description = models.TextField(blank=True)
    arch = models.CharField(max_length=16, blank=True, help_text="Go's name; empty: unknown")
    signed = models.BooleanField(default=False)
    fingerprints = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    encrypted = models.BooleanField(default=False)
    sif_id = models.UUIDField(null=True, blank=True)
    unread = ArrayField(
        models.CharField(max_length=64),
        default=list,
        # Said by the database too: a server of the release before knows nothing of it.
        db_default=[],
        blank=True,
        help_text="what its SIF says in codes that are not known here",
    )
    download_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.container}:{self.hash}"

    @property
    def hash(self) -> str:
        """The hash as the library's clients write it."""
        return f"sha256.{self.digest}"


class Image(ImageFacts):
    """One SIF file in one container.

    It begins as a claim (no blob) when a client announces it, and counts for readers once its blob
    is proven. What the SIF says of itself (`arch` … `sif_id`) is read from the stored bytes, never
    believed from a client; empty until then. What is not understood is kept, and named in `unread`.
    """

    public_id = PublicIdField()
    container = models.ForeignKey(
        Container, on_delete=models.PROTECT, related_name="images", db_index=False
    )
    blob = models.ForeignKey(
        Blob, null=True, blank=True, on_delete=models.PROTECT, related_name="images"
    )

    class Meta:
        constraints = [
            *public_id_rules("image"),
            models.CheckConstraint(
                condition=Q(digest__regex=DIGEST_PATTERN), name="image_digest_form"
            ),
            models.UniqueConstraint(fields=["container", "digest"], name="image_once_in_container"),
        ]
        indexes = [
            models.Index(
                fields=["container", "sif_id"],
                condition=Q(sif_id__isnull=False),
                name="image_by_sif_id",
            ),
            models.Index(fields=["container", "-id"], name="image_newest_first"),
            # Is it kept somewhere already? Asked at each first push of a hash.
            models.Index(fields=["digest"], name="image_by_digest"),
        ]

    def take(self, blob: Blob, facts: Facts | ImageFacts) -> None:
        """Have these bytes, and what they say of themselves: as read, or as of an equal image."""
        self.blob = blob
        self.arch = facts.arch
        self.signed = facts.signed
        self.fingerprints = list(facts.fingerprints)
        self.encrypted = facts.encrypted
        self.sif_id = facts.sif_id
        self.unread = list(facts.unread)
        self.save(update_fields=["blob", *FACTS])

    @property
    def is_proven(self) -> bool:
        """Its bytes are stored, and were read back and found to be what its hash says."""
        return self.blob is not None and self.blob.state == Blob.State.PROVEN

    @property
    def is_damaged(self) -> bool:
        """Its bytes were proven, and are no longer what they were: nobody is given them."""
        return self.blob is not None and self.blob.state == Blob.State.DAMAGED
