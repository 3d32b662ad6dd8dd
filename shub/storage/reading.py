"""Reading an object to know its hash: one thread reads, another hashes, a few pieces apart."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from threading import Thread
from time import monotonic, sleep

from shub.storage import object_store

# How far the reader may be ahead of the hash.
AHEAD_BYTES = 8 * 1024**2
PIECE_BYTES = 1024**2


@dataclass(frozen=True)
class Read:
    """What was read: SHA-256 in hex, the number of bytes, and the first of them."""

    digest: str
    size: int
    prefix: bytes


def read_and_hash(
    key: str,
    *,
    prefix_bytes: int = 0,
    after_each: Callable[[int], None] = lambda size: None,
    ahead_bytes: int = AHEAD_BYTES,
    bytes_per_second: int = 0,
) -> Read:
    """Read the object from its first byte to its last, and hash it.

    `after_each` is called between two pieces with the number of bytes so far, and may raise to
    stop. With `bytes_per_second` no faster than that, on average. NoSuchObject; Unavailable where
    the store breaks off: never the hash of less than the whole.
    """
    sha256 = hashlib.sha256()
    waiting: Queue[bytes | None] = Queue(maxsize=max(ahead_bytes // PIECE_BYTES, 1))

    def hash_waiting() -> None:
        while (piece := waiting.get()) is not None:
            sha256.update(piece)

    size = 0
    prefix = bytearray()
    begun = monotonic()
    hasher = Thread(target=hash_waiting, name="hasher", daemon=True)
    hasher.start()
    try:
        with object_store().read(key) as pieces:
            for piece in pieces:
                size += len(piece)
                if len(prefix) < prefix_bytes:
                    prefix += piece[: prefix_bytes - len(prefix)]
                waiting.put(piece)
                after_each(size)
                if bytes_per_second:
                    sleep(max(begun + size / bytes_per_second - monotonic(), 0))
    finally:
        waiting.put(None)
        hasher.join()
    return Read(sha256.hexdigest(), size, bytes(prefix))
