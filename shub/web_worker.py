"""PatientWorker: gunicorn's threads, which never wait for a request that has not arrived.

gunicorn's own threaded worker lets a thread wait for the rest of a head or a body for as long as
the client likes: as many half-sent requests as there are threads stop the registry. Here the main
loop collects each request, and a thread gets it once it is here. What is too large to collect is
left to the thread, which then waits for it, but no longer than REQUEST_SECONDS; a registry that
strangers reach has a proxy in front which collects those too. Only a view that has let the sender
in can give a body more time (`wait_patiently`): for an image that an old client sends as one.
"""

import contextlib
import json
import os
import re
import selectors
import socket
import time
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.errors import ConfigError
from gunicorn.http.errors import (
    ExpectationFailed,
    ForbiddenProxyRequest,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn, ThreadWorker

from shub import stopping
from shub.places import Places

# From a request's first byte, or a new connection's beginning, to its last byte.
REQUEST_SECONDS = 15.0

# How slowly a body may arrive that a view waits patiently for, on the average.
BYTES_PER_SECOND = 32 * 1024

# How long a client may leave an answer unread.
ANSWER_SECONDS = 15.0

# Nearly all requests are smaller; a worker holds at most a thousand connections (64 MiB).
COLLECTED_BYTES = 64 * 1024

# What cannot be read as a request: status, reason, and words. Clients read no page.
UNREADABLE: dict[type[Exception], tuple[int, str, str]] = {
    LimitRequestLine: (414, "URI Too Long", "The request's address is too long."),
    LimitRequestHeaders: (
        *(431, "Request Header Fields Too Large"),
        "The request has too many headers, or too long ones.",
    ),
    ExpectationFailed: (417, "Expectation Failed", "Nothing but 100-continue may be expected."),
    ForbiddenProxyRequest: (403, "Forbidden", "This is no proxy."),
}
BAD_REQUEST = (400, "Bad Request", "The request cannot be read: it is not well-formed HTTP.")
FAILED = (
    *(500, "Internal Server Error"),
    "The registry failed; its log says why. Tell the administrator when it happened.",
)

_draining = Places(1)

_TLS_HANDSHAKE = b"\x16"
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,15})[ \t]*(?:\r\n|\Z)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_END_OF_CHUNKS = b"0\r\n\r\n"


def body_bytes(head: bytes) -> int | None:
    """The length of the body that comes after this head; None for chunks, which end by themselves.

    0 where the head does not say it as it should: the parser is going to refuse it.

    >>> body_bytes(b"PUT / HTTP/1.1\\r\\nContent-Length: 7\\r\\n\\r\\n")
    7
    """
    if _CHUNKED.search(head):
        return None
    length = _LENGTH.search(head)
    return int(length[1]) if length else 0


class Arrival(SocketUnreader):
    """What has arrived on a connection and is not yet read by the parser."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.is_awaited = False
        self.due_at = 0.0
        # How much has been looked at, and where the request ends: each byte is looked at once,
        # however many pieces it comes in.
        self._seen = 0
        self._end: int | None = None
        self._is_chunked = False
        self._is_waited_for = False

    def collect(self) -> bool:
        """Take what is there, without waiting; False when nothing more will come in time."""
        if not self.is_awaited:
            self.is_awaited, self.due_at = True, time.monotonic() + REQUEST_SECONDS
            self._seen, self._end, self._is_chunked = 0, None, False
            self._is_waited_for = False
        elif time.monotonic() > self.due_at:
            return False
        try:
            piece = self.sock.recv(COLLECTED_BYTES)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        self.buf.seek(0, os.SEEK_END)
        self.buf.write(piece)
        return bool(piece)

    def hand_over(self) -> bool:
        """Whether the request is here, or as much as is collected; the next is awaited anew."""
        size = self.buf.seek(0, os.SEEK_END)
        if not self._is_here(size):
            self._seen = size
            return False
        self.is_awaited = False
        return True

    def wait_patiently(self) -> None:
        """From now on each piece of this request's body gives it time for the next."""
        self._is_waited_for = True
        self.due_at = time.monotonic() + REQUEST_SECONDS

    def _is_here(self, size: int) -> bool:
        if size >= COLLECTED_BYTES or self._is_tls():
            return True
        if self._end is None:
            found = self._find(_END_OF_HEAD)
            if found < 0:
                return False
            length = body_bytes(self.buf.getvalue()[:found])
            self._is_chunked = length is None
            self._end = found + (length or 0)
        if self._is_chunked:
            return self._last(len(_END_OF_CHUNKS)) == _END_OF_CHUNKS
        return size >= self._end

    def _is_tls(self) -> bool:
        """Whether a client speaks TLS to us: refused at once, it tells its user what is wrong."""
        self.buf.seek(0)
        return bool(self.buf.read(1) == _TLS_HANDSHAKE)

    def _find(self, mark: bytes) -> int:
        """Where the mark ends, if it ends in what is new; else -1."""
        start = max(0, self._seen + 1 - len(mark))
        self.buf.seek(start)
        at = self.buf.read().find(mark)
        return start + at + len(mark) if at >= 0 else -1

    def _last(self, count: int) -> bytes:
        self.buf.seek(-min(count, self.buf.seek(0, os.SEEK_END)), os.SEEK_END)
        return bytes(self.buf.read())

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next piece, for a thread that waits for it, within the request's time."""
        left = self.due_at - time.monotonic()
        if left <= 0:
            raise NoMoreData
        patience = self.sock.gettimeout()
        self.sock.settimeout(left if patience is None else min(left, patience))
        try:
            piece = bytes(super().chunk(size_hint))
        except TimeoutError:
            raise NoMoreData from None
        finally:
            self.sock.settimeout(patience)
        if self._is_waited_for:
            self.due_at += len(piece) / BYTES_PER_SECOND
        return piece


class PatientWorker(ThreadWorker):
    """For `gunicorn --worker-class shub.web_worker.PatientWorker`. TLS is a proxy's matter."""

    # How long it goes on taking connections when it is told to end.
    drain_seconds = 0
    _leaves_at: float | None = None

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise ConfigError("PatientWorker speaks no TLS: put a proxy in front.")

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Be told to end: say so at once, and take no more connections when it is time."""
        stopping.tell()
        if self.drain_seconds:
            self._leaves_at = self._leaves_at or time.monotonic() + self.drain_seconds
        else:
            super().handle_exit(sig, frame)

    def notify(self) -> None:
        """Called in each turn of the main loop, at least once a second."""
        super().notify()
        if self._leaves_at and time.monotonic() >= self._leaves_at:
            self.alive = False

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take connections or not; where it is for good, let others have those that come."""
        was_accepting = self._accepting
        super().set_accept_enabled(enabled)
        if self.alive or not self.cfg.reuse_port:
            return
        for listener in self.sockets:
            # What was connected to our own socket is ours: it would be cut when that is closed. And
            # it is closed now: until then the kernel would go on connecting clients to it.
            while was_accepting:
                known = self.nr_conns
                self.accept(listener)
                if self.nr_conns == known:
                    break
            listener.close()

    def enqueue_req(self, conn: TConn) -> None:
        """Give the connection to a thread if its request is here; else wait on, or hang up.

        Called in the main loop, whenever something may have arrived.
        """
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = Arrival(conn.sock)
        arrival: Arrival = conn.parser.unreader
        conn.sock.setblocking(False)
        is_open = arrival.collect()
        if arrival.hand_over():
            super().enqueue_req(conn)
        elif not is_open:
            self.nr_conns -= 1
            conn.close()
        else:
            conn.timeout = arrival.due_at
            self.pending_conns.append(conn)
            self.poller.register(
                conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn)
            )

    def handle(self, conn: TConn) -> Any:
        """Answer a request, in a thread; whether the connection is kept."""
        kept = super().handle(conn)
        if not kept:
            # The main loop would stand still for two seconds, waiting for the client to hang up.
            with contextlib.suppress(OSError):
                conn.sock.shutdown(socket.SHUT_RDWR)
        return kept

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer it; an answer that the client does not read is given up.

        `environ["wsgi.input"].wait_patiently()` is for a view that waits for a large body.
        """
        conn.sock.settimeout(ANSWER_SECONDS)
        req.body.wait_patiently = conn.parser.unreader.wait_patiently
        try:
            return super().handle_request(req, conn)
        except TimeoutError:
            self.log.debug("An answer was not read.")
            return False

    def _keepalive_after(self, conn: TConn, keepalive: Any) -> bool:
        """Whether the connection is kept; only one thread waits for the rest of an unread body."""
        if not keepalive:
            return False
        if getattr(conn.parser.mesg.body.reader, "length", None) == 0:
            return True
        if not _draining.take():
            return False
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        finally:
            _draining.leave()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Say what is wrong in the envelope of every other error, and log it without repeating it.

        What cannot be read may hold a token, in a header that was mistyped.
        """
        answer = FAILED
        ours = (InvalidResponseHeader, InvalidResponseHeaderName)
        if isinstance(exc, ParseException) and not isinstance(exc, ours):
            answer = next(
                (found for kind, found in UNREADABLE.items() if isinstance(exc, kind)), BAD_REQUEST
            )
            self.log.info("A request could not be read: %s.", type(exc).__name__)
        else:
            self.log.error("A request failed outside of Django.", exc_info=exc)
        status, reason, words = answer
        body = json.dumps({"error": {"code": status, "message": words}}).encode()
        head = (
            f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            util.write_nonblock(client, head.encode() + body)

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)
