"""Reading and hashing before a store that lies, stops or is far away: a small one, on loopback."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shub.errors import Unavailable
from shub.storage import NoSuchObject, reading, replace_object_store
from shub.storage.interface import StoredObject
from shub.storage.keys import blob_key
from shub.storage.memory import MemoryStore
from shub.storage.reading import Read, read_and_hash
from shub.storage.s3 import S3Store

MIB = 1024**2
KEY = blob_key("a" * 64, "1" * 24)
CONTENT = b"".join(bytes([number % 251]) * 4096 for number in range(1280))  # 5 MiB
READ = Read(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), CONTENT[:10])


@dataclass
class Asked:
    """One request, and what it is to be answered; a test's `lie` changes that."""

    start: int
    end: int
    if_match: str
    number: int
    status: int = 206
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class HostileServer(ThreadingHTTPServer):
    """Gives CONTENT by ranges, as far as the running test does not make it lie."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HostileHandler)
        self.lock = threading.Lock()
        self.begin()

    def begin(self) -> None:
        """Forget the test before."""
        self.content = CONTENT
        self.asked: list[Asked] = []
        self.at_once = self.most_at_once = 0
        self.let_go = threading.Event()
        self.lie: Callable[[Asked], None] = lambda _: None
        self.bytes_per_second = 0

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error here."""


class HostileHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HostileServer

    def do_GET(self) -> None:
        content, named = self.server.content, self.headers.get("Range", "")
        first, _, last = named.removeprefix("bytes=").partition("-")
        start, end = int(first or 0), min(int(last or 10**12) + 1, len(content))
        with self.server.lock:
            asked = Asked(start, end, self.headers.get("If-Match", ""), len(self.server.asked))
            self.server.asked.append(asked)
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.at_once, self.server.most_at_once)
        asked.status = 206 if named else 200
        asked.body = content[start:end]
        asked.headers = {"ETag": '"one"', "Content-Length": str(len(asked.body))}
        if named:
            asked.headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        self.server.lie(asked)
        self.send_response(asked.status)
        for name, value in asked.headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            self.send(asked.body)
        finally:
            with self.server.lock:
                self.server.at_once -= 1
        self.close_connection = asked.headers.get("Content-Length") != str(len(asked.body))

    def send(self, body: bytes) -> None:
        for at in range(0, len(body), 64 * 1024):
            self.wfile.write(body[at : at + 64 * 1024])
            if self.server.bytes_per_second:
                time.sleep(64 * 1024 / self.server.bytes_per_second)
        if self.server.lie is stop_in_the_middle:
            self.server.let_go.wait(20)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
        pass


def stop_in_the_middle(asked: Asked) -> None:
    """The head promises all, and the body stops half way."""
    asked.body = asked.body[: len(asked.body) // 2]


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def hostile(
    server: HostileServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HostileServer]:
    """Read by three connections: 1 MiB by the first, then ranges of half a MiB."""
    server.begin()
    settings.MINIO_SERVER = f"127.0.0.1:{server.server_port}"
    settings.MINIO_SSL = False
    settings.MINIO_BUCKET = "images"
    settings.MINIO_ACCESS_KEY = "only-for-tests"
    settings.MINIO_SECRET_KEY = "only-for-tests-secret"
    settings.MINIO_CONNECT_TIMEOUT_SECONDS = settings.MINIO_READ_TIMEOUT_SECONDS = 1
    settings.MINIO_READ_CONNECTIONS = 3
    monkeypatch.setattr(reading, "FIRST_BYTES", MIB)
    monkeypatch.setattr(reading, "RANGE_BYTES", MIB // 2)
    monkeypatch.setattr(reading, "PIECE_BYTES", MIB // 8)
    with replace_object_store(S3Store()):
        yield server
    server.let_go.set()
    assert_no_readers()


def assert_no_readers() -> None:
    """Whoever read has ended, now or in a moment."""
    patience = time.monotonic() + 3
    while time.monotonic() < patience:
        if not readers():
            return
        time.sleep(0.02)
    pytest.fail(f"Still there: {readers()}")


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "reader"]


# ── what is asked for ──


@pytest.mark.parametrize("connections", [1, 2, 3, 8])
def test_it_is_read_whole_by_any_number_of_connections(
    hostile: HostileServer, settings: Any, connections: int
) -> None:
    settings.MINIO_READ_CONNECTIONS = connections
    assert read_and_hash(KEY, prefix_bytes=10) == READ


def test_one_connection_asks_once_whatever_the_size(hostile: HostileServer, settings: Any) -> None:
    settings.MINIO_READ_CONNECTIONS = 1
    read_and_hash(KEY)
    assert [(asked.status, asked.start, asked.end) for asked in hostile.asked] == [
        (200, 0, len(CONTENT))
    ]


def test_a_small_object_is_asked_for_once_by_however_many(hostile: HostileServer) -> None:
    hostile.content = CONTENT[:MIB]
    assert read_and_hash(KEY).size == MIB
    assert len(hostile.asked) == 1


def test_the_rest_of_a_large_one_is_asked_for_by_ranges_of_that_very_object(
    hostile: HostileServer,
) -> None:
    read_and_hash(KEY)
    ranges = sorted((asked.start, asked.end) for asked in hostile.asked)
    half = MIB // 2
    assert ranges == [(0, MIB)] + [(at, at + half) for at in range(MIB, len(CONTENT), half)]
    assert [asked.if_match for asked in hostile.asked[1:]] == ['"one"'] * 8


def test_what_comes_early_waits_for_what_comes_late(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ASK_SECONDS", 0.05)
    hostile.lie = lambda asked: time.sleep(0.4) if asked.start == MIB else None
    assert read_and_hash(KEY, prefix_bytes=10) == READ


def test_where_each_connection_is_slow_several_are_as_much_faster(
    hostile: HostileServer, settings: Any
) -> None:
    hostile.bytes_per_second = 4 * MIB
    took = {}
    for settings.MINIO_READ_CONNECTIONS in (1, 4):
        begun = time.monotonic()
        assert read_and_hash(KEY, prefix_bytes=10) == READ
        took[settings.MINIO_READ_CONNECTIONS] = time.monotonic() - begun
    assert hostile.most_at_once == 4
    assert took[4] < 0.7 * took[1]


# ── how much is held ──


@pytest.mark.parametrize(("connections", "most"), [(1, MIB), (3, 3 * MIB // 2)])
def test_no_more_is_fetched_than_may_be_held(
    hostile: HostileServer,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
    most: int,
) -> None:
    settings.MINIO_READ_CONNECTIONS = connections
    held: list[int] = []

    class Watched(reading._Ahead):
        def piece_at(self, start: int) -> bytes | None:
            held.append(sum(map(len, self._pieces.values())))
            time.sleep(0.01)
            return super().piece_at(start)

    monkeypatch.setattr(reading, "_Ahead", Watched)
    assert read_and_hash(KEY, prefix_bytes=10, ahead_bytes=MIB) == READ
    assert most / 2 < max(held) <= most


# ── answers that are not what was asked for ──


def one_byte_less(asked: Asked) -> None:
    asked.body = asked.body[:-1]


def one_byte_less_and_says_so(asked: Asked) -> None:
    asked.body = asked.body[:-1]
    asked.headers["Content-Length"] = str(len(asked.body))


def a_shorter_range(asked: Asked) -> None:
    one_byte_less_and_says_so(asked)
    asked.headers["Content-Range"] = f"bytes {asked.start}-{asked.end - 2}/{len(CONTENT)}"


def a_longer_range(asked: Asked) -> None:
    asked.body += b"x"
    asked.headers["Content-Length"] = str(len(asked.body))


def another_range(asked: Asked) -> None:
    asked.headers["Content-Range"] = f"bytes {asked.start + 1}-{asked.end}/{len(CONTENT)}"


def another_size(asked: Asked) -> None:
    asked.headers["Content-Range"] = f"bytes {asked.start}-{asked.end - 1}/{len(CONTENT) + 1}"


def another_etag(asked: Asked) -> None:
    asked.headers["ETag"] = '"two"'


def no_length(asked: Asked) -> None:
    del asked.headers["Content-Length"]


def no_range(asked: Asked) -> None:
    del asked.headers["Content-Range"]


def the_whole(asked: Asked) -> None:
    asked.status, asked.body = 200, CONTENT
    asked.headers = {"ETag": '"one"', "Content-Length": str(len(CONTENT))}


def changed(asked: Asked) -> None:
    asked.status = 412
    asked.body = b"<?xml version='1.0'?><Error><Code>PreconditionFailed</Code></Error>"
    asked.headers = {"Content-Length": str(len(asked.body)), "Content-Type": "application/xml"}


def overloaded(asked: Asked) -> None:
    asked.status, asked.body, asked.headers = 503, b"", {"Content-Length": "0"}


LIES = [
    one_byte_less,
    one_byte_less_and_says_so,
    a_shorter_range,
    a_longer_range,
    another_range,
    another_size,
    another_etag,
    no_length,
    no_range,
    the_whole,
    changed,
    overloaded,
]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("later", [1, 5])
def test_a_range_that_is_not_what_was_asked_for_gives_no_hash(
    hostile: HostileServer, lie: Callable[[Asked], None], later: int
) -> None:
    hostile.lie = lambda asked: lie(asked) if asked.number >= later else None
    with pytest.raises(Unavailable):
        read_and_hash(KEY)


@pytest.mark.parametrize(
    "lie",
    [one_byte_less, one_byte_less_and_says_so, a_shorter_range, a_longer_range, no_length, changed],
)
def test_a_first_answer_that_is_not_what_was_asked_for_gives_no_hash(
    hostile: HostileServer, lie: Callable[[Asked], None]
) -> None:
    hostile.lie = lie
    with pytest.raises(Unavailable):
        read_and_hash(KEY)


def test_a_store_that_overlooks_ranges_is_read_in_one_go(hostile: HostileServer) -> None:
    hostile.lie = the_whole
    assert read_and_hash(KEY, prefix_bytes=10) == READ
    assert len(hostile.asked) == 1


def test_an_object_that_goes_meanwhile_is_missing(hostile: HostileServer) -> None:
    def gone(asked: Asked) -> None:
        if asked.number > 2:
            asked.status, asked.body = (
                404,
                b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>",
            )
            asked.headers = {
                "Content-Length": str(len(asked.body)),
                "Content-Type": "application/xml",
            }

    hostile.lie = gone
    with pytest.raises(NoSuchObject):
        read_and_hash(KEY)


# ── standing still, and being stopped ──


class Stopped(Exception):
    """What a caller raises who wants no more."""


def stop(_: int) -> None:
    raise Stopped


@pytest.mark.parametrize("connections", [1, 3])
def test_a_range_that_stands_still_is_unavailable_within_the_time_out(
    hostile: HostileServer, settings: Any, connections: int
) -> None:
    settings.MINIO_READ_CONNECTIONS = connections
    hostile.lie = stop_in_the_middle
    begun = time.monotonic()
    with pytest.raises(Unavailable):
        read_and_hash(KEY)
    assert 0.9 < time.monotonic() - begun < 3
    assert not readers()


def test_the_caller_is_asked_each_second_while_the_store_is_silent(
    hostile: HostileServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MINIO_READ_TIMEOUT_SECONDS = 2
    monkeypatch.setattr(reading, "ASK_SECONDS", 0.1)
    hostile.lie = stop_in_the_middle
    asked: list[int] = []
    with pytest.raises(Unavailable):
        read_and_hash(KEY, after_each=asked.append)
    assert asked.count(asked[-1]) > 5


@pytest.mark.parametrize("connections", [1, 3])
def test_whoever_stops_is_not_kept_by_a_store_that_is_silent(
    hostile: HostileServer,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    connections: int,
) -> None:
    settings.MINIO_READ_CONNECTIONS = connections
    settings.MINIO_READ_TIMEOUT_SECONDS = 15
    monkeypatch.setattr(reading, "ASK_SECONDS", 0.3)
    hostile.lie = stop_in_the_middle

    def stop_when_silent(size: int) -> None:
        seen.append(size)
        if len(seen) > 3 and seen[-3] == size:
            raise Stopped

    seen: list[int] = []
    begun = time.monotonic()
    with pytest.raises(Stopped):
        read_and_hash(KEY, after_each=stop_when_silent)
    assert time.monotonic() - begun < 4
    assert not readers()


def test_whoever_stops_leaves_no_thread_and_spoils_no_connection(hostile: HostileServer) -> None:
    for _ in range(5):
        with pytest.raises(Stopped):
            read_and_hash(KEY, after_each=stop)
        assert not readers()
    assert read_and_hash(KEY, prefix_bytes=10) == READ


def test_a_fault_of_ours_in_a_reader_is_told(hostile: HostileServer) -> None:
    class Broken(S3Store):
        def open_range(self, *_: Any, **__: Any) -> Any:
            raise ZeroDivisionError

    with replace_object_store(Broken()), pytest.raises(ZeroDivisionError):
        read_and_hash(KEY)


# ── the pace ──


def test_it_is_read_no_faster_than_asked_for(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ASK_SECONDS", 0.05)
    asked: list[int] = []
    begun = time.monotonic()
    read = read_and_hash(
        KEY, prefix_bytes=10, after_each=asked.append, bytes_per_second=len(CONTENT)
    )
    assert read == READ
    assert 0.9 < time.monotonic() - begun < 2.5


def test_whoever_reads_slowly_is_asked_each_second_too(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ASK_SECONDS", 0.05)
    asked: list[int] = []

    def stop_at_ten(size: int) -> None:
        asked.append(size)
        if len(asked) == 10:
            raise Stopped

    begun = time.monotonic()
    with pytest.raises(Stopped):
        read_and_hash(KEY, after_each=stop_at_ten, bytes_per_second=1000)
    assert time.monotonic() - begun < 2
    assert asked == [MIB // 8] * 10


# ── in memory ──


def test_an_object_that_is_empty_has_the_hash_of_nothing(settings: Any) -> None:
    store = MemoryStore()
    with store._lock:
        store._objects[KEY] = StoredObject(KEY, 0, "e"), b""
    with replace_object_store(store):
        assert read_and_hash(KEY) == Read(hashlib.sha256(b"").hexdigest(), 0, b"")
