"""The store's half: objects into the folder, and back; each is hashed on its way."""

import hashlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event, Lock
from typing import TypeVar

from shub.errors import Unavailable
from shub.operations.backup.database import Wanted
from shub.operations.backup.failures import NotDone
from shub.operations.backup.folder import (
    UNFINISHED,
    Folder,
    Kept,
    digest_of,
    folder_to_disk,
    pieces_of,
)
from shub.operations.progress_line import ProgressLine
from shub.storage import NoSuchObject, ObjectStore, Part

Item = TypeVar("Item")

# The pauses in which a store that is away is waited for.
PAUSES_SECONDS = (1.0, 5.0, 15.0, 60.0)

# In these an object goes back; S3 takes at most 10,000 of them.
PART_BYTES = 32 * 1024**2
MOST_PARTS = 10_000


class Copying:
    """Copies between one store and one folder, several objects at a time."""

    def __init__(
        self, store: ObjectStore, folder: Folder, progress: ProgressLine, jobs: int
    ) -> None:
        self._store, self._folder, self._progress, self._jobs = store, folder, progress, jobs
        self._stopping, self._lock = Event(), Lock()
        self.copied = 0
        self.copied_bytes = 0

    def out(self, wanted: Iterable[Wanted], *, reread: bool) -> tuple[list[Kept], list[Kept]]:
        """Copy what is wanted and not there yet; what is in the folder then, and what was proven
        and is not to be had, or no longer what it was.

        `reread`: of what is there already, too, see that it is what it was; else copy it again.
        """
        saved: list[Kept] = []
        missing: list[Kept] = []

        def copy(one: Wanted) -> None:
            kept = one.kept
            if self._is_there(kept, reread=reread) or self._patiently(self._fetch, kept):
                saved.append(kept)
            elif one.proven:
                missing.append(kept)
            self._progress.advance(objects=1)

        self._each(wanted, copy)
        return sorted(saved, key=_by_key), sorted(missing, key=_by_key)

    def back(self, objects: Iterable[Kept]) -> tuple[list[Kept], list[Kept]]:
        """Bring the objects into the store; those whose copies are damaged, or missing, in the
        folder, and those that the store did not give back as they were."""
        damaged: list[Kept] = []
        refused: list[Kept] = []

        def copy(kept: Kept) -> None:
            if not self._patiently(self._is_stored, kept):
                path = self._folder.path_of(kept.key)
                if not self._folder.has(kept) or digest_of(path) != kept.digest:
                    damaged.append(kept)
                    return
                self._patiently(self._put, kept)
                if not self._patiently(self._is_stored, kept):
                    refused.append(kept)
                    return
            self._progress.advance(kept.size, objects=1)

        self._each(objects, copy)
        return sorted(damaged, key=_by_key), sorted(refused, key=_by_key)

    def _each(self, items: Iterable[Item], act: Callable[[Item], None]) -> None:
        """Do it for all of them, or until one fails: then the others stop soon."""
        left = iter(items)

        def work() -> None:
            while not self._stopping.is_set():
                with self._lock:
                    item = next(left, None)
                if item is None:
                    return
                act(item)

        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                done, _ = wait(
                    [pool.submit(work) for _ in range(self._jobs)], return_when=FIRST_EXCEPTION
                )
                for future in done:
                    future.result()
            except BaseException:
                self._stopping.set()
                raise

    def _count(self, kept: Kept) -> None:
        with self._lock:
            self.copied += 1
            self.copied_bytes += kept.size

    def _patiently(self, act: Callable[[Kept], bool], kept: Kept) -> bool:
        """Do it, again after a pause where the store is away. NotDone where it stays away."""
        for pause in (*PAUSES_SECONDS, None):
            try:
                return act(kept)
            except Unavailable as error:
                if pause is None or self._stopping.wait(pause):
                    raise NotDone(
                        f"{error.message} Run the same command again: it goes on where this ends."
                    ) from error
        raise AssertionError("the last pause is None")

    def _check_not_stopped(self) -> None:
        if self._stopping.is_set():
            raise NotDone("Stopped.")

    # ── out ──
    def _is_there(self, kept: Kept, *, reread: bool) -> bool:
        if not self._folder.has(kept):
            return False
        if reread and digest_of(self._folder.path_of(kept.key)) != kept.digest:
            self._folder.path_of(kept.key).unlink()
            return False
        self._progress.advance(kept.size)
        return True

    def _fetch(self, kept: Kept) -> bool:
        """Copy one object, going on where an earlier attempt was cut off; False where the store
        does not have it, or has other bytes."""
        path = self._folder.path_of(kept.key)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part = path.with_name(path.name + UNFINISHED)
        begun = part.stat().st_size if part.exists() else 0
        try:
            digest = self._append(kept, part)
            if digest != kept.digest and begun:
                # Perhaps only what the first attempt left is wrong.
                part.unlink()
                digest = self._append(kept, part)
        except NoSuchObject:
            part.unlink(missing_ok=True)
            return False
        if digest != kept.digest:
            part.unlink()
            return False
        part.rename(path)
        folder_to_disk(path.parent)
        self._count(kept)
        return True

    def _append(self, kept: Kept, part: Path) -> str:
        """Write what is missing of the object to the file; the SHA-256 of all of it."""
        summed, size = hashlib.sha256(), 0
        if part.exists():
            for piece in pieces_of(part):
                summed.update(piece)
                size += len(piece)
        self._progress.advance(size)
        with part.open("ab") as file, self._store.read(kept.key, start=size) as pieces:
            part.chmod(0o600)
            for piece in pieces:
                self._check_not_stopped()
                file.write(piece)
                summed.update(piece)
                self._progress.advance(len(piece))
            file.flush()
            os.fsync(file.fileno())
        return summed.hexdigest()

    # ── back ──
    def _is_stored(self, kept: Kept) -> bool:
        """Whether the store has it, by its size and then by every byte."""
        summed = hashlib.sha256()
        try:
            if self._store.stat(kept.key).size != kept.size:
                return False
            with self._store.read(kept.key) as pieces:
                for piece in pieces:
                    self._check_not_stopped()
                    summed.update(piece)
        except NoSuchObject:
            return False
        return summed.hexdigest() == kept.digest

    def _put(self, kept: Kept) -> bool:
        store_id = self._store.start_parts(kept.key)
        try:
            parts: list[Part] = []
            step = part_bytes(kept.size)
            with self._folder.path_of(kept.key).open("rb") as file:
                while piece := file.read(step):
                    self._check_not_stopped()
                    parts.append(self._store.put_part(kept.key, store_id, len(parts) + 1, piece))
            self._store.finish_parts(kept.key, store_id, parts)
        except BaseException:
            self._store.abort_parts(kept.key, store_id)
            raise
        self._count(kept)
        return True


def part_bytes(size: int) -> int:
    """In which parts an object of this size goes.

    >>> part_bytes(1) // 1024**2, part_bytes(10**12) // 1024**2
    (32, 96)
    """
    return PART_BYTES * max(1, -(-size // (PART_BYTES * MOST_PARTS)))


def _by_key(kept: Kept) -> str:
    return kept.key
