"""The folder in which the workers of one web server count together (prometheus-client's way).

Each server has one of its own: two that overlap in a restart must not empty each other's.
"""

import os
import shutil
import tempfile
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
PREFIX = "shub-metrics-"

_made: list[Path] = []


def make(parent: str) -> None:
    """Make it, in `parent` or where temporary things go; before anything that counts is imported.

    Those of servers that were killed are removed.
    """
    where = Path(parent or tempfile.gettempdir())
    if where.name.startswith(PREFIX):
        where = where.parent  # of the server that has started this one (gunicorn's USR2)
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in where.glob(f"{PREFIX}*"):
        owner = left.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists() and Path("/proc/1").exists():
            shutil.rmtree(left, ignore_errors=True)
    _made.append(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=where)))
    os.environ[VARIABLE] = str(_made[-1])


def present() -> str:
    """The folder that this process counts in; empty where it counts by itself."""
    return str(_made[-1]) if _made else ""


def refuse_others() -> None:
    """Have a process that is no web server count by itself, whatever folder its environment names.

    It would else write into a folder of no server, or fail where there is none.
    """
    if not _made:
        os.environ.pop(VARIABLE, None)


def forget(pid: int) -> None:
    """What the worker of this number was doing at its end is no longer done."""
    if _made:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid, str(_made[-1]))  # type: ignore[no-untyped-call]


def remove() -> None:
    """Remove the folder of this server."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)
