"""The folder of backups: points to go back to, and the objects that they share.

    points/2026-11-26T07-17-00Z/manifest.json   what the point is; written last
                                database.dump   of pg_dump, in its custom format
                                objects.txt     bytes and key of each object that it needs
    objects/5f/5f….0123456789ab…                the objects, each once: their bytes never change

What is being written ends in `.part`, and counts for nothing until it has its name.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shub.operations.backup.failures import NotDone
from shub.storage.keys import PREFIX, is_blob_key

FORMAT = 1
MANIFEST, DUMP, LISTING = "manifest.json", "database.dump", "objects.txt"
UNFINISHED = ".part"

READ_BYTES = 1024**2


@dataclass(frozen=True)
class Kept:
    """An object of a point: its key, which names its SHA-256, and its bytes."""

    key: str
    size: int

    @property
    def digest(self) -> str:
        """The SHA-256 that the key names, in hex.

        >>> Kept("blobs/5f/5f5f.0123", 7).digest
        '5f5f'
        """
        return self.key.rpartition("/")[2].partition(".")[0]


@dataclass(frozen=True)
class Manifest:
    """What a point is: of what, when, and how to see that it is whole."""

    registry: str
    version: str
    begun_at: str
    ended_at: str
    migrations: list[str]
    """All that the database had seen, as `app.name`."""
    postgres: int
    """Major version of the server."""
    dump_sha256: str
    dump_bytes: int
    listing_sha256: str
    objects: int
    objects_bytes: int
    missing: list[str]
    """Keys of proven bytes that the store did not have, or had damaged."""
    counts: dict[str, int]
    """Rows by table, at the moment of the dump."""
    format: int = FORMAT


@dataclass(frozen=True)
class Point:
    """One backup: a moment to go back to."""

    folder: Path

    @property
    def name(self) -> str:
        """The moment of its beginning, as the folder is called."""
        return self.folder.name

    @property
    def dump(self) -> Path:
        return self.folder / DUMP

    def manifest(self) -> Manifest:
        """What it is. NotDone where that cannot be read."""
        path = self.folder / MANIFEST
        try:
            written: dict[str, Any] = json.loads(path.read_text())
            if written.get("format") != FORMAT:
                raise NotDone(
                    f"{path} is of another version of shub: its format is "
                    f"{written.get('format')!r}, not {FORMAT}."
                )
            return Manifest(**written)
        except (OSError, ValueError, TypeError) as error:
            raise NotDone(f"{path} cannot be read: {error}.") from error

    def objects(self) -> list[Kept]:
        """What it needs of the store. NotDone where that cannot be read."""
        path = self.folder / LISTING
        try:
            with path.open() as lines:
                found = [_kept(line) for line in lines]
        except (OSError, ValueError) as error:
            raise NotDone(f"{path} cannot be read: {error}.") from error
        return found

    def check(self, manifest: Manifest) -> None:
        """NotDone unless dump and list are those that were written."""
        for path, expected in (
            (self.dump, manifest.dump_sha256),
            (self.folder / LISTING, manifest.listing_sha256),
        ):
            try:
                found = digest_of(path)
            except OSError as error:
                raise NotDone(f"{path} cannot be read: {error.strerror}.") from error
            if found != expected:
                raise NotDone(
                    f"{path} is damaged: its SHA-256 is {found}, expected {expected}. Another "
                    "point may be whole: --point names one."
                )


class Folder:
    """A folder of backups."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._points = path / "points"

    def make(self) -> None:
        """Make it where it is missing, open to nobody else: it holds what the database holds."""
        for each in (self.path, self._points, self.path / "objects"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Have it alone. NotDone where another backup has it."""
        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NotDone(
                    f"Another backup is being written into {self.path}, or restored from it."
                ) from error
            yield

    # ── points ──
    def points(self) -> list[Point]:
        """Those that are complete, the oldest first."""
        found = sorted(self._points.glob(f"*/{MANIFEST}"))
        return [Point(path.parent) for path in found if path.parent.suffix != UNFINISHED]

    def point(self, name: str = "") -> Point:
        """The point of this name, or the newest. NotDone where there is none."""
        points = self.points()
        if not points:
            raise NotDone(f"{self.path} holds no backup.")
        for each in points if name else points[-1:]:
            if not name or each.name == name:
                return each
        names = ", ".join(each.name for each in points)
        raise NotDone(f"{self.path} has no point {name!r}, but: {names}.")

    def begin_point(self) -> Point:
        """A new one, not complete yet; what was left of others is dropped."""
        for left in self._points.glob(f"*{UNFINISHED}"):
            shutil.rmtree(left)
        while (named := self._points / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}").exists():
            time.sleep(0.1)
        made = named.with_name(named.name + UNFINISHED)
        made.mkdir(mode=0o700)
        return Point(made)

    def write_objects(self, point: Point, objects: Iterable[Kept]) -> str:
        """Write down what the point needs; the SHA-256 of that list."""
        path = point.folder / LISTING
        with path.open("w") as listing:
            listing.writelines(f"{each.size} {each.key}\n" for each in objects)
            _to_disk(listing.fileno())
        return digest_of(path)

    def complete(self, point: Point, manifest: Manifest) -> Point:
        """Give the point its name: all that it needs is on the disk."""
        with (point.folder / MANIFEST).open("w") as file:
            json.dump(asdict(manifest), file, indent=1)
            _to_disk(file.fileno())
        with point.dump.open("rb") as dump:
            _to_disk(dump.fileno())
        final = point.folder.with_suffix("")
        point.folder.rename(final)
        folder_to_disk(self._points)
        return Point(final)

    # ── objects ──
    def path_of(self, key: str) -> Path:
        """Where the object of this key lies. ValueError for no key of ours."""
        if not is_blob_key(key):
            raise ValueError(f"{key!r} is no key of an image.")
        return self.path / "objects" / key.removeprefix(PREFIX)

    def has(self, kept: Kept) -> bool:
        """Whether the object is there, by its size."""
        try:
            return self.path_of(kept.key).stat().st_size == kept.size
        except FileNotFoundError:
            return False

    # ── away ──
    def prune(self, keep: int) -> tuple[int, int]:
        """Drop all points but the newest, and the objects that none of these needs; how many of
        each. `keep` is at least 1."""
        points = self.points()
        old = points[:-keep]
        needed = {kept.key for each in points[-keep:] for kept in each.objects()}
        for each in old:
            # It counts for nothing before anything of it is gone.
            unfinished = each.folder.with_name(each.name + UNFINISHED)
            each.folder.rename(unfinished)
            shutil.rmtree(unfinished)
        dropped = 0
        for path in (self.path / "objects").glob("*/*"):
            if PREFIX + f"{path.parent.name}/{path.name}" not in needed:
                path.unlink()
                dropped += not path.name.endswith(UNFINISHED)
        return len(old), dropped


def _kept(line: str) -> Kept:
    size, _, key = line.rstrip("\n").partition(" ")
    if not is_blob_key(key):
        raise ValueError(f"{key!r} is no key of an image")
    return Kept(key, int(size))


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file's bytes, a mebibyte at a time."""
    with path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)


def folder_to_disk(folder: Path) -> None:
    """Have the names in it outlive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
