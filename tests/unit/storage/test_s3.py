"""S3Store before a store that fails, lies or is silent: a few answers, scripted, on loopback."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest

from shub.errors import Unavailable
from shub.storage import IncompleteParts, NoSuchObject, Part, StoredObject, s3
from shub.storage.keys import blob_key
from shub.storage.s3 import S3Store

KEY = blob_key("a" * 64, "1" * 24)
SECRET = "only-for-tests-secret"


@dataclass
class Reply:
    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str) -> Reply:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>So.</Message></Error>"
    return Reply(status, text.encode(), {"Content-Type": "application/xml"})


def parts_listed(*etags: str) -> Reply:
    parts = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag><Size>1</Size>"
        "<LastModified>2026-01-01T00:00:00Z</LastModified></Part>"
        for number, etag in enumerate(etags, start=1)
    )
    text = f"<ListPartsResult><IsTruncated>false</IsTruncated>{parts}</ListPartsResult>"
    return Reply(200, text.encode(), {"Content-Type": "application/xml"})


HERE = Reply(200, b"", {"Content-Length": "7", "ETag": '"etag-1"'})
NOT_HERE = Reply(404)
NO_UPLOAD = refusal(404, "NoSuchUpload")
JOINED = Reply(
    200,
    b"<CompleteMultipartUploadResult><ETag>&quot;etag-1&quot;</ETag>"
    b"</CompleteMultipartUploadResult>",
    {"Content-Type": "application/xml"},
)


class ScriptedStore:
    """Answers by the act that is asked: each list is used up, and its last reply stays."""

    def __init__(self) -> None:
        self.script: dict[str, list[Reply]] = {}
        self.asked: list[str] = []

    def answer(self, act: str) -> Reply:
        self.asked.append(act)
        replies = self.script[act]
        return replies.pop(0) if len(replies) > 1 else replies[0]


def act_of(method: str, address: str) -> str:
    query = parse_qs(urlsplit(address).query, keep_blank_values=True)
    if "uploadId" in query:
        return {"POST": "join", "GET": "list parts", "DELETE": "abort", "PUT": "put"}[method]
    return "remove" if "delete" in query else {"HEAD": "stat", "GET": "read"}.get(method, method)


class ScriptedServer(ThreadingHTTPServer):
    """Asks the store of the running test what to answer."""

    daemon_threads = True
    store = ScriptedStore()

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is no error here."""


class ScriptedHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def reply(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.store.answer(act_of(self.command, self.path))
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        announced = int(reply.headers.get("Content-Length", len(reply.body)))
        self.close_connection = self.command != "HEAD" and announced != len(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = reply

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its own name
        pass


# One of each for all tests: a client is made for each address, and that takes a while.
@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(("127.0.0.1", 0), ScriptedHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def scripted(server: ScriptedServer, settings: Any) -> ScriptedStore:
    server.store = ScriptedStore()
    configure(settings, f"127.0.0.1:{server.server_port}")
    return server.store


@pytest.fixture(scope="module")
def unheard_host() -> Iterator[str]:
    """Where nobody listens."""
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{unused.getsockname()[1]}"


@pytest.fixture(scope="module")
def silent_host() -> Iterator[str]:
    """Where connections are taken and nothing is ever said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        yield f"127.0.0.1:{silent.getsockname()[1]}"


def configure(settings: Any, host: str) -> None:
    settings.MINIO_SERVER = host
    settings.MINIO_SSL = False
    settings.MINIO_BUCKET = "images"
    settings.MINIO_ACCESS_KEY = "only-for-tests"
    settings.MINIO_SECRET_KEY = SECRET
    settings.MINIO_CONNECT_TIMEOUT_SECONDS = 1
    settings.MINIO_READ_TIMEOUT_SECONDS = 1


ACTS: list[Callable[[S3Store], object]] = [
    lambda store: store.make_bucket(),
    lambda store: store.start_parts(KEY),
    lambda store: store.put_part(KEY, "an-upload", 1, b"x"),
    lambda store: store.list_parts(KEY, "an-upload"),
    lambda store: store.finish_parts(KEY, "an-upload", [Part(1, "e")]),
    lambda store: store.abort_parts(KEY, "an-upload"),
    lambda store: list(store.open_parts(datetime.now(UTC))),
    lambda store: store.stat(KEY),
    lambda store: read_whole(store),  # noqa: PLW0108  it is defined below
    lambda store: list(store.objects()),
    lambda store: store.remove([KEY]),
]


def read_whole(store: S3Store, **named: int) -> bytes:
    with store.read(KEY, **named) as pieces:
        return b"".join(pieces)


# ── a store that cannot be reached ──


@pytest.mark.parametrize("act", ACTS)
def test_a_store_that_is_not_there_is_unavailable(
    settings: Any,
    unheard_host: str,
    act: Callable[[S3Store], object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure(settings, unheard_host)
    with pytest.raises(Unavailable) as refused:
        act(S3Store())
    assert "127.0.0.1" not in refused.value.message
    assert "The object store cannot be reached" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("act", ACTS)
def test_a_store_that_is_silent_is_unavailable_within_the_time_outs(
    settings: Any, silent_host: str, act: Callable[[S3Store], object]
) -> None:
    configure(settings, silent_host)
    began = time.monotonic()
    with pytest.raises(Unavailable):
        act(S3Store())
    # One second's wait; but boto3 first asks whether to send a part, and finishing looks for the
    # object afterwards.
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [500, 503, 429])
@pytest.mark.parametrize("act", ACTS)
def test_a_store_that_is_overloaded_is_unavailable(
    scripted: ScriptedStore, act: Callable[[S3Store], object], status: int
) -> None:
    busy = refusal(status, "SlowDown")
    # MinIO asks for a minute's wait; nobody is kept that long.
    busy.headers["Retry-After"] = "60"
    acts = ("join", "list parts", "abort", "put", "remove", "stat", "read", "POST", "PUT")
    scripted.script = {name: [busy] for name in acts}
    began = time.monotonic()
    with pytest.raises(Unavailable, match="try again later"):
        act(S3Store())
    assert time.monotonic() - began < 3


def test_an_answer_that_is_not_s3_is_unavailable(scripted: ScriptedStore) -> None:
    page = Reply(502, b"<html>Bad gateway", {"Content-Type": "text/html"})
    scripted.script = {"read": [page], "list parts": [page]}
    for act in (read_whole, lambda store: store.list_parts(KEY, "an-upload")):
        with pytest.raises(Unavailable):
            act(S3Store())


def test_a_refusal_names_its_reason_in_the_log_only(
    scripted: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script = {"list parts": [refusal(403, "InvalidAccessKeyId")]}
    with pytest.raises(Unavailable) as refused:
        S3Store().list_parts(KEY, "an-upload")
    assert "InvalidAccessKeyId" in caplog.text
    assert "InvalidAccessKeyId" not in refused.value.message


def test_a_connection_that_the_store_closed_while_idle_is_made_anew(settings: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 7\r\n\r\n"
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        configure(settings, f"127.0.0.1:{listening.getsockname()[1]}")

        def answer_then_hang_up_on_the_next_request() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)
                connection.recv(65536)
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)

        thread = threading.Thread(target=answer_then_hang_up_on_the_next_request, daemon=True)
        thread.start()
        assert S3Store().stat(KEY) == S3Store().stat(KEY) == StoredObject(KEY, 7, "e")
        thread.join()


# ── a stream that ends too early ──


@pytest.mark.parametrize("sent", [0, 1, 300_000, 999_999])
def test_a_stream_that_ends_short_never_just_ends(scripted: ScriptedStore, sent: int) -> None:
    scripted.script = {"read": [Reply(200, b"x" * sent, {"Content-Length": "1000000"})]}
    received: list[bytes] = []
    with S3Store().read(KEY) as pieces, pytest.raises(Unavailable):
        received.extend(pieces)
    assert len(b"".join(received)) <= sent


def test_a_short_stream_is_noticed_though_the_client_library_does_not() -> None:
    class Ended:
        status = 200
        headers: ClassVar = {"Content-Length": "10"}

        def read(self, *_: object, **__: object) -> bytes:
            return b""

    with pytest.raises(Unavailable):
        list(s3._pieces(Ended(), ranged=False))  # type: ignore[arg-type]


def test_a_stream_that_stops_is_unavailable(settings: Any) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        configure(settings, f"127.0.0.1:{listening.getsockname()[1]}")

        def send_a_little() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
                ended.wait(10)

        ended = threading.Event()
        thread = threading.Thread(target=send_a_little, daemon=True)
        thread.start()
        with pytest.raises(Unavailable):
            read_whole(S3Store())
        ended.set()
        thread.join()


def test_a_whole_object_in_answer_to_a_range_is_not_taken_for_the_range(
    scripted: ScriptedStore,
) -> None:
    scripted.script = {"read": [Reply(200, b"0123456789")]}
    with pytest.raises(Unavailable):
        read_whole(S3Store(), start=5)
    assert read_whole(S3Store()) == b"0123456789"


# ── a joining whose answer was lost ──


LOST = refusal(503, "SlowDown")


@pytest.mark.parametrize(
    "lost", [LOST, refusal(500, "InternalError"), NO_UPLOAD, refusal(400, "InvalidPart")]
)
def test_an_object_that_is_there_counts_whatever_the_joining_said(
    scripted: ScriptedStore, lost: Reply
) -> None:
    scripted.script = {"join": [lost], "stat": [HERE]}
    finished = S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")])
    assert finished == StoredObject(KEY, 7, "etag-1")
    # A second joining while the first may still run would spoil the object on one of the stores.
    assert scripted.asked.count("join") == 1


def test_a_joining_that_says_200_and_means_an_error_is_looked_after(
    scripted: ScriptedStore,
) -> None:
    late = refusal(200, "InternalError")
    scripted.script = {"join": [late], "stat": [NOT_HERE]}
    with pytest.raises(Unavailable):
        S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")])


def test_a_joining_that_failed_for_the_moment_may_be_asked_again(scripted: ScriptedStore) -> None:
    scripted.script = {"join": [LOST, JOINED], "stat": [NOT_HERE, HERE]}
    with pytest.raises(Unavailable):
        S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")])
    assert S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")]).size == 7


@pytest.mark.parametrize("said", [NO_UPLOAD, refusal(400, "InvalidPart")])
@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        (["e1", "e2", "e3", "e4"], "These parts have not arrived: 3, 4."),
        (["e1", "other"], "These parts are not those that were sent: 2."),
        (["e1"], "2 parts have arrived, and the store cannot join the 1 named."),
    ],
)
def test_what_is_missing_is_named(
    scripted: ScriptedStore, said: Reply, named: list[str], sentence: str
) -> None:
    scripted.script = {"join": [said], "stat": [NOT_HERE], "list parts": [parts_listed("e1", "e2")]}
    parts = [Part(number, etag) for number, etag in enumerate(named, start=1)]
    with pytest.raises(IncompleteParts) as incomplete:
        S3Store().finish_parts(KEY, "an-upload", parts)
    assert str(incomplete.value) == sentence


def test_an_upload_is_gone_only_when_neither_it_nor_the_object_is_there(
    scripted: ScriptedStore,
) -> None:
    scripted.script = {"join": [NO_UPLOAD], "stat": [NOT_HERE], "list parts": [NO_UPLOAD]}
    with pytest.raises(NoSuchObject):
        S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")])


def test_an_object_that_another_process_joins_meanwhile_is_found(scripted: ScriptedStore) -> None:
    scripted.script = {"join": [NO_UPLOAD], "stat": [NOT_HERE, HERE], "list parts": [NO_UPLOAD]}
    assert S3Store().finish_parts(KEY, "an-upload", [Part(1, "e")]).size == 7


# ── away ──


def test_an_object_that_the_store_will_not_remove_is_an_error(
    scripted: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    result = (
        f"<DeleteResult><Error><Key>{KEY}</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    scripted.script = {"remove": [Reply(200, result.encode(), {"Content-Type": "application/xml"})]}
    with pytest.raises(Unavailable):
        S3Store().remove([KEY])
    assert "AccessDenied" in caplog.text


def test_an_object_that_the_store_says_is_missing_counts_as_removed(
    scripted: ScriptedStore,
) -> None:
    result = f"<DeleteResult><Error><Key>{KEY}</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
    scripted.script = {"remove": [Reply(200, result.encode(), {"Content-Type": "application/xml"})]}
    S3Store().remove([KEY])


# ── nothing is told ──


def test_neither_addresses_nor_keys_are_logged(
    scripted: ScriptedStore, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script = {"list parts": [refusal(403, "SignatureDoesNotMatch")], "stat": [LOST]}
    with caplog.at_level(logging.INFO):
        S3Store().part_address(KEY, "an-upload", 1, "", size=1)
        S3Store().object_address(KEY)
        for act in (S3Store().stat, lambda key: S3Store().list_parts(key, "an-upload")):
            with pytest.raises(Unavailable):
                act(KEY)
    assert caplog.text
    for told in ("X-Amz-Signature", SECRET, "only-for-tests"):
        assert told not in caplog.text


def test_an_address_is_for_the_external_endpoint(settings: Any) -> None:
    configure(settings, "127.0.0.1:9")
    settings.MINIO_EXTERNAL_SERVER = "store.example:9000"
    settings.MINIO_EXTERNAL_SERVERS = {"registry.lab": "store.lab:443"}
    settings.MINIO_EXTERNAL_SSL = True
    store = S3Store()
    for address in (store.object_address(KEY), store.part_address(KEY, "u", 1, "", size=1)):
        assert address.startswith(f"https://store.example:9000/images/{KEY}?")
    asked = store.object_address(KEY, asked_host="registry.lab:8080")
    assert asked.startswith(f"https://store.lab/images/{KEY}?")


def test_lives_are_those_of_the_settings(settings: Any) -> None:
    configure(settings, "127.0.0.1:9")
    settings.MINIO_SIGNED_URL_EXPIRE_MINUTES = 3
    settings.MINIO_DOWNLOAD_URL_EXPIRE_MINUTES = 1500
    assert "X-Amz-Expires=180&" in S3Store().part_address(KEY, "u", 1, "", size=1)
    assert "X-Amz-Expires=90000&" in S3Store().object_address(KEY)
