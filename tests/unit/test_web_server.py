"""gunicorn, started by its configuration, answers in each of the ways that it can be bound."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
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
    return len(Path(f"/proc/{master}/task/{master}/children").read_text().split())


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
