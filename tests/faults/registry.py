"""A live registry whose processes can be killed, and what happens to it a day later."""

import os
import signal
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.clients.live import PROJECT, Live
from tests.clients.outcome import without_secrets
from tests.quickstart.running import Quickstart, eventually, is_alive

RESTART_SECONDS = 30

# The sweep gives up what has not moved for 24 hours (UPLOAD_IDLE_HOURS). Rows and the store's own
# uploads in parts have their age from different clocks: it is the sweep that is put a day ahead.
SWEEP_OF_TOMORROW = """
from datetime import timedelta
from django.core.management import call_command
from django.utils import timezone
now = timezone.now
timezone.now = lambda: now() + timedelta(hours=25)
call_command("sweep", "--once")
"""


class Victim(StrEnum):
    """What is killed."""

    WEB = "web"  # gunicorn's master; the supervisor ends the workers that it leaves
    WORKER = "web worker"  # the one that the client is connected to
    SWEEP = "sweep"
    POSTGRES = "postgres"  # the postmaster; its sessions end by themselves
    STORE = "store"


class Registry:
    """A quickstart that runs, seen from outside."""

    def __init__(self, quickstart: Quickstart) -> None:
        self.quickstart = quickstart

    @property
    def live(self) -> Live:
        """It, as the client tests know it; with the process ids of this moment."""
        facts: dict[str, Any] = self.quickstart.facts()
        facts.pop("password")
        return Live(**facts)

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.quickstart.data_dir / "logs"

    # ── its processes ──
    def pid(self, victim: Victim) -> int:
        """The process that is to be hit."""
        if victim is not Victim.WORKER:
            return self.quickstart.pid(victim)
        workers = self.workers()
        serving = [pid for pid in workers if _is_connected(pid, self.quickstart.port)]
        return (serving or workers)[0]

    def workers(self) -> list[int]:
        """gunicorn's workers: the children of its master."""
        master = self.quickstart.pid("web")
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [pid for pid in map(int, children) if is_alive(pid)]

    def kill(self, victim: Victim) -> int:
        """End the process as the kernel ends one that takes too much memory; its number."""
        pid = self.pid(victim)
        os.kill(pid, signal.SIGKILL)
        return pid

    def await_restart(self, victim: Victim, killed: int) -> None:
        """Wait until another process has taken its place, and everything answers again."""
        if victim is Victim.WORKER:
            eventually(
                lambda: killed not in self.workers() and len(self.workers()) == 2,
                "a new worker",
                RESTART_SECONDS,
            )
        else:
            eventually(
                lambda: self.quickstart.pid(victim) not in {None, killed},
                f"a new {victim} in the ready file",
                RESTART_SECONDS,
            )
        eventually(self.quickstart.works, f"an answer after the death of {victim}", RESTART_SECONDS)

    def traces(self) -> list[str]:
        """What web server and sweep had not expected: stack traces in their logs, by last line."""
        found = []
        for name in ("web", "sweep"):
            text = (self.logs / f"{name}.log").read_text(errors="replace")
            for trace in text.split("Traceback (most recent call last):\n")[1:]:
                last = next(line for line in trace.splitlines() if not line.startswith(" "))
                found.append(f"{name}: {without_secrets(last)}")
        return found

    # ── its sweep, a day later ──
    def sweep_as_of_tomorrow(self) -> None:
        """Sweep once, as if a day had gone by: what nobody goes on with is given up. What is kept
        for a time is past it then, too: by the database's clock, which no process is put ahead of.
        """
        live = self.live
        live.change(
            "UPDATE containers_blob SET kept_until = kept_until - interval '9 days'"
            " WHERE kept_until IS NOT NULL"
        )
        done = subprocess.run(
            [
                *(sys.executable, PROJECT / "manage.py", "shell", "--verbosity=0"),
                *("--command", SWEEP_OF_TOMORROW),
            ],
            env={
                "PATH": os.environ["PATH"],
                "DATABASE_URL": live.database,
                "SECRET_KEY": "unused",
                "MINIO_SERVER": live.store["endpoint"].removeprefix("http://"),
                "MINIO_ACCESS_KEY": live.store["access_key"],
                "MINIO_SECRET_KEY": live.store["secret_key"],
                "MINIO_BUCKET": live.store["bucket"],
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, without_secrets(done.stderr)


def _is_connected(pid: int, port: int) -> bool:
    """Whether a client is connected to this process at this port (of Linux' table of sockets)."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(descriptor))  # noqa: PTH115  not a path
        except FileNotFoundError:
            pass  # closed meanwhile
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        is_here = int(fields[1].rpartition(":")[2], 16) == port
        if is_here and fields[3] == "01" and f"socket:[{fields[9]}]" in sockets:
            return True
    return False
