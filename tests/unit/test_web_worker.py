"""The worker's threads get whole requests, and every body as it was sent."""

import contextlib
import hashlib
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shub.web_worker import COLLECTED_BYTES, Arrival

APPLICATION = """
import hashlib
import shub.web_worker

shub.web_worker.REQUEST_SECONDS = shub.web_worker.ANSWER_SECONDS = 2

def application(environ, start_response):
    if environ["PATH_INFO"] == "/long":
        answer = b"a" * 50_000_000
    elif environ["PATH_INFO"] == "/image":
        environ["wsgi.input"].wait_patiently()
        answer = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    elif environ["PATH_INFO"] == "/unread":
        answer = b"unread"
    else:
        answer = hashlib.sha256(environ["wsgi.input"].read()).hexdigest().encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
"""

ROOT = Path(__file__).parents[2]
SHORT = b"GET / HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Where one worker with one thread answers with the digest of what it was sent."""
    folder = tmp_path_factory.mktemp("application")
    (folder / "digests.py").write_text(APPLICATION)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "digests:application", "--no-control-socket"),
                *("--worker-class", "shub.web_worker.PatientWorker", "--threads", "1"),
                *("--bind", f"fd://{listener.fileno()}", "--log-level", "error"),
                *("--pythonpath", f"{folder},{ROOT}", "--graceful-timeout", "5"),
            ],
            cwd=folder,
            pass_fds=[listener.fileno()],
        )
    try:
        yield number
    finally:
        server.terminate()
        assert server.wait(10) == 0


@pytest.mark.parametrize(
    ("arrived", "here"),
    [
        (b"", False),
        (b"\r\n", False),
        (SHORT + b"\r", False),
        (SHORT + b"\r\n", True),
        (SHORT + b"Content-Length: 2\r\n\r\n", False),
        (SHORT + b"Content-Length: 2\r\n\r\na", False),
        (SHORT + b"content-length:2 \r\nAccept: *\r\n\r\nab", True),
        (SHORT + b"Content-Length: 2\r\n\r\nabGET /", True),
        (SHORT + b"Content-Length: many\r\n\r\n", True),
        (SHORT + b"X-Content-Length: 2\r\n\r\n", True),
        (SHORT + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", True),
        (SHORT + b"Transfer-Encoding: chunked\r\n\r\n", False),
        (SHORT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", False),
        (SHORT + b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", True),
        (b"G" * COLLECTED_BYTES, True),
        (b"\x16\x03\x01", True),
    ],
)
def test_when_a_request_is_here(arrived: bytes, here: bool) -> None:
    assert is_here([arrived]) is here
    if len(arrived) < 1000:
        assert is_here([bytes([byte]) for byte in arrived]) is here


def is_here(pieces: list[bytes]) -> bool:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        arrival = Arrival(near)
        here = False
        for piece in pieces:
            far.sendall(piece)
            assert arrival.collect() or not piece
            here = arrival.hand_over()
        return here


@pytest.mark.parametrize("size", [0, 1, COLLECTED_BYTES - 200, COLLECTED_BYTES, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_arrive_whole_one_after_the_other(port: int, size: int, chunked: bool) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number in range(3):
        content = bytes([number]) * size
        connection.request(
            "POST",
            "/",
            body=iter([content[: size // 2], content[size // 2 :]]) if chunked else content,
            headers={} if chunked else {"Content-Length": str(size)},
            encode_chunked=chunked,
        )
        answer = connection.getresponse().read().decode()
        assert answer == hashlib.sha256(content).hexdigest()
    connection.close()


def test_a_request_may_come_byte_by_byte_and_several_at_once(port: int) -> None:
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    digest = hashlib.sha256(b"abc").hexdigest().encode()

    def receive(count: int) -> None:
        # Head and body of an answer may come one after the other.
        received = b""
        while received.count(digest) < count:
            received += connection.recv(1000)

    with connected(port) as connection:
        for byte in request:
            connection.sendall(bytes([byte]))
            time.sleep(0.002)
        receive(1)
        connection.sendall(request * 3 + request[:20])
        receive(3)
        connection.sendall(request[20:])
        receive(1)


def test_what_was_sent_before_a_client_fell_silent_is_answered(port: int) -> None:
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(1000):
            received += piece
        assert received.count(hashlib.sha256().hexdigest().encode()) == 3


def test_a_body_that_nobody_reads_does_not_become_the_next_request(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/unread", body=b"GET / HTTP/1.1\r\n\r\n")
        assert connection.getresponse().read() == b"unread"
    connection.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense-secret", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer secret", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: secret", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: secret", 417),
        (b"GET /secret" + b"a" * 5000 + b" HTTP/1.1\r\nHost: x", 414),
        (b"GET / HTTP/1.1\r\nHost: x" + b"\r\na: secret" * 200, 431),
    ],
)
def test_what_is_no_request_is_refused_in_the_envelope_and_not_repeated(
    port: int, sent: bytes, status: int
) -> None:
    with connected(port) as connection:
        connection.sendall(sent + b"\r\n\r\n")
        received = b""
        with contextlib.suppress(ConnectionError):
            while piece := connection.recv(1000):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/json" in head
    assert json.loads(body)["error"]["code"] == status
    assert b"secret" not in received
    answers_at_once(port)


def test_a_client_that_hangs_up_is_no_matter(port: int) -> None:
    for sent in (b"", b"G", SHORT + b"Content-Length: 9\r\n\r\n", SHORT + b"\r\n"):
        with connected(port) as connection:
            connection.sendall(sent)
    answers_at_once(port)


def test_a_client_that_does_not_hang_up_is_not_waited_for(port: int) -> None:
    with connected(port) as connection, connected(port) as another:
        for each in (connection, another):
            each.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert each.recv(1000)
            assert each.recv(1000) in {b"", hashlib.sha256().hexdigest().encode()}
        answers_at_once(port)


@pytest.mark.parametrize("sent", [b"", SHORT, SHORT + b"Content-Length: 9\r\n\r\na"])
def test_one_thread_is_not_held_by_what_has_not_arrived(port: int, sent: bytes) -> None:
    with connected(port) as connection:
        connection.sendall(sent)
        answers_at_once(port)
        began = time.monotonic()
        assert connection.recv(1000) == b"", "it is ended at last"
        assert 1 < time.monotonic() - began < 6


@pytest.mark.parametrize("unread", [False, True])
def test_one_thread_is_held_by_a_large_request_or_answer_for_a_while_only(
    port: int, unread: bool
) -> None:
    large = SHORT.replace(b"GET", b"POST") + b"Content-Length: 999999\r\n\r\n" + b"a" * 99999
    with connected(port) as connection:
        connection.sendall(b"GET /long HTTP/1.1\r\n\r\n" if unread else large)
        time.sleep(0.2)
        began = time.monotonic()
        assert status(port, patience=30) == 200
        assert 1 < time.monotonic() - began < 6


@pytest.mark.parametrize(
    ("address", "bytes_per_second", "whole"),
    [
        (b"/image", 80_000, True),
        (b"/image", 10_000, False),
        (b"/x", 80_000, False),
    ],
)
def test_only_what_a_view_waits_for_may_arrive_slowly(
    port: int, address: bytes, bytes_per_second: int, whole: bool
) -> None:
    content = bytes(COLLECTED_BYTES + 300_000)
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (address, len(content))
    with connected(port) as connection:
        connection.sendall(head + content[:COLLECTED_BYTES])
        rest = content[COLLECTED_BYTES:]
        step = bytes_per_second // 10
        received = b""
        try:
            for at in range(0, len(rest), step):
                time.sleep(0.1)
                connection.sendall(rest[at : at + step])
            received = connection.recv(1000)
        except ConnectionError:
            pass  # hung up on
    assert received.startswith(b"HTTP/1.1 200 ") is whole


def answers_at_once(port: int) -> None:
    began = time.monotonic()
    assert status(port) == 200
    assert time.monotonic() - began < 1


def status(port: int, patience: float = 10) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
    connection.request("GET", "/")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)
