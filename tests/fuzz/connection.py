"""Requests as bytes, and answers as they come: nothing here mends what is wrong with either."""

import socket
from dataclasses import dataclass, field

# Past this a registry hangs. It gives a request that does not arrive 15 seconds.
ANSWER_SECONDS = 20.0

PIECE_BYTES = 64 * 1024

Headers = list[tuple[bytes, bytes]]


class Hang(Exception):
    """No answer, or no end of one, in time."""


class CutOff(Exception):
    """The connection ended before the answer did."""


class NotHTTP(Exception):
    """What came is no answer."""


@dataclass
class Request:
    """One request. `is_sound`: its length is told as it should be, so that an answer is owed."""

    method: bytes
    target: bytes
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    kind: str = ""
    is_chunked: bool = False
    tells_length: bool = True
    is_sound: bool = True
    raw: bytes = b""
    """Sent instead of all the rest."""
    waits: bool = False
    """Where it is not sound: leave the connection open for the rest that never comes."""

    def pack(self) -> bytes:
        """The bytes that are sent."""
        if self.raw:
            return self.raw
        headers, body = list(self.headers), self.body
        if self.is_chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
            body = chunked(body)
        elif self.tells_length and (body or self.method not in {b"GET", b"HEAD"}):
            headers.append((b"Content-Length", b"%d" % len(body)))
        lines = [b" ".join((self.method, self.target, self.version))]
        lines += [name + b": " + value for name, value in headers]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    def header(self, name: bytes) -> bytes:
        """The first header of this name; empty where there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), b"")

    def set_header(self, name: bytes, value: bytes) -> None:
        """Put this in the place of every header of this name."""
        self.drop_header(name)
        self.headers.append((name, value))

    def drop_header(self, name: bytes) -> None:
        """Take every header of this name away."""
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]


@dataclass(frozen=True)
class Answer:
    """One answer, its body without chunks."""

    status: int
    headers: Headers
    body: bytes
    head: bytes

    def header(self, name: str) -> str:
        """The first header of this name; empty where there is none."""
        wanted = name.lower().encode()
        found = next((value for key, value in self.headers if key.lower() == wanted), b"")
        return found.decode("latin-1")


class Connection:
    """A connection that is kept from request to request, and made anew when it has ended."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._rest = b""

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def ask(self, request: Request) -> Answer | None:
        """Send it and read the answer; None where none came and none is owed.

        Raises Hang, CutOff and NotHTTP.
        """
        if not request.is_sound:
            # The registry may take the end of this for the beginning of the next.
            self.close()
        was_kept = self._socket is not None
        try:
            return self._ask(request)
        except CutOff:
            self.close()
            # A kept connection may have ended before it was asked: nobody is to blame.
            if was_kept:
                return self._ask(request)
            if request.is_sound:
                raise
            return None
        finally:
            if not request.is_sound:
                self.close()

    def _ask(self, request: Request) -> Answer:
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=ANSWER_SECONDS)
        try:
            self._socket.sendall(request.pack())
            if not request.is_sound and not request.waits:
                self._socket.shutdown(socket.SHUT_WR)
        except TimeoutError:
            raise Hang(f"not taken within {ANSWER_SECONDS:.0f} s") from None
        except OSError:
            # Refused while it was being sent: the answer may be here all the same.
            pass
        try:
            answer = self._read(request)
        except TimeoutError:
            self.close()
            raise Hang(f"no answer within {ANSWER_SECONDS:.0f} s") from None
        except ConnectionError:
            raise CutOff("reset") from None
        if _ends(answer):
            self.close()
        return answer

    def _read(self, request: Request) -> Answer:
        while True:
            head = self._until(b"\r\n\r\n")
            answer = _parse_head(head)
            # 100 Continue is no answer yet.
            if answer.status >= 200:
                break
        if request.method == b"HEAD" or answer.status in {204, 304}:
            return answer
        if answer.header("Transfer-Encoding").lower() == "chunked":
            body = self._chunks()
        elif length := answer.header("Content-Length"):
            body = self._exactly(int(length))
        else:
            body = self._to_the_end()
        return Answer(answer.status, answer.headers, body, head)

    def _more(self) -> bytes:
        assert self._socket is not None
        piece = self._socket.recv(PIECE_BYTES)
        if not piece:
            raise CutOff("ended")
        return piece

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._more()
        found, _, self._rest = self._rest.partition(mark)
        return found

    def _exactly(self, count: int) -> bytes:
        while len(self._rest) < count:
            self._rest += self._more()
        found, self._rest = self._rest[:count], self._rest[count:]
        return found

    def _to_the_end(self) -> bytes:
        try:
            while True:
                self._rest += self._more()
        except CutOff:
            found, self._rest = self._rest, b""
        return found

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n").partition(b";")[0], 16):
            body += self._exactly(size)
            self._exactly(2)
        self._exactly(2)
        return body


def chunked(body: bytes, size: int = 1000) -> bytes:
    """The body in chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def _parse_head(head: bytes) -> Answer:
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NotHTTP(repr(first[:200]))
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon:
            raise NotHTTP(f"a header without a colon: {line[:200]!r}")
        headers.append((name, value.strip()))
    return Answer(int(words[1]), headers, b"", head)


def _ends(answer: Answer) -> bool:
    has_length = answer.header("Content-Length") or answer.header("Transfer-Encoding")
    return answer.header("Connection").lower() == "close" or not has_length
