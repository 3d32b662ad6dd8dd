"""The registry that is measured: one started for it, or one that runs."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from tests.clients.live import Live, started


@contextlib.contextmanager
def registry(ready_file: Path | None, **settings: str) -> Iterator[Live]:
    """The registry of this ready file; with none, a fresh one with these settings, that is gone
    afterwards."""
    if ready_file is None:
        with started(**settings) as live:
            yield live
    else:
        said = json.loads(ready_file.read_text())
        names = ("url", "entity", "username", "token", "database", "store", "pids")
        yield Live(**{name: said[name] for name in names})


def machine() -> str:
    """The machine's shape and what else it is doing, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, loopback; load {load()}"


def load() -> str:
    """How many processes wanted to run during the last minute: ours and everybody's."""
    return f"{os.getloadavg()[0]:.1f}"
