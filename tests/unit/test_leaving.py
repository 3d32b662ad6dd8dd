"""A worker that is told to end answers what it has begun, for as long as it may."""

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

APPLICATION = """
import time

def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "40")])
    if environ["PATH_INFO"] == "/":
        return [b"b" * 40]
    def pieces():
        for _ in range(40):
            time.sleep(0.1)
            yield b"a"
    return pieces()
"""

ROOT = Path(__file__).parents[2]

# How long the answer takes.
STREAM_SECONDS = 4


@contextlib.contextmanager
def serving(folder: Path, graceful: int) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """The server and its port."""
    (folder / "slow.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "slow:application", "--no-control-socket"),
                *("--worker-class", "shub.web_worker.PatientWorker", "--threads", "2"),
                *("--bind", f"fd://{listener.fileno()}", "--log-level", "critical"),
                *("--pythonpath", f"{folder},{ROOT}", "--graceful-timeout", str(graceful)),
            ],
            cwd=folder,
            pass_fds=[listener.fileno()],
        )
        try:
            with contextlib.closing(asked(listener.getsockname()[1], "/")) as first:
                assert first.getresponse().read() == b"b" * 40
            yield server, listener.getsockname()[1]
        finally:
            server.terminate()
            server.wait(20)


def asked(port: int, path: str) -> http.client.HTTPConnection:
    """A connection on which this was asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    return connection


def test_an_answer_that_has_begun_is_sent_to_its_end(tmp_path: Path) -> None:
    with (
        serving(tmp_path, graceful=20) as (server, port),
        contextlib.closing(asked(port, "/slow")) as slow,
    ):
        answer = slow.getresponse()
        began = time.monotonic()
        server.terminate()
        assert answer.read() == b"a" * 40
        # It was not waited for longer than it took.
        assert server.wait(30) == 0
        assert time.monotonic() - began < STREAM_SECONDS + 4


def test_one_that_takes_longer_than_the_server_may_is_cut(tmp_path: Path) -> None:
    with (
        serving(tmp_path, graceful=1) as (server, port),
        contextlib.closing(asked(port, "/slow")) as slow,
    ):
        answer = slow.getresponse()
        began = time.monotonic()
        server.terminate()
        server.wait(30)
        assert time.monotonic() - began < STREAM_SECONDS
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()


def test_a_request_that_comes_on_an_open_connection_is_the_last_there(tmp_path: Path) -> None:
    with (
        serving(tmp_path, graceful=20) as (server, port),
        contextlib.closing(asked(port, "/slow")) as slow,
        contextlib.closing(asked(port, "/")) as kept,
    ):
        assert not kept.getresponse().read().strip(b"b")
        reader = threading.Thread(target=lambda: slow.getresponse().read())
        reader.start()
        server.terminate()
        time.sleep(0.5)
        kept.request("GET", "/")
        last = kept.getresponse()
        assert last.read() == b"b" * 40
        assert last.headers["Connection"] == "close"
        reader.join(30)
