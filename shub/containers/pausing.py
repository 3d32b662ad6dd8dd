"""Pausing the collection: for a while, no bytes leave the store.

A backup copies the database first, then the objects that it names: what is condemned meanwhile has
to stay until it is copied. The pause is a row with an end, which the backup moves on while it runs;
of a backup that was killed it ends by itself.
"""

from datetime import timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from shub.containers.models import CollectionPause
from shub.rows import first

# How long a pause holds that nobody moves on.
PAUSE = timedelta(minutes=10)

# Postgres' advisory lock under which a pause begins, and under which a blob leaves.
LOCK = 0x5B_06_0F_01


def begin(who: str) -> CollectionPause:
    """Pause the collection from now on: when this returns, whatever leaves the store has said so on
    its row before."""
    with transaction.atomic(durable=True):
        _lock("pg_advisory_xact_lock")
        # Those that have ended are of no use to anybody.
        CollectionPause.objects.filter(until__lte=Now()).delete()
        return CollectionPause.objects.create(who=who[:255], until=Now() + PAUSE)


def move_on(pause: CollectionPause) -> bool:
    """Have the pause hold for `PAUSE` from now; False where it has ended meanwhile."""
    held = CollectionPause.objects.filter(pk=pause.pk, until__gt=Now())
    return bool(held.update(until=Now() + PAUSE))


def end(pause: CollectionPause) -> None:
    """Let the collection go on, unless another pause holds it."""
    CollectionPause.objects.filter(pk=pause.pk).delete()


def current() -> CollectionPause | None:
    """The pause that holds longest; None while bytes may leave the store."""
    return first(CollectionPause.objects.filter(until__gt=Now()).order_by("-until"))


def holds_collection() -> bool:
    """Whether bytes have to stay. Runs in the caller's transaction: until its end no pause begins.

    So a backup that begins meanwhile finds on the row what the caller writes there.
    """
    _lock("pg_advisory_xact_lock_shared")
    return CollectionPause.objects.filter(until__gt=Now()).exists()


def _lock(function: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
