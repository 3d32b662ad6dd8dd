"""Usage: how much is stored for whom."""

from django.db.models import Sum

from shub.accounts.models import Entity
from shub.containers.models import Blob


def stored_bytes(entity: Entity) -> int:
    """The bytes of the entity's images; bytes that several of them share count once."""
    blobs = Blob.objects.filter(
        pk__in=Blob.objects.filter(images__container__collection__entity=entity).values("pk")
    )
    return int(blobs.aggregate(total=Sum("size"))["total"] or 0)
