"""Files: what lies in the folder, and which of it is an image."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from shub.sif.layout import HEADER_BYTES, MAGIC, unpack_header

# What calls itself an image by its name, and is named where it is none.
ENDINGS = (".sif", ".simg")


@dataclass(frozen=True)
class Image:
    """A file that begins as a SIF does."""

    name: str
    """Its path below the folder, with slashes."""
    path: Path
    """Where it lies, links followed."""
    size: int


@dataclass(frozen=True)
class NotTaken:
    """A file that stays where it is, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Other:
    """A file that neither is an image nor calls itself one."""

    name: str


def look_through(folder: Path) -> Iterator[Image | NotTaken | Other]:
    """Everything in the folder and below, in the order of names. Nothing hidden is looked at.

    Links are followed to files within the folder: such a file has several names. OSError where the
    folder itself cannot be read.
    """
    top = folder.resolve(strict=True)
    yield from _below(top, top)


def _below(folder: Path, top: Path) -> Iterator[Image | NotTaken | Other]:
    with os.scandir(folder) as entries:
        in_order = sorted(entries, key=lambda entry: entry.name)
    for entry in in_order:
        if entry.name.startswith("."):
            continue
        path = Path(entry.path)
        name = path.relative_to(top).as_posix()
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(path, top)
            else:
                yield _looked_at(path, name, top)
        except OSError as error:
            yield NotTaken(name, f"cannot be read: {error.strerror or error}")
        except RuntimeError:
            yield NotTaken(name, "a link that leads back to itself")


def _looked_at(path: Path, name: str, top: Path) -> Image | NotTaken | Other:
    target = path.resolve(strict=True)
    if path.is_symlink():
        if not target.is_relative_to(top):
            return NotTaken(name, "a link that leads out of the folder")
        if target.is_dir():
            return NotTaken(name, "a link to a folder: its files are taken where they lie")
    calls_itself_one = name.lower().endswith(ENDINGS)
    if not target.is_file():
        return NotTaken(name, "no file") if calls_itself_one else Other(name)
    with opened(target, top) as file:
        begins = file.read(HEADER_BYTES)
        size = os.fstat(file.fileno()).st_size
    if len(begins) == HEADER_BYTES and unpack_header(begins).magic == MAGIC:
        return Image(name, target, size)
    if calls_itself_one:
        return NotTaken(name, "no SIF image: SIF_MAGIC is not at byte 32")
    return Other(name)


def opened(path: Path, top: Path) -> BinaryIO:
    """The file, to be read. OSError unless it is an ordinary one that lies below `top`.

    Looked at once it is open: whoever writes to the folder may put something else in its place.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_ordinary(descriptor, top)
        return os.fdopen(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def _check_ordinary(descriptor: int, top: Path) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError("it is no ordinary file")
    # Where the system tells, as Linux does.
    seen = Path(f"/proc/self/fd/{descriptor}")
    if seen.is_symlink() and not seen.readlink().is_relative_to(top):
        raise OSError("it lies outside of the folder")
