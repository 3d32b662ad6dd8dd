"""Room: whether the store has a place for what is to come, and what is given up where it has not.

Only the disk of a store on this machine is ours to look at (MINIO_FOLDER). What is merely kept for
a time, refused uploads and second copies, never stands in a push's way: its time then ends early,
that of the oldest first.
"""

import shutil

from django.conf import settings
from django.db.models import Sum

from shub.containers import blobs
from shub.errors import OverQuota, Unavailable
from shub.uploads.models import Upload

# Left free on the store's disk, so that joining and the database have room to work.
DISK_RESERVE_BYTES = 64 * 1024**2

# The sweep keeps so much free beside what is under way, as far as kept bytes are in the way: most
# pushes then find room at once.
AHEAD_BYTES = 1024**3


def check_room(size: int) -> None:
    """OverQuota where the store's disk is ours to look at and has no room for the image;
    Unavailable where it has in a minute, since something goes that is merely kept."""
    room = free_bytes()
    if room is None or size <= room:
        return
    if blobs.make_room(size - room):
        raise Unavailable(
            "The registry's disk is full of what is merely kept for a while. That is removed now: "
            "push again in a minute."
        )
    raise OverQuota(
        f"The registry's disk has room for {max(room, 0)} bytes, the image has {size}. "
        "Ask the administrator for more room."
    )


def free_bytes() -> int | None:
    """What uploads may take of the store's disk; None where it is not ours to look at."""
    if not settings.MINIO_FOLDER:
        return None
    return shutil.disk_usage(settings.MINIO_FOLDER).free - DISK_RESERVE_BYTES


def keep_ahead() -> None:
    """Give up kept bytes for what is under way and next to come, all of them if need be."""
    room = free_bytes()
    if room is None:
        return
    under_way = Upload.objects.filter(state__in=[Upload.State.OPEN, Upload.State.JOINING])
    promised = int(under_way.aggregate(total=Sum("size"))["total"] or 0)
    missing = promised + AHEAD_BYTES - room
    if missing > 0:
        blobs.keep_less(missing)
