"""Requests of the doctor's own, and at which stage one failed.

They do not go through `shub.outgoing`: that is the door for addresses that users give, and hides
why an answer did not come. These addresses are the administrator's own, in the settings; and why
there is no answer is just what is asked. Nothing is followed, everything ends at a deadline.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic
from typing import Self
from urllib.parse import urlsplit

from shub.operations.doctor.options import Options

MOST_BYTES = 4 * 1024**2
CONNECT_SECONDS = 4.0
PIECE_BYTES = 256 * 1024

PORTS = {"http": 80, "https": 443}


class Stage(StrEnum):
    """How far a request came."""

    NAME = "name"
    CONNECTION = "connection"
    TLS = "TLS"
    ANSWER = "answer"


class NotReached(Exception):
    """No answer: at which stage, and why. `verify_code` is OpenSSL's, of a certificate."""

    def __init__(self, stage: Stage, words: str, *, verify_code: int = 0) -> None:
        super().__init__(words)
        self.stage = stage
        self.words = words
        self.verify_code = verify_code


class NoAuthority(NotReached):
    """The file of a private authority cannot be read."""


@dataclass(frozen=True)
class Answer:
    """What was answered. Header names are in lower case; `own` is this end of the connection."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    own: tuple[str, int]
    seconds: float

    @property
    def server(self) -> str:
        """What the one who answered calls itself."""
        return self.headers.get("server", "")

    @property
    def text(self) -> str:
        """The body's beginning, on one line."""
        return " ".join(self.body[:200].decode(errors="replace").split())


def trust(options: Options) -> ssl.SSLContext:
    """Whom a client of this registry trusts: the machine's authorities, and the site's own.

    NoAuthority where a file of them cannot be read.
    """
    context = ssl.create_default_context()
    for path in options.authorities:
        try:
            context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or error
            raise NoAuthority(Stage.TLS, f"the authority's file {path}: {reason}") from None
    return context


def ask(
    options: Options,
    method: str,
    address: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    seconds: float = 0,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """One request, nothing followed; NotReached where no whole answer comes."""
    began = monotonic()
    with _Connection(options, address, seconds or options.answer_seconds, context) as client:
        parts = urlsplit(address)
        path = parts.path or "/"
        sent = {"User-Agent": "shub-doctor", "Connection": "close", **(headers or {})}
        if method in {"PUT", "POST"}:
            sent["Content-Length"] = str(len(body))
        try:
            broken = client.send_all(
                method, path + (f"?{parts.query}" if parts.query else ""), sent, body
            )
            with client.getresponse() as answer:
                content = answer.read(MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise client.without_answer(error) from None
        if broken and answer.status < 400:
            raise NotReached(Stage.ANSWER, "the connection was closed while the body was sent")
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, content, client.own, monotonic() - began)


class _Connection(http.client.HTTPConnection):
    """A connection for one request, which ends at a deadline whoever waits for what."""

    auto_open = 0

    def __init__(
        self, options: Options, address: str, seconds: float, context: ssl.SSLContext | None
    ) -> None:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        super().__init__(host, port, timeout=seconds)
        self.default_port = PORTS[parts.scheme]
        self._options, self._context = options, context
        self._is_secure = parts.scheme == "https"
        self._seconds = seconds
        self._late = threading.Event()
        self._watchdog = threading.Timer(seconds, self._hang_up)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self.sock = self._held = connect(self._options, self.host, self.port, self._seconds)
        self.own = self.sock.getsockname()[:2]
        self._watchdog.start()
        if self._is_secure:
            try:
                self.sock = self._held = secure(
                    self.sock, self.host, self._context or trust(self._options)
                )
            except BaseException:
                self.__exit__()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self.close()
        self._held.close()

    def send_all(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Send the request; whether the other end closed before it had all of it.

        A proxy that finds a body too large says so, and does not read it: the answer is there.
        """
        self.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            self.putheader(name, value)
        self.endheaders()
        try:
            for start in range(0, len(body), PIECE_BYTES):
                self.send(body[start : start + PIECE_BYTES])
        except (BrokenPipeError, ConnectionResetError):
            return True
        return False

    def without_answer(self, error: Exception) -> NotReached:
        """In plain words, what came instead of an answer."""
        if self._late.is_set() or isinstance(error, TimeoutError):
            return NotReached(Stage.ANSWER, f"no answer within {self._seconds:g} seconds")
        if isinstance(error, http.client.RemoteDisconnected | ConnectionResetError):
            return NotReached(Stage.ANSWER, "the connection was closed without an answer")
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return NotReached(Stage.ANSWER, f"no HTTP answer: {words}")

    def _hang_up(self) -> None:
        self._late.set()
        with contextlib.suppress(OSError):
            self._held.shutdown(socket.SHUT_RDWR)


def connect(options: Options, host: str, port: int, seconds: float) -> socket.socket:
    """A connection to the host, by the address that the options give it. NotReached."""
    given = options.resolve.get(host)
    try:
        infos = socket.getaddrinfo(given or host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no name"
        raise NotReached(Stage.NAME, f"the name {host} is not known here: {reason}") from None
    words = ""
    for address in dict.fromkeys(str(info[4][0]) for info in infos):
        try:
            held = socket.create_connection((address, port), min(seconds, CONNECT_SECONDS))
        except TimeoutError:
            words = f"{_at(host, address, port)}: no connection within {CONNECT_SECONDS:g} seconds"
        except OSError as error:
            words = f"{_at(host, address, port)}: {(error.strerror or str(error)).lower()}"
        else:
            held.settimeout(seconds)
            return held
    raise NotReached(Stage.CONNECTION, words or f"the name {host} has no address")


def _at(host: str, address: str, port: int) -> str:
    return f"{host}:{port}" if host == address else f"{host}:{port} ({address})"


def secure(held: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The connection, secured; the plain one is closed where that fails. NotReached."""
    try:
        return context.wrap_socket(held, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        held.close()
        words = f"the certificate of {host} is not trusted: {error.verify_message}"
        raise NotReached(Stage.TLS, words, verify_code=error.verify_code) from None
    except (OSError, ValueError) as error:
        held.close()
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise NotReached(Stage.TLS, f"no TLS with {host}: {reason}") from None
