"""A quickstart as a person runs it: a process of its own, looked at from outside."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 60
STOP_SECONDS = 40

# What would make it use other servers, or other settings, than a person in a new shell gets.
OTHERS = ("DATABASE_URL", "MINIO_", "PUBLIC_URL", "SECRET_KEY", "DJANGO_", "PG", "ALLOWED_HOSTS")


def clean_environment(**more: str) -> dict[str, str]:
    """This process' environment without settings of ours, and some that the test names."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
    return kept | more


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def eventually(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until the condition holds; fail with what did not come to be."""
    patience = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patience, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended but was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def processes_of(data_dir: Path) -> list[str]:
    """The command lines of all processes that were started for this data folder."""
    found = []
    lock = data_dir / "children.lock"
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(link.samefile(lock) for link in process.glob("fd/*") if link.exists()):
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


class Quickstart:
    """One quickstart on one data folder, with the same two ports each time that it is started."""

    def __init__(
        self,
        data_dir: Path,
        *,
        environment: Mapping[str, str] | None = None,
        python: Sequence[str] = (sys.executable,),
    ) -> None:
        self.data_dir = data_dir
        self.ready_file = data_dir.parent / f"{data_dir.name}.ready.json"
        self.port, self.store_port = free_port(), free_port()
        self.environment = dict(environment or clean_environment())
        self.python = tuple(python)
        self.process: subprocess.Popen[str] | None = None
        self.said = self.complained = ""

    def command(self, *options: str) -> list[str]:
        """The command line; options given here come later, and so count more."""
        return [
            *self.python,
            str(REPOSITORY / "manage.py"),
            "quickstart",
            *("--data-dir", str(self.data_dir)),
            *("--bind", f"127.0.0.1:{self.port}"),
            *("--store-bind", f"127.0.0.1:{self.store_port}"),
            *("--ready-file", str(self.ready_file)),
            *options,
        ]

    def start(self, *options: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Start it and wait until it is ready; what the ready file says."""
        stale = self.ready_file.stat().st_ino if self.ready_file.exists() else None
        self.process = subprocess.Popen(
            self.command(*options),
            cwd="/",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        patience = time.monotonic() + seconds
        while not self.ready_file.exists() or self.ready_file.stat().st_ino == stale:
            if self.process.poll() is not None:
                status = self.process.returncode
                self.finish()
                raise AssertionError(f"ended with {status}: {self.said}{self.complained}")
            assert time.monotonic() < patience, "not ready in time"
            time.sleep(0.02)
        return self.facts()

    def refused(self, *options: str) -> tuple[int, str]:
        """Start it where it cannot start: the exit status and what it wrote to standard error."""
        done = subprocess.run(
            self.command(*options),
            cwd="/",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        self.said = done.stdout
        return done.returncode, done.stderr

    def facts(self) -> dict[str, Any]:
        """What the ready file says now."""
        found: dict[str, Any] = json.loads(self.ready_file.read_text())
        return found

    def pid(self, name: str) -> int:
        """A child's process id, as the ready file says now."""
        return int(self.facts()["pids"][name])

    def send(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def finish(self) -> int:
        """Wait for the end, and keep what was said; the exit status."""
        assert self.process is not None
        self.said, self.complained = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal and wait; the exit status."""
        self.send(number)
        return self.finish()

    def kill(self) -> None:
        """End it as a crash would, and wait for nothing."""
        self.send(signal.SIGKILL)
        self.finish()

    def get(self, path: str, token: str = "") -> int:
        """The status of a GET at the registry; 0 when there is no answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def works(self) -> bool:
        """Whether it answers a question that needs web server and database, and has its store."""
        store = f"http://127.0.0.1:{self.store_port}/minio/health/ready"
        try:
            with urllib.request.urlopen(store, timeout=5) as answer:
                store_is_ready = answer.status == 200
        except OSError:
            return False
        return store_is_ready and self.get("/v1/token-status", self.facts()["token"]) == 200


@contextlib.contextmanager
def running(quickstart: Quickstart, *options: str) -> Iterator[Quickstart]:
    """The quickstart, ready; ended at the end if the test has not done so."""
    quickstart.start(*options)
    try:
        yield quickstart
    finally:
        end(quickstart)


def end(quickstart: Quickstart) -> None:
    """End it, whatever state the test has left it in."""
    if quickstart.process is not None and quickstart.process.poll() is None:
        quickstart.stop()
