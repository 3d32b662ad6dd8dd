"""The client's side of a transfer, as cheap as Python allows: it must not be what is measured.

One code for both sides of a comparison, so that what it costs is on both.
"""

import http.client
import itertools
import json
import mmap
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

# What clients from 2021 on do: three workers, ranges of 5 MiB.
PULL_WORKERS = 3
RANGE_BYTES = 5 * 1024**2
PATIENCE_SECONDS = 300


class Failed(Exception):
    """The registry or the store gave another answer than a client can go on with."""


@dataclass
class Library:
    """A client library with its one connection, kept open."""

    url: str
    token: str
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = connect(self.url)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        """One request: status, headers, and what stands in the envelope of a success."""
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            self.connection.request(method, path, content, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            # Kept for longer than the server does.
            self.connection.close()
            self.connection.request(method, path, content, headers)
            answer = self.connection.getresponse()
        said = answer.read()
        found = json.loads(said) if said.startswith(b"{") else {}
        return answer.status, dict(answer.getheaders()), found.get("data", found)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """What a request that must succeed is answered."""
        status, _, data = self.call(method, path, body)
        if status != 200:
            raise Failed(f"{method} {path}: {status} {data}")
        return data

    def find_or_make(self, kind: str, path: str, body: dict[str, Any]) -> str:
        """The id of what the path means, made where it is missing."""
        status, _, data = self.call("GET", f"/v1/{kind}/{path}")
        if status == 404:
            data = self.ask("POST", f"/v1/{kind}", body)
        return str(data["id"])


class Sender:
    """Sends parts of one file to addresses, one after the other on one connection."""

    def __init__(self, file: BinaryIO, store_url: str) -> None:
        self.file = file
        self.connection = connect(store_url)

    def put(self, address: str, *, start: int, length: int, sha256: str) -> str:
        """Send one part; the store's etag, verbatim. The bytes go from file to socket directly."""
        parts = urlsplit(address)
        self.connection.putrequest("PUT", f"{parts.path}?{parts.query}", skip_accept_encoding=True)
        self.connection.putheader("Content-Length", str(length))
        self.connection.putheader("x-amz-content-sha256", sha256)
        self.connection.endheaders()
        self.connection.sock.sendfile(self.file, start, length)
        answer = self.connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            raise Failed(f"A part was answered {answer.status}: {said[:300]!r}")
        return answer.getheader("ETag", "")

    def close(self) -> None:
        """Hang up."""
        self.connection.close()


def fetch_ranges(address: str, *, size: int, original: Path | None = None) -> None:
    """Fetch the whole object by ranges, several at once; with `original`, compare each byte."""
    starts = iter(range(0, size, RANGE_BYTES))
    lock = threading.Lock()
    faults: list[Exception] = []

    def next_start() -> int | None:
        with lock:
            return next(starts, None)

    def work() -> None:
        try:
            _fetch_some(address, iter(next_start, None), size, original)
        except Exception as fault:  # noqa: BLE001  handed to the thread that waits
            faults.append(fault)

    threads = [threading.Thread(target=work) for _ in range(PULL_WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def _fetch_some(address: str, starts: Iterator[int], size: int, original: Path | None) -> None:
    parts = urlsplit(address)
    connection = connect(address)
    buffer = memoryview(bytearray(min(RANGE_BYTES, size)))
    try:
        for start in starts:
            length = min(RANGE_BYTES, size - start)
            connection.request(
                "GET",
                f"{parts.path}?{parts.query}",
                headers={"Range": f"bytes={start}-{start + length - 1}"},
            )
            answer = connection.getresponse()
            if answer.status != 206:
                raise Failed(f"A range was answered {answer.status}: {answer.read()[:300]!r}")
            got = 0
            while got < length and (count := answer.readinto(buffer[got:length])):
                got += count
            if got != length or answer.read():
                raise Failed(f"A range of {length} bytes came with {got}.")
            if original is not None and not _same(buffer[:length], original, start):
                raise Failed(f"The bytes from {start} on are not those that were pushed.")
    finally:
        connection.close()


def _same(found: memoryview, original: Path, start: int) -> bool:
    with (
        original.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as whole,
        whole[start : start + len(found)] as expected,
    ):
        return found == expected


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to the host of the address, made at the first request."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.netloc, timeout=PATIENCE_SECONDS)


def part_ranges(size: int, part_bytes: int) -> list[tuple[int, int, int]]:
    """Number, start and length of each part.

    >>> part_ranges(10, 4)
    [(1, 0, 4), (2, 4, 4), (3, 8, 2)]
    """
    return [
        (number, start, min(part_bytes, size - start))
        for number, start in zip(itertools.count(1), range(0, size, part_bytes), strict=False)
    ]
