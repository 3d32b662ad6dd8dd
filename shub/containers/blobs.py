"""Blobs: proven once, condemned when no row needs them, and collected: rows first, then bytes."""

from django.db import connection

from shub.containers.models import Blob
from shub.storage import object_store


def prove(blob: Blob) -> Blob:
    """The one proven blob of these bytes: an earlier one where there is one, else this."""
    with connection.cursor() as cursor:
        # Two pushes of the same bytes that are proven at the same moment: one waits for the other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [blob.digest])
    earlier = (
        Blob.objects.select_for_update()
        .filter(algorithm=blob.algorithm, digest=blob.digest, state=Blob.State.PROVEN)
        .first()
    )
    if earlier is not None:
        condemn(blob)
        return earlier
    blob.state = Blob.State.PROVEN
    blob.save(update_fields=["state"])
    return blob


def condemn(blob: Blob) -> None:
    """No row needs these bytes: the sweep removes them."""
    blob.state = Blob.State.CONDEMNED
    blob.save(update_fields=["state"])


def collect(blob: Blob) -> None:
    """Remove a condemned blob's bytes from the store, then say that they are gone."""
    if blob.state == Blob.State.CONDEMNED:
        object_store().remove([blob.key])
        Blob.objects.filter(pk=blob.pk, state=Blob.State.CONDEMNED).update(state=Blob.State.GONE)
