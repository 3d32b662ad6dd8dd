"""What only the real server process shows: gunicorn with our worker, real connections."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.db import connection

from shub.storage import ObjectStore
from tests.factories import Person
from tests.protocol.library.exchange import bearer
from tests.protocol.library.scene import PATH, Pushed
from tests.sif_files import sif_bytes
from tests.wire import sweep

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).parents[3]
READY_SECONDS = 30
REQUEST_SECONDS = 2

# The server as the quickstart starts it, but less patient with ordinary requests.
APPLICATION = f"""
import os

import shub.web_worker

shub.web_worker.REQUEST_SECONDS = {REQUEST_SECONDS}

from shub.wsgi import application

if "FAULTY" in os.environ:
    from shub.containers import search

    def find(*_, **__):
        raise RuntimeError("a fault")

    search.find = find
"""


@pytest.fixture
def served(transactional_db: None, store: ObjectStore, tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of one server process on the tests' own database and store."""
    with serving(tmp_path) as host:
        yield host


@contextlib.contextmanager
def serving(tmp_path: Path, **more: str) -> Iterator[str]:
    """The server, with what else stands in its environment; it logs into `log`."""
    (tmp_path / "served.py").write_text(APPLICATION)
    database = connection.settings_dict
    address = f"postgresql:///{database['NAME']}?" + "&".join(
        f"{name.lower()}={quote(str(database[name]), safe='')}"
        for name in ("HOST", "PORT", "USER", "PASSWORD")
        if database[name]
    )
    names = ("MINIO_SERVER", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_BUCKET")
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": address,
        "SECRET_KEY": "only-for-tests",
        "PUBLIC_URL": "http://registry.test",
        "VERIFY_WAIT_SECONDS": "0",
        **{name: str(getattr(django_settings, name)) for name in names},
        **more,
    }
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (tmp_path / "log").open("wb") as log,
    ):
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "served:application", "--no-control-socket"),
                *("--worker-class", "shub.web_worker.PatientWorker", "--threads", "4"),
                *(
                    "--bind",
                    f"fd://{listener.fileno()}",
                    "--log-level",
                    more.get("LOG_LEVEL", "error").lower(),
                ),
                *("--pythonpath", f"{tmp_path},{ROOT}", "--graceful-timeout", "5"),
            ],
            cwd=tmp_path,
            env=environment,
            pass_fds=[listener.fileno()],
            stdout=log,
            stderr=log,
        )
    try:
        wait_until_it_answers(server, host)
        yield host
    finally:
        server.terminate()
        server.wait(10)


def wait_until_it_answers(server: "subprocess.Popen[bytes]", host: str) -> None:
    """Return when the server answers; fail if it ends."""
    give_up_at = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up_at:
        assert server.poll() is None
        # The listener is there before the process: it takes the connection and answers later.
        with closing(http.client.HTTPConnection(host, timeout=READY_SECONDS)) as probe:
            probe.request("GET", "/version")
            if probe.getresponse().status == 200:
                return
    raise AssertionError("The server did not begin to answer.")


def version_by(connection: http.client.HTTPConnection) -> int:
    """The status of one more request on the connection, or on a new one where it was closed."""
    try:
        connection.request("GET", "/version")
        answer = connection.getresponse()
    except ConnectionError:
        connection.close()
        return version_by(connection)
    assert set(json.loads(answer.read())) == {"data"}
    return answer.status


@pytest.mark.row("A.13.12")
def test_a_refused_body_does_not_spoil_the_connections_next_request(
    pushed: Pushed, served: str
) -> None:
    """Either it was read away, or the server hangs up: never is it taken for a request."""
    image = pushed.client.announce(PATH, sif_bytes(seed=83))["id"]
    line = b"GET /v1/entities/mara HTTP/1.1\r\nHost: x\r\n\r\n"
    connection = http.client.HTTPConnection(served, timeout=10)
    for size in (100, 200_000, 1_000_000):
        body = line * (size // len(line) + 1)
        for headers, status in (({}, 401), (bearer(pushed.owner.token_text), 400)):
            connection.request("POST", f"/v1/imagefile/{image}", body=body, headers=headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert (answer.status, told["error"]["code"]) == (status, status)
            assert version_by(connection) == 200
            image = pushed.client.announce(PATH, sif_bytes(seed=83))["id"]
    connection.close()


@pytest.mark.row("H.8", "0.6.6")
def test_the_refusal_of_a_large_body_reaches_the_one_who_is_still_sending_it(
    pushed: Pushed, otto: Person, served: str
) -> None:
    """These clients ask for no leave to go on: cut off, they show a broken pipe and no words."""
    image = pushed.client.announce(PATH, sif_bytes(seed=85))["id"]
    body = bytes(7_000_000)
    for headers, status in (
        (bearer(otto.token_text), 403),
        ({}, 401),
        (bearer("unknown"), 401),
        (bearer(pushed.owner.token_text), 400),
    ):
        for _ in range(1 if status == 400 else 6):
            with closing(http.client.HTTPConnection(served, timeout=10)) as connection:
                connection.request("POST", f"/v1/imagefile/{image}", body=body, headers=headers)
                answer = connection.getresponse()
                assert answer.status == status
                assert json.loads(answer.read())["error"]["message"]


@pytest.mark.row("I.2.1")
def test_a_doubled_slash_comes_through_the_server_as_it_was_sent(
    pushed: Pushed, served: str
) -> None:
    connection = http.client.HTTPConnection(served, timeout=10)
    for target, status in (
        ("//v1/entities/mara", 200),
        (f"//v1/images//{PATH}:latest", 200),
        (f"/v1/imagefile//{PATH}:latest", 303),
    ):
        connection.request("GET", target)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, target
    connection.close()


@pytest.mark.row("I.1.19", "0.6.6")
def test_the_body_of_an_old_client_may_take_longer_than_an_ordinary_request(
    pushed: Pushed, served: str
) -> None:
    """An image goes as fast as its sender's line: minutes, and half an hour at most."""
    content = sif_bytes(size=400_000, seed=84)
    image = pushed.client.announce(PATH, content)["id"]
    piece = len(content) // 8

    def slowly() -> Iterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]
            time.sleep(REQUEST_SECONDS / 4)

    connection = http.client.HTTPConnection(served, timeout=30)
    headers = bearer(pushed.owner.token_text) | {"Content-Length": str(len(content))}
    connection.request("POST", f"/v1/imagefile/{image}", body=slowly(), headers=headers)
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    connection.close()
    sweep()
    assert pushed.client.announce(PATH, content)["uploaded"] is True


@pytest.mark.row("I.2.9")
def test_a_stream_comes_through_the_server_with_its_length_and_a_head_without_a_body(
    pushed: Pushed, served: str
) -> None:
    connection = http.client.HTTPConnection(served, timeout=10)
    headers = bearer(pushed.owner.token_text, "BEARER")
    for method, body in (("GET", pushed.content), ("HEAD", b""), ("GET", pushed.content)):
        connection.request(method, f"/v1/imagefile/{PATH}:latest?arch=amd64", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, body)
        assert answer.getheader("Content-Length") == str(len(pushed.content))
    connection.close()


def test_bodies_of_strangers_that_trickle_hold_nobody_up(served: str) -> None:
    host, port = served.rsplit(":", 1)
    head = b"POST /v1/imagefile/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    senders = [socket.create_connection((host, int(port)), timeout=20) for _ in range(4)]
    try:
        for sender in senders:
            sender.sendall(head + bytes(1024**2))
        give_up_at = time.monotonic() + 30
        while True:
            began = time.monotonic()
            with closing(http.client.HTTPConnection(served, timeout=30)) as asking:
                asking.request("GET", "/version")
                assert asking.getresponse().status == 200
            if time.monotonic() - began < 1:
                break
            assert time.monotonic() < give_up_at
            for sender in senders:
                with contextlib.suppress(OSError):
                    sender.sendall(b"x")
    finally:
        for sender in senders:
            sender.close()


SECRET = "shub_SECRETSECRETSECRET"


def raw(host: str, request: bytes) -> bytes:
    """What the server says to these bytes."""
    name, port = host.rsplit(":", 1)
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            return b"".join(iter(lambda: connection.recv(65536), b""))
    return b""


def test_the_server_itself_logs_and_answers_no_secret(
    pushed: Pushed, store: ObjectStore, tmp_path: Path
) -> None:
    """A head that is mistyped, bodies that are no JSON, faults of ours; at the most wordy level."""
    token = pushed.owner.token_text
    secret, body = SECRET.encode(), f'{{"name": "{SECRET}"'.encode()
    length = f"Content-Length: {len(body)}".encode()
    with serving(tmp_path, LOG_LEVEL="DEBUG", FAULTY="1") as host:
        said = raw(host, b"GET / HTTP/1.1\r\nAuthorization Bearer " + secret + b"\r\n\r\n")
        said += raw(host, b"Authorization: Bearer " + secret + b"\r\n\r\n")
        said += raw(host, b"GET / HTTP/9.9\r\nHost: x\r\nX: " + secret + b"\r\n\r\n")
        for authorization in (secret, b"Bearer " + secret, b"Bearer " + token.encode()):
            head = b"Host: 127.0.0.1\r\nAuthorization: " + authorization + b"\r\n"
            head += b"Connection: close\r\n"
            said += raw(host, b"GET /v1/search?value=gcc HTTP/1.1\r\n" + head + b"\r\n")
            said += raw(host, b"GET /v1/token-status HTTP/1.1\r\n" + head + b"\r\n")
            said += raw(
                host, b"POST /v1/entities HTTP/1.1\r\n" + head + length + b"\r\n\r\n" + body
            )
            said += raw(
                host, b"POST /account/sign-in HTTP/1.1\r\n" + head + length + b"\r\n\r\n" + body
            )
    log = (tmp_path / "log").read_bytes()
    assert b"a fault" in log
    assert b"could not be read" in log
    for status in (b"400", b"401", b"403", b"500"):
        assert b"HTTP/1.1 " + status in said
    for written in (log, said):
        assert secret not in written
        assert token.encode() not in written
