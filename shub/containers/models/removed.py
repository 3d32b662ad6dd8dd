"""Removed images: what they were, so that they can come back as they were."""

from django.db import models
from django.utils import timezone

from shub.containers.models.blob import Blob
from shub.containers.models.container import Container
from shub.containers.models.image import ImageFacts
from shub.public_ids import PublicIdField, public_id_rules
from shub.retrying import Retried


class RemovedImage(ImageFacts, Retried):
    """An image that was removed, beside its container, until it is brought back or has gone.

    It holds its bytes, and counts for nothing else: nobody finds it, and no quota counts it. The
    public id is the image's.
    """

    public_id = PublicIdField()
    container = models.ForeignKey(
        Container, on_delete=models.PROTECT, related_name="removed_images", db_index=False
    )
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="removed_images")
    tags = models.JSONField(default=list, help_text="[name, arch] of each that it had")
    removed_at = models.DateTimeField(default=timezone.now)
    removed_by = models.CharField(max_length=150, blank=True, help_text="sign-in name")
    kept_until = models.DateTimeField(help_text="until when it can be brought back")

    class Meta:
        constraints = public_id_rules("removed_image")
        indexes = [
            models.Index(fields=["container", "-removed_at"], name="removed_image_newest_first"),
            models.Index(fields=["kept_until"], name="removed_image_kept_until"),
        ]
