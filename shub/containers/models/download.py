"""Downloads: appended one by one, summed by the sweep, so that no row is hot."""

from django.db import models
from django.utils import timezone

from shub.containers.models.image import Image


class Download(models.Model):
    """One pull of an image that is not yet summed."""

    image = models.ForeignKey(Image, on_delete=models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"download at {self.at:%Y-%m-%d %H:%M}"


class DownloadCount(models.Model):
    """The pulls of an image on one day (UTC)."""

    image = models.ForeignKey(
        Image, on_delete=models.CASCADE, related_name="download_counts", db_index=False
    )
    day = models.DateField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["image", "day"], name="download_count_once_a_day"),
            models.CheckConstraint(
                condition=models.Q(count__gte=0), name="download_count_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"
