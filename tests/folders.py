"""Folders for the files of servers that end with the tests."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")
# Postgres keeps 256 MB of its journal, and several runs go on side by side.
ROOM_BYTES = 2 * 1024**3


@contextmanager
def unforced_folder() -> Iterator[Path]:
    """A folder that is gone after the context, in memory where there is room.

    A server that forces its files to the disk at each commit, as the product has it do, waits there
    for nothing. No test takes the power away: what a killed process has written is there either
    way.
    """
    has_room = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    with TemporaryDirectory(prefix="shub-", dir=MEMORY if has_room else None) as found:
        yield Path(found)
