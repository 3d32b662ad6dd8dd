"""Doors in front of the live registry: for clients that would meet another address or version."""

import contextlib
import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 16

OLD_VERSION = {"data": {"version": "1.0.0", "apiVersion": "1.0.0"}}

# Nobody else's on this machine, where 127.0.0.1 may have a web server.
LOOPBACK_HOST = "127.0.0.80"


def older_library(url: str) -> contextlib.AbstractContextManager[str]:
    """The address of a registry that answers as `url` does, but whose library seems to be of 2018.

    Every client still has the first protocol in it, and speaks it where a library says that it is
    old: one body per image, sent to the library itself, and tags that know no architecture.
    """
    server = Server(("127.0.0.1", 0), host=urlsplit(url).netloc)
    here = {"uri": server.url}
    services = {"libraryAPI": here, "keystoreAPI": here, "tokenAPI": here}
    server.own_answers = {"/version": OLD_VERSION, "/assets/config/config.prod.json": services}
    return _open(server)


def without_port(url: str) -> contextlib.AbstractContextManager[str]:
    """An address without a port at which `url` answers: `remote add` takes no other.

    Raises PermissionError where one may not listen on port 80.
    """
    return _open(Server((LOOPBACK_HOST, 80), host=urlsplit(url).netloc))


@contextlib.contextmanager
def silent(url: str, *, at: str, after: int = 0) -> Iterator["Server"]:
    """A registry that answers as `url` does until it is asked what `at` finds in method and path,
    so many times before: then it says that it was `reached`, and nothing more until the end."""
    server = Server(("127.0.0.1", 0), host=urlsplit(url).netloc)
    here = {"uri": server.url}
    services = {"libraryAPI": here, "keystoreAPI": here, "tokenAPI": here}
    server.own_answers = {"/assets/config/config.prod.json": services}
    server.silent_at, server.silent_after = re.compile(at), after
    with _open(server):
        try:
            yield server
        finally:
            server.released.set()


@contextlib.contextmanager
def strict_store() -> Iterator["Server"]:
    """A store that refuses a request with two authorizations, as S3 itself does.

    The ones that the tests start let some of them pass. Say the `host` of the store that is behind
    it before anybody asks.
    """
    server = Server(("127.0.0.1", 0), host="")
    server.is_strict_store = True
    with _open(server):
        yield server


@contextlib.contextmanager
def _open(server: "Server") -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Server(ThreadingHTTPServer):
    """Knows the host that it stands in front of, and what it answers by itself, by path."""

    def __init__(self, address: tuple[str, int], *, host: str) -> None:
        super().__init__(address, Door)
        self.host = host
        self.own_answers: Mapping[str, Any] = {}
        self.is_strict_store = False
        self.silent_at: re.Pattern[str] | None = None
        self.silent_after = 0
        self.reached, self.released = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        host, port = self.server_address[:2]
        return f"http://{host}" if port == 80 else f"http://{host}:{port}"


class Door(BaseHTTPRequestHandler):
    """Passes on what it is asked, byte by byte, but for what its server answers by itself."""

    server: Server

    def do_GET(self) -> None:
        # Clients of 2019 begin a path with two slashes.
        own = self.server.own_answers.get(f"/{self.path.lstrip('/')}")
        if own is None:
            self.pass_on()
            return
        content = json.dumps(own).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.pass_on()

    do_PUT = do_DELETE = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing: what the client says is what counts."""

    def pass_on(self) -> None:
        silent_at = self.server.silent_at
        if silent_at and silent_at.search(f"{self.command} {self.path}"):
            self.server.silent_after -= 1
            if self.server.silent_after < 0:
                self.server.reached.set()
                self.server.released.wait()
                return
        headers = dict(self.headers.items()) | {"Connection": "close"}
        if self.server.is_strict_store:
            # The address is signed for the host that the client asked.
            if "Authorization" in headers:
                self.send_error(400, "InvalidArgument: only one authorization is allowed")
                return
        else:
            headers["Host"] = self.server.host
        length = int(self.headers.get("Content-Length", 0))
        behind = http.client.HTTPConnection(self.server.host, timeout=60)
        with contextlib.closing(behind):
            body = self.body(length) if length else None
            behind.request(self.command, self.path, body=body, headers=headers)
            answer = behind.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "server", "date"}:
                    self.send_header(name, value)
            self.end_headers()
            while chunk := answer.read(CHUNK_BYTES):
                self.wfile.write(chunk)

    def body(self, length: int) -> Iterator[bytes]:
        while length:
            chunk = self.rfile.read(min(length, CHUNK_BYTES))
            length -= len(chunk)
            yield chunk
