"""Sweeps: each finds rows by their state and takes them one step further.

All are idempotent and may run in several processes at once; whatever was killed between two of its
lines, a later sweep goes on from the rows. docs/explanation/life-of-bytes.md draws the states.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from shub.containers import downloads
from shub.containers.models import Blob, Image
from shub.errors import Invalid, Unavailable
from shub.storage import object_store
from shub.uploads import multipart, verification
from shub.uploads.models import Upload

log = logging.getLogger(__name__)

State = Upload.State

# What one pass takes at most, so that no sweep keeps the others waiting.
BATCH = 200

# A request that joins parts has long ended by then, or was killed.
JOINING_LEFT_AFTER = timedelta(seconds=60)


def housekeeping() -> None:
    """Every sweep but verification, each to its end or to its fault; a fault stops no other."""
    for sweep in (
        resume_joining,
        expire_idle,
        drop_left_parts,
        collect_condemned,
        drop_idle_claims,
        drop_unknown_parts,
        downloads.sum_up,
    ):
        try:
            count = sweep()
        except Unavailable as error:
            log.warning("%s waits: %s", sweep.__name__, error)
        else:
            if count:
                log.info("%s: %d", sweep.__name__, count)


def resume_joining() -> int:
    """Go on with joinings that were left: the client's request was killed on its way."""
    left = Upload.objects.filter(
        state=State.JOINING, active_at__lt=timezone.now() - JOINING_LEFT_AFTER
    ).select_related("container", "created_by", "token")
    count = 0
    for upload in left[:BATCH]:
        if not multipart.take_up_joining(upload):
            continue
        try:
            multipart.join(upload)
        except Invalid as error:
            log.info("Upload %s is open again: %s", upload.public_id, error)
        count += 1
    return count


def expire_idle() -> int:
    """open → expired, where nothing has happened for UPLOAD_IDLE_HOURS."""
    return Upload.objects.filter(state=State.OPEN, active_at__lt=idle_since()).update(
        state=State.EXPIRED
    )


def drop_left_parts() -> int:
    """Make the store drop the parts of uploads that ended without being joined."""
    left = Upload.objects.filter(state__in=[State.REFUSED, State.EXPIRED, State.ABORTED]).exclude(
        store_id=""
    )
    count = 0
    for upload in left[:BATCH]:
        multipart.drop_parts(upload)
        count += 1
    return count


def collect_condemned() -> int:
    """condemned → gone."""
    count = 0
    for blob in Blob.objects.filter(state=Blob.State.CONDEMNED).order_by("id")[:BATCH]:
        verification.collect(blob)
        count += 1
    return count


def drop_idle_claims() -> int:
    """Delete images that were announced and never brought bytes."""
    idle = (
        Image.objects.filter(blob__isnull=True, created_at__lt=idle_since())
        .exclude(uploads__state__in=[State.OPEN, State.JOINING, State.VERIFYING])
        .order_by("id")
        .values_list("pk", flat=True)
    )
    count, _ = Image.objects.filter(pk__in=list(idle[:BATCH]), blob__isnull=True).delete()
    return count


def drop_unknown_parts() -> int:
    """Drop uploads in parts that the store has and no row knows: killed before the row came."""
    count = 0
    for open_parts in object_store().open_parts(begun_before=idle_since()):
        known = Upload.objects.filter(key=open_parts.key, store_id=open_parts.store_id)
        if not known.exists():
            object_store().abort_parts(open_parts.key, open_parts.store_id)
            count += 1
    return count


def idle_since() -> datetime:
    """What has not moved since is given up."""
    return timezone.now() - timedelta(hours=settings.UPLOAD_IDLE_HOURS)
