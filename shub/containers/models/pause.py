"""Pauses of the collection: while a backup copies, no bytes leave the store."""

from django.db import models
from django.db.models.functions import Now


class CollectionPause(models.Model):
    """Until this moment, by the database's clock, no sweep removes bytes from the store.

    Whoever asked for it moves the moment on while they work. One who was killed does not, so it
    ends by itself.
    """

    who = models.CharField(max_length=255, help_text="what it is for, and where that runs")
    begun_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()

    class Meta:
        verbose_name = "pause of the collection"
        verbose_name_plural = "pauses of the collection"

    def __str__(self) -> str:
        return self.who
