"""Room: whether the store has a place for what is to come, and what is given up where it has not.

The site's quota bounds it, and the disk of a store on this machine (MINIO_FOLDER). What is merely
kept for a time, refused uploads and second copies, never stands in a push's way: its time then ends
early, that of the oldest first. Nor is it a way round an entity's quota: what is kept of pushes
into an entity takes as much as its quota again, at most.
"""

import shutil

from django.conf import settings
from django.db.models import F, Sum, Window

from shub.accounts.models import Entity
from shub.containers import blobs, usage
from shub.containers.models import Blob
from shub.errors import OverQuota, Unavailable
from shub.uploads.models import Upload

# Left free on the store's disk, so that joining and the database have room to work.
DISK_RESERVE_BYTES = 64 * 1024**2

# The sweep keeps so much free beside what is under way, as far as kept bytes are in the way: most
# pushes then find room at once.
AHEAD_BYTES = 1024**3


def check_room(size: int) -> None:
    """OverQuota where the site's quota, or the store's disk where it is ours to look at, has no
    room for the image; Unavailable where it has in a minute, since something that is merely kept
    goes.
    """
    missing = lacks(size)
    if not missing:
        return
    if blobs.make_room(missing):
        raise Unavailable(
            "The registry is full of what is merely kept for a while. That is removed now: push "
            "again in a minute."
        )
    usage.check_site_room(size)
    raise OverQuota(
        f"The registry's disk has room for {max(free_bytes() or 0, 0)} bytes, the image has "
        f"{size}. Ask the administrator for more room."
    )


def lacks(size: int) -> int:
    """How many bytes are missing for so many more; 0: none."""
    room = free_bytes()
    return max(usage.site_lacks(size), 0 if room is None else size - room, 0)


def free_bytes() -> int | None:
    """What uploads may take of the store's disk; None where it is not ours to look at."""
    if not settings.MINIO_FOLDER:
        return None
    return shutil.disk_usage(settings.MINIO_FOLDER).free - DISK_RESERVE_BYTES


def keep_ahead() -> None:
    """Give up kept bytes for what is under way and next to come, all of them if need be."""
    missing = max(_disk_lacks(), usage.site_lacks(_ahead_of_site()))
    if missing > 0:
        blobs.keep_less(missing)


def keep_within_quota(entity: Entity) -> None:
    """End the keeping of what pushes into the entity have left and that takes more than its quota,
    that of the oldest first.

    Else bytes that nobody pays for would be the cheapest: refused ones, sent time after time. In no
    transaction that has locked a blob: here others are locked, by their keys.
    """
    quota = usage.quota_bytes(entity)
    if not quota:
        return
    kept = Blob.objects.filter(
        blobs.KEPT, upload__container__collection__entity=entity.pk
    ).annotate(newer_too=Window(Sum("size"), order_by=[F("kept_until").desc(), F("pk").desc()]))
    blobs.end_keeping(*kept.filter(newer_too__gt=quota).values_list("pk", flat=True))


def _disk_lacks() -> int:
    room = free_bytes()
    if room is None:
        return 0
    under_way = Upload.objects.filter(state__in=[Upload.State.OPEN, Upload.State.JOINING])
    promised = int(under_way.aggregate(total=Sum("size"))["total"] or 0)
    return promised + AHEAD_BYTES - room


def _ahead_of_site() -> int:
    # Of a small site's quota not so much that nothing could be kept.
    return min(AHEAD_BYTES, int(settings.SITE_QUOTA_BYTES) // 10)
