"""Keeping: how long the trail is kept. Older events are dropped by the sweep, some at a time."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

# What one transaction drops at most: bounded, so that it stays short.
BATCH = 10_000

# An array, since a subquery after IN may be asked again for each row, and then has another LIMIT.
DROP = """
DELETE FROM audit_event WHERE id = ANY (ARRAY(
    SELECT id FROM audit_event WHERE at < %s ORDER BY at LIMIT %s FOR UPDATE SKIP LOCKED
))
"""


def drop_old() -> int:
    """Delete events that are older than AUDIT_KEEP_DAYS, up to a batch of them; how many."""
    days = settings.AUDIT_KEEP_DAYS
    return drop_before(timezone.now() - timedelta(days=days)) if days else 0


def drop_before(moment: datetime) -> int:
    """Delete a batch of events from before the moment; how many.

    The moment is told to the database for this transaction: without, it deletes none. Of what is
    not 30 days old it refuses the deletion, whatever it is told (migration 0011).
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('shub.audit_drop_before', %s, true)", [str(moment)])
        cursor.execute(DROP, [moment, BATCH])
        return int(cursor.rowcount)
