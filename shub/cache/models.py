"""The cache's one table. Its rows may vanish at any time."""

from django.db import models


class Entry(models.Model):
    """A value until a moment. The table is unlogged: a crash of Postgres empties it."""

    key = models.BinaryField(primary_key=True, help_text="SHA-256 of the cache's key")
    value = models.TextField(help_text="JSON")
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return bytes(self.key).hex()
