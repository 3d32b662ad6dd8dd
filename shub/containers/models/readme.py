"""READMEs: what a place says of itself at length."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from shub.accounts.models import Entity
from shub.containers.models.collection import Collection
from shub.containers.models.container import Container


class Readme(models.Model):
    """The README of one entity, collection or container, in Markdown.

    A table of its own: a page shows one, and no answer to a client has any. As a column of the
    three it would be fetched with every row of every list, and with the parents of every image.
    """

    entity = models.OneToOneField(
        Entity, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    collection = models.OneToOneField(
        Collection, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    container = models.OneToOneField(
        Container, null=True, blank=True, on_delete=models.CASCADE, related_name="+"
    )
    text = models.TextField()
    written_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "README"
        constraints = [
            models.CheckConstraint(
                condition=Q(entity__isnull=False, collection__isnull=True, container__isnull=True)
                | Q(entity__isnull=True, collection__isnull=False, container__isnull=True)
                | Q(entity__isnull=True, collection__isnull=True, container__isnull=False),
                name="readme_of_one_place",
            ),
        ]

    def __str__(self) -> str:
        return f"README of {self.entity or self.collection or self.container}"
