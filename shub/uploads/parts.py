"""Parts: into how many slices an image is cut, what a client may say of them, and which arrived."""

from collections.abc import Sequence

from django.conf import settings

from shub.errors import Invalid
from shub.storage import NoSuchObject, Part, object_store
from shub.uploads.models import Upload

MIB = 1024**2
GIB = 1024**3

# What S3 takes: at most 10,000 parts, each of at most 5 GiB.
MOST_PARTS = 10_000
LARGEST_PART = 5 * GIB

# A body that is sent to us passes through in these: each is held in memory while it is stored.
BODY_PART_BYTES = 8 * MIB


def part_bytes_for(size: int, kind: Upload.Kind) -> int:
    """The part size for an image of `size` bytes: the site's, or the whole MiB that suffices.

    >>> from django.test import override_settings
    >>> with override_settings(UPLOAD_PART_BYTES=64 * MIB):
    ...     sizes = [1, 625 * GIB, 626 * GIB]
    ...     [part_bytes_for(size, Upload.Kind.MULTIPART) // MIB for size in sizes]
    [64, 64, 65]
    """
    if kind == Upload.Kind.SINGLE:
        return size
    wanted = BODY_PART_BYTES if kind == Upload.Kind.BODY else int(settings.UPLOAD_PART_BYTES)
    needed = -(-size // MOST_PARTS)
    return max(wanted, -(-needed // MIB) * MIB)


def check_part(upload: Upload, *, number: int, size: int) -> None:
    """Invalid unless the image has a part of this number and size."""
    if not 1 <= number <= upload.total_parts:
        raise Invalid(f"There is no part {number}: the image has parts 1 to {upload.total_parts}.")
    expected = upload.size_of_part(number)
    if size != expected:
        raise Invalid(f"Part {number} has {expected} bytes, not {size}.")


def check_all_parts(upload: Upload, parts: Sequence[Part]) -> list[Part]:
    """The parts in order; Invalid unless they are exactly those of the image."""
    in_order = sorted(parts, key=lambda part: part.number)
    numbers = [part.number for part in in_order]
    if numbers != list(range(1, upload.total_parts + 1)):
        raise Invalid(
            f"The image has parts 1 to {upload.total_parts}; {len(parts)} were named. Push again."
        )
    return in_order


# ── in the store ──
def arrived_parts(upload: Upload) -> list[Part]:
    """The parts that the store has; none where it no longer knows the upload."""
    try:
        return object_store().list_parts(upload.key, upload.store_id)
    except NoSuchObject:
        return []


def all_parts(upload: Upload) -> list[Part]:
    """The parts, where all have arrived whole; else none."""
    arrived = arrived_parts(upload)
    wanted = [(number, upload.size_of_part(number)) for number in range(1, upload.total_parts + 1)]
    return arrived if [(part.number, part.size) for part in arrived] == wanted else []
