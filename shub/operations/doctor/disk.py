"""Room on the disks that this server sees."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, warning, well
from shub.operations.doctor.options import Options

GIB = 1024**3

# A part of each push at once, and then the image as a whole.
STORE_BYTES = 2 * GIB
STORE_SHARE = 0.1
STORE_LOW_BYTES = 50 * GIB
TEMPORARY_BYTES = 1024**2

FULL = fault(
    "disk-full",
    _("Pushes are refused with 507 or fail while they send; the store may stop altogether."),
    _("Give the store's disk more room, or remove images and let the sweep run."),
)
LOW = warning(
    "disk-low",
    _("Nothing fails yet; when it is full, pushes are refused."),
    _("Give the store's disk more room, set quotas, or remove images."),
)
NO_FILES = fault(
    "disk-no-files",
    _("There is room, but no new file can be made: pushes fail."),
    _(
        "Make a file system with more inodes for the store; few large files need few, some "
        "stores make many."
    ),
)
MISSING = warning(
    "disk-folder-missing",
    _("Uploads that the disk has no room for are not refused before they are sent."),
    _(
        "Correct MINIO_FOLDER, or mount it here; leave it out where the store is on another "
        "machine."
    ),
)
NO_TEMPORARY = fault(
    "disk-no-temporary",
    _("Requests fail with 500 when something has to be written down for a moment."),
    _("Make room in {folder}, or name another folder by TMPDIR."),
)


def look(options: Options) -> list[Finding]:
    """The store's folder, where it is here, and the one for temporary files."""
    found = [*_temporary(), *_store()]
    if found:
        return found
    if not settings.MINIO_FOLDER:
        return [
            well(
                "There is room for temporary files. The store's disk is not seen from here: "
                "MINIO_FOLDER is not set."
            )
        ]
    return [well(f"{_told(settings.MINIO_FOLDER)} in the store's folder.")]


def _temporary() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"\0" * TEMPORARY_BYTES)
            file.flush()
    except OSError as error:
        yield NO_TEMPORARY.found(
            f"no file of 1 MiB can be written: {error.strerror or error}", folder=_folder()
        )


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "/tmp"  # noqa: S108  named, not used


def _store() -> Iterator[Finding]:
    folder = settings.MINIO_FOLDER
    if not folder:
        return
    try:
        seen = os.statvfs(folder)
    except OSError as error:
        yield MISSING.found(f"{folder}: {error.strerror}")
        return
    free, whole = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    if free < STORE_BYTES:
        yield FULL.found(f"{folder}: {_told(folder)}")
    elif seen.f_files and not seen.f_favail:
        yield NO_FILES.found(f"{folder}: no inode is free")
    elif free < STORE_SHARE * whole and free < STORE_LOW_BYTES:
        yield LOW.found(f"{folder}: {_told(folder)}")


def _told(folder: str) -> str:
    seen = os.statvfs(Path(folder))
    free, whole = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
    return f"{free / GIB:.1f} of {whole / GIB:.1f} GiB free"
