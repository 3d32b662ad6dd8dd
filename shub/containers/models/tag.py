"""Tags: movable names for images, one per arch; where they were; where they will be."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Token
from shub.containers.models.container import Container
from shub.containers.models.image import Image
from shub.names import TAG_LENGTH, TAG_PATTERN

ARCH_PATTERN = r"^[a-z0-9]{0,16}$"


class Tag(models.Model):
    """A name that means one proven image, for one arch (empty: the image's arch is unknown)."""

    container = models.ForeignKey(
        Container, on_delete=models.PROTECT, related_name="tags", db_index=False
    )
    name = models.CharField(max_length=TAG_LENGTH, db_collation="C")
    arch = models.CharField(max_length=16, blank=True, db_collation="C")
    image = models.ForeignKey(Image, on_delete=models.PROTECT, related_name="tags")
    moved_at = models.DateTimeField(default=timezone.now)
    is_frozen = models.BooleanField(
        "frozen", default=False, db_default=False, help_text="the name is not moved, in any arch"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(name__regex=TAG_PATTERN, arch__regex=ARCH_PATTERN), name="tag_form"
            ),
            models.UniqueConstraint(fields=["container", "name", "arch"], name="tag_once_per_arch"),
        ]
        indexes = [
            models.Index(fields=["container", "-moved_at"], name="tag_newest_first"),
            # People search by the beginning of one, too.
            models.Index(fields=["name"], name="tag_by_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.arch or 'unknown arch'})"


class TagMove(models.Model):
    """One move of a tag: append-only (the database refuses to change a row, migration 0001).

    Images and people are named by hash and name, and the container's key is not enforced: the
    history outlives them all.
    """

    container = models.ForeignKey(
        Container,
        on_delete=models.DO_NOTHING,
        related_name="tag_moves",
        db_index=False,
        db_constraint=False,
    )
    name = models.CharField(max_length=TAG_LENGTH, db_collation="C")
    arch = models.CharField(max_length=16, blank=True)
    from_digest = models.CharField(max_length=64, blank=True, help_text="empty: the tag is new")
    to_digest = models.CharField(max_length=64, blank=True, help_text="empty: the tag was removed")
    moved_at = models.DateTimeField(default=timezone.now)
    moved_by = models.CharField(max_length=150, blank=True, help_text="sign-in name")
    token = models.CharField(max_length=24, blank=True, help_text="public id of the token used")

    class Meta:
        indexes = [
            models.Index(fields=["container", "name", "-moved_at"], name="tag_history"),
            models.Index(fields=["container", "-id"], name="tag_moves_newest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.from_digest[:8] or '-'} to {self.to_digest[:8] or '-'}"


class PendingTag(models.Model):
    """A tag that was asked for while its image is verified: it moves when the image is proven."""

    image = models.ForeignKey(
        Image, on_delete=models.CASCADE, related_name="pending_tags", db_index=False
    )
    name = models.CharField(max_length=TAG_LENGTH, db_collation="C")
    arch = models.CharField(
        max_length=16, blank=True, help_text="what the client said; the SIF header decides"
    )
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    token = models.ForeignKey(
        Token, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    address = models.CharField(
        max_length=45, blank=True, db_default="", help_text="where the request came from"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(name__regex=TAG_PATTERN), name="pending_tag_form"),
            models.UniqueConstraint(fields=["image", "name"], name="pending_tag_once_per_image"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (pending)"
