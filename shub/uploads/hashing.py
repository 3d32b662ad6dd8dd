"""Hashing an object while it is read: one thread reads, another hashes, a few pieces apart."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from queue import Queue
from threading import Thread

# How far the reader may be ahead: 8 pieces of 1 MiB.
PIECES_AHEAD = 8


@dataclass(frozen=True)
class Read:
    """What was read: SHA-256 in hex, the number of bytes, and the first of them."""

    digest: str
    size: int
    prefix: bytes


def hash_pieces(
    pieces: Iterable[bytes], *, prefix_bytes: int, after_each: Callable[[], None]
) -> Read:
    """Hash the pieces in order; `after_each` is called between two and may raise to stop.

    >>> read = hash_pieces([b"ab", b"c"], prefix_bytes=2, after_each=lambda: None)
    >>> read.digest[:8], read.size, read.prefix
    ('ba7816bf', 3, b'ab')
    """
    sha256 = hashlib.sha256()
    waiting: Queue[bytes | None] = Queue(maxsize=PIECES_AHEAD)

    def hash_waiting() -> None:
        while (piece := waiting.get()) is not None:
            sha256.update(piece)

    size = 0
    prefix = bytearray()
    hasher = Thread(target=hash_waiting, name="hasher", daemon=True)
    hasher.start()
    try:
        for piece in pieces:
            size += len(piece)
            if len(prefix) < prefix_bytes:
                prefix += piece[: prefix_bytes - len(prefix)]
            waiting.put(piece)
            after_each()
    finally:
        waiting.put(None)
        hasher.join()
    return Read(sha256.hexdigest(), size, bytes(prefix))
