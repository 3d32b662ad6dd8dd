"""gunicorn, started by its configuration, answers in each of the ways that it can be bound."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 30

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "only-for-tests",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere",
    "WEB_STOP_SECONDS": "2",
}

# Becomes what systemd starts: the socket is number 3, and is told by the process' own id.
BY_SYSTEMD = """
import os, sys
os.dup2(int(sys.argv[1]), 3, inheritable=True)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""

COMMAND = ("-m", "gunicorn", "--config", "python:shub.web_server")


@contextlib.contextmanager
def started(command: list[str], *inherited: int, **more: str) -> Iterator[int]:
    """The process that listens; its number."""
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={**ENVIRONMENT, **more},
        pass_fds=inherited,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield server.pid
    finally:
        server.terminate()
        assert server.wait(20) == 0


def status_at(address: str | tuple[str, int]) -> int:
    """Of `/version`, which asks no database, once it is answered."""
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        try:
            with socket.socket(family) as sock:
                sock.settimeout(START_SECONDS)
                sock.connect(address)
                connection = http.client.HTTPConnection("127.0.0.1")
                connection.sock = sock
                connection.request("GET", "/version")
                return connection.getresponse().status
        except (ConnectionError, FileNotFoundError):
            assert time.monotonic() < give_up_at
            time.sleep(0.05)


def workers_of(master: int) -> int:
    """How many processes it has started."""
    try:
        return len(Path(f"/proc/{master}/task/{master}/children").read_text().split())
    except FileNotFoundError:
        return 0


def test_an_address_is_bound_by_as_many_workers_as_are_set() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        host, port = found.getsockname()
    with started([*COMMAND, "--bind", f"{host}:{port}"], WEB_WORKERS="3") as master:
        assert status_at((host, port)) == 200
        assert workers_of(master) == 3


def test_all_workers_share_the_socket_that_systemd_keeps() -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        address = kept.getsockname()
        command = ["-c", BY_SYSTEMD, str(kept.fileno()), *COMMAND]
        with started(command, kept.fileno()):
            assert status_at(address) == 200


def test_all_workers_share_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "web.socket")
    with started([*COMMAND, "--bind", f"unix:{path}"]):
        assert {status_at(path) for _ in range(8)} == {200}
    assert not Path(path).exists()


class Asking:
    """A client that asks again and again, each time on a new connection; what went wrong."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.answered = 0
        self.wrong: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(3)]

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                with contextlib.closing(
                    http.client.HTTPConnection(*self.address, timeout=30)
                ) as one:
                    one.request("GET", "/version")
                    status = one.getresponse().status
            except OSError as error:
                self.wrong.append(repr(error))
            else:
                self.answered += status == 200
                if status != 200:
                    self.wrong.append(str(status))
            time.sleep(0.005)

    def goes_on(self) -> None:
        """Wait until it was answered some more."""
        before, give_up_at = self.answered, time.monotonic() + START_SECONDS
        while self.answered < before + 20:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)


def test_a_restart_behind_systemds_socket_refuses_and_cuts_no_request() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as kept:
        command = ["-c", BY_SYSTEMD, str(kept.fileno()), *COMMAND]
        with started(command, kept.fileno()):
            assert status_at(kept.getsockname()) == 200
            asking = Asking(kept.getsockname())
            asking.begin()
            asking.goes_on()
        with started(command, kept.fileno()):
            try:
                asking.goes_on()
            finally:
                asking.end()
    assert asking.wrong == []


def test_a_server_that_is_replaced_on_its_own_address_refuses_and_cuts_no_request() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = found.getsockname()
    command = [*COMMAND, "--bind", f"{address[0]}:{address[1]}"]
    asking = Asking(address)
    with contextlib.ExitStack() as next_one, started(command) as first:
        assert status_at(address) == 200
        asking.begin()
        second = next_one.enter_context(started(command))
        wait_for_workers(second)
        # Connections that are kept open hold up a worker's end for a while.
        kept = [http.client.HTTPConnection(*address, timeout=30) for _ in range(16)]
        for one in kept:
            next_one.enter_context(contextlib.closing(one))
            one.request("GET", "/version")
            assert one.getresponse().read()
        os.kill(first, signal.SIGTERM)
        wait_for_workers(first, 0)
        asking.goes_on()
        asking.end()
    assert asking.wrong == []


def test_one_that_is_told_to_end_answers_on_for_as_long_as_it_has_to_drain() -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = found.getsockname()
    with started(
        [*COMMAND, "--bind", f"{address[0]}:{address[1]}"], WEB_DRAIN_SECONDS="3"
    ) as master:
        assert status_at(address) == 200
        begun = time.monotonic()
        os.kill(master, signal.SIGTERM)
        while readiness(address) != "is stopping":
            time.sleep(0.05)
        wait_for_workers(master, 0)
        assert time.monotonic() - begun >= 3
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, 5)


def readiness(address: tuple[str, int]) -> str:
    """What the process says of itself. No database is there; it is not waited for."""
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=30)) as one:
        one.request("GET", "/readyz")
        answer = one.getresponse()
        assert answer.status == 503
        return str(json.loads(answer.read())["parts"]["process"])


def wait_for_workers(master: int, count: int = 2) -> None:
    """Return when it has so many that answer: all are forked when the application is loaded."""
    give_up_at = time.monotonic() + START_SECONDS
    while workers_of(master) != count:
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
    time.sleep(1)


@pytest.mark.parametrize(
    ("name", "value"), [("WEB_WORKERS", "0"), ("WEB_THREADS", "six"), ("WEB_STOP_SECONDS", "0")]
)
def test_a_number_that_cannot_be_stops_the_start_and_is_named(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND, "--check-config"],
        cwd=ROOT,
        env={**ENVIRONMENT, name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert f"{name} must be" in done.stderr
