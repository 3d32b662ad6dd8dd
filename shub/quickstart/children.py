"""The processes that quickstart starts: what each is, and how it is bound to its supervisor."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shub.quickstart.failures import CannotRun
from shub.quickstart.identity import Identity

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LAST_LINE_BYTES = 4096

# Loaded here, since nothing can be loaded safely between fork and exec.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class ChildSpec:
    """One process. Its output goes to the log; nothing secret stands in `command`."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    identity: Identity | None = None
    inherited: tuple[int, ...] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    # What the kernel sends it when its supervisor is killed (on Linux).
    orphan_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0


def spawn(
    spec: ChildSpec, *, inherited: tuple[int, ...] = (), answers: bool = False
) -> subprocess.Popen[bytes]:
    """Start the process in a session of its own; with `answers`, its standard output is a pipe.

    In its own session, a Ctrl-C at the terminal reaches the supervisor alone.
    """
    switch: dict[str, Any] = {}
    if spec.identity is not None:
        switch = {"user": spec.identity.uid, "group": spec.identity.gid, "extra_groups": []}
    try:
        with open(spec.log, "ab", opener=_for_us_only) as log:
            return subprocess.Popen(
                spec.command,
                cwd=spec.folder,
                env=dict(spec.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if answers else log,
                stderr=log,
                start_new_session=True,
                pass_fds=(*inherited, *spec.inherited),
                # Safe here: the supervisor has one thread.
                preexec_fn=_tether(spec.orphan_signal),  # noqa: PLW1509
                **switch,
            )
    except OSError as error:
        raise CannotRun(
            f"{spec.name} cannot be started: {error.filename or spec.log}: {error.strerror}."
        ) from None
    except subprocess.SubprocessError as error:
        raise CannotRun(f"{spec.name} cannot be started: {error}") from None


def _for_us_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tether(orphan_signal: signal.Signals) -> Callable[[], None]:
    """What runs in the child before its program: let the kernel end it when its parent ends."""
    parent = os.getpid()

    def bind() -> None:
        # After the change of user, which would take the binding away again.
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(orphan_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return bind


def adopt_orphans() -> None:
    """Let what a dead child leaves behind become our children, so that it can be ended (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def orphans(known: set[int]) -> list[int]:
    """Our children but for the known ones: those that we have adopted (Linux; elsewhere none)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything; state and parent follow the last one.
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and int(entry.parent.name) not in known:
            found.append(int(entry.parent.name))
    return found


def last_line(log: Path) -> str:
    """The last line of the log that says something, fit for a terminal; empty when none does."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LAST_LINE_BYTES))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return "".join(mark for mark in said[-1] if mark.isprintable())[:300] if said else ""


def describe_end(status: int) -> str:
    """How a process ended, by its return code.

    >>> describe_end(3), describe_end(-9)
    ('ended with status 3', 'was ended by SIGKILL')
    """
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
