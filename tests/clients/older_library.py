"""A library that seems to be of 2018: the live registry, behind a door that hides its version.

Every client still has the first protocol in it, and speaks it where a library says that it is old:
one body per image, sent to the library itself, and tags that know no architecture.
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 16

OLD = json.dumps({"data": {"version": "1.0.0", "apiVersion": "1.0.0"}}).encode()


@contextlib.contextmanager
def in_front_of(url: str) -> Iterator[str]:
    """The address of a library that answers as `url` does, but for its version."""
    server = Server(urlsplit(url).netloc)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Server(ThreadingHTTPServer):
    """Knows the host that it stands in front of."""

    def __init__(self, host: str) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.host = host


class Door(BaseHTTPRequestHandler):
    """Passes on what it is asked, byte by byte, but for the version."""

    server: Server

    def do_GET(self) -> None:
        if self.path.strip("/") != "version":
            self.pass_on()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(OLD)))
        self.end_headers()
        self.wfile.write(OLD)

    def do_POST(self) -> None:
        self.pass_on()

    do_PUT = do_DELETE = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing: what the client says is what counts."""

    def pass_on(self) -> None:
        headers = dict(self.headers.items()) | {"Host": self.server.host, "Connection": "close"}
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
