"""A running registry before those who mean it ill: it gives them nothing, and does not stop."""

import http.client
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3

from shub.storage.keys import blob_key
from tests.quickstart.running import Quickstart, eventually, running
from tests.quickstart.test_starting import client
from tests.wire import Answer, Wire, digest

Used = Callable[..., Quickstart]

# As many as two workers of four threads have, twice over.
MANY = 16
PATIENCE_SECONDS = 20


# ── bytes ──


def test_a_parts_address_copies_nothing(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        store = client(quickstart)
        bucket = quickstart.facts()["store"]["bucket"]
        secret = blob_key("a" * 64, "1" * 24)
        store.put_object(bucket, secret, io.BytesIO(b"private"), 7)
        wire = LiveWire(quickstart)
        image_id = wire.announce("admin/default/hello", b"any bytes")["id"]
        upload_id = wire.begin_parts(image_id, 9)["uploadID"]
        part = wire.part_address(image_id, upload_id, 1, b"any bytes")
        for source in (f"/{bucket}/{secret}", "/.minio.sys/config/config.json"):
            answer = put(part, b"any bytes", {"x-amz-copy-source": source})
            assert (answer.status, b"ETag" in answer.data) == (403, False)
        assert put(part, b"any bytes").status == 200

        # The store remembers the user; nobody makes it again when the store alone has died.
        before = quickstart.pid("store")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: quickstart.pid("store") != before, "a new store")
        eventually(quickstart.works, "an answer")
        eventually(lambda: put(part, b"any bytes").status == 200, "a part in the store", seconds=5)


class LiveWire(Wire):
    """The administrator's client library, before a registry that runs."""

    def __init__(self, quickstart: Quickstart) -> None:
        super().__init__(quickstart.facts()["token"])
        self.url = quickstart.facts()["url"]

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        """One request."""
        answer = urllib3.request(
            method,
            f"{self.url}{path}",
            body=b"" if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}"},
            retries=False,
        )
        return Answer(answer.status, answer.json() if answer.data else None, dict(answer.headers))


def put(
    address: str, content: bytes, headers: dict[str, str] | None = None
) -> urllib3.BaseHTTPResponse:
    headers = {"x-amz-content-sha256": digest(content), **(headers or {})}
    return urllib3.request("PUT", address, body=content, headers=headers, retries=False)


# ── requests ──


@pytest.fixture(scope="module")
def registry(used_folder: Path) -> Iterator[Quickstart]:
    """One for all tests that leave it as they find it."""
    with running(Quickstart(used_folder)) as quickstart:
        yield quickstart


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO"])
@pytest.mark.parametrize("value", ["/static", "/nowhere", ""])
def test_a_client_does_not_say_where_the_registry_begins(
    registry: Quickstart, name: str, value: str
) -> None:
    # Without the header: what is no file and no page is missing.
    for path, expected in (("/static/auth/tokens", 404), ("/version", 200)):
        connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=10)
        connection.request("GET", path, headers={name: value})
        assert connection.getresponse().status == expected
        connection.close()


HEAD = b"POST /auth/tokens HTTP/1.1\r\nHost: 127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HALF_SENT = {
    "nothing": b"",
    "one byte": b"G",
    "half a head": HEAD,
    "half a body": HEAD + FORM + b"Content-Length: 1000\r\n\r\nusername=",
    "half a chunk": HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\n100\r\nusername=",
    "an expectation": HEAD + FORM + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n",
    "a second request": b"GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nG",
    # Its end is the client's to see; whoever does not look is not waited for.
    "a request without an end": b"GET /version HTTP/1.0\r\n\r\n",
}


@pytest.mark.parametrize("sent", HALF_SENT.values(), ids=HALF_SENT)
def test_connections_that_stand_still_stop_nobody(registry: Quickstart, sent: bytes) -> None:
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(connected(registry)).sendall(sent)
        time.sleep(0.5)
        for _ in range(8):
            began = time.monotonic()
            assert registry.get("/version") == 200
            assert time.monotonic() - began < 1


def test_connections_that_trickle_stop_nobody_and_are_ended(registry: Quickstart) -> None:
    with ExitStack() as held:
        trickling = [held.enter_context(connected(registry)) for _ in range(MANY)]
        began = time.monotonic()
        ended = 0
        while ended < MANY:
            assert time.monotonic() - began < 2 * PATIENCE_SECONDS + 10, "they go on for ever"
            ended = sum(not trickle(each) for each in trickling)
            asked = time.monotonic()
            assert registry.get("/version") == 200
            assert time.monotonic() - asked < 1
            time.sleep(0.5)
        assert time.monotonic() - began > PATIENCE_SECONDS / 2


@contextmanager
def connected(registry: Quickstart) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", registry.port), timeout=10) as connection:
        yield connection


def trickle(connection: socket.socket) -> bool:
    """Send one byte more of an endless head; False once the server has hung up."""
    try:
        connection.sendall(b"G")
        connection.setblocking(False)
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.setblocking(True)
