"""What can be removed and brought back: until when, and what is not removed."""

from copy import copy
from functools import reduce
from operator import and_
from typing import Self

from django.db import models
from django.db.models import Q

from shub.retrying import Retried


class Removable(Retried):
    """A place that is there for nobody once it is removed, until it is brought back or has gone.

    Its row stays, and so does all that is in it, as it was; its name is free at once.
    """

    removed_at = models.DateTimeField(null=True, blank=True, editable=False)
    removed_by = models.CharField(
        max_length=150, blank=True, db_default="", editable=False, help_text="sign-in name"
    )
    kept_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="until when it can be brought back"
    )

    class Meta:
        abstract = True

    def as_if_there(self) -> Self:
        """A copy that is not removed, never to be saved: what could be done with it then."""
        there = copy(self)
        there.removed_at = None
        return there


def removable_rules(model: str) -> list[models.BaseConstraint]:
    """The database's own word that what is removed is kept until some moment, and nothing else."""
    return [
        models.CheckConstraint(
            condition=Q(removed_at__isnull=True, kept_until__isnull=True)
            | Q(removed_at__isnull=False, kept_until__isnull=False),
            name=f"{model}_removed_and_kept",
        )
    ]


def removable_indexes(model: str) -> list[models.Index]:
    """What the sweep looks for: few rows of many."""
    return [
        models.Index(
            fields=["kept_until"],
            condition=Q(removed_at__isnull=False),
            name=f"{model}_kept_until",
        )
    ]


def not_removed(*paths: str) -> Q:
    """None of these is removed: relations from the row, as `container__collection`; "" is itself.

    All in one condition, so that behind a relation to many it speaks of the same row.

    >>> not_removed("", "collection")
    <Q: (AND: ('removed_at__isnull', True), ('collection__removed_at__isnull', True))>
    """
    fields = ("__".join(filter(None, [path, "removed_at__isnull"])) for path in paths)
    return reduce(and_, (Q(**{field: True}) for field in fields))
