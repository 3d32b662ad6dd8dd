"""Reading an object to know its hash: threads fetch it ahead, the one that asked hashes it."""

import hashlib
import logging
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Condition, Thread
from time import monotonic, sleep
from types import TracebackType
from typing import Self

from django.conf import settings

from shub.errors import Unavailable
from shub.storage import object_store
from shub.storage.interface import OTHER_OBJECT, OpenRange, StoredObject

log = logging.getLogger(__name__)

# What is hashed at once. With half of it the processor has a tenth more to do, with twice as much
# nothing less.
PIECE_BYTES = 2 * 1024**2

# How far may be read ahead of the hash; as much is in memory.
AHEAD_BYTES = 8 * 1024**2

# Where several connections read one object: what the first asks for, so that most images are one
# request, and what each asks for after that.
FIRST_BYTES = 64 * 1024**2
RANGE_BYTES = 8 * 1024**2

# So often at least the caller is asked whether to go on, be the store silent or the pace slow.
ASK_SECONDS = 1.0

# Whoever is given up hangs up at once, unless it is just waiting for a connection or an answer: it
# then ends with the store's time-out, and nobody waits for that.
HANGING_UP_SECONDS = 2.0


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

    `after_each` is called with the number of bytes so far, after each piece and each second, and
    may raise to stop. With `bytes_per_second` no faster than that, on average.
    MINIO_READ_CONNECTIONS fetch the object; `ahead_bytes` is what is held of it, or RANGE_BYTES for
    each of several.

    NoSuchObject; Unavailable where the store breaks off, stands still, or gives another object's
    bytes: never the hash of anything but the whole.
    """
    sha256 = hashlib.sha256()
    prefix = bytearray()
    size = 0
    begun = monotonic()
    with _Ahead(key, connections=settings.MINIO_READ_CONNECTIONS, most=ahead_bytes) as ahead:
        while not ahead.is_all(size):
            piece = ahead.piece_at(size)
            if piece is not None:
                prefix += piece[: max(prefix_bytes - len(prefix), 0)]
                sha256.update(piece)
                size += len(piece)
                ahead.forget_until(size)
            after_each(size)
            if bytes_per_second:
                _rest_until(begun + size / bytes_per_second, partial(after_each, size))
    return Read(sha256.hexdigest(), size, bytes(prefix))


def _rest_until(moment: float, ask: Callable[[], None]) -> None:
    while (left := moment - monotonic()) > 0:
        sleep(min(left, ASK_SECONDS))
        if left > ASK_SECONDS:
            ask()


class _Ahead:
    """The pieces of an object, fetched by threads of its own while it is a context.

    The first asks for the object's beginning, or for all of it where it is the only one; the others
    begin when its answer says how large the object is. All keep within `most` bytes of what is
    forgotten, so the next piece always has room.
    """

    def __init__(self, key: str, *, connections: int, most: int) -> None:
        self._key = key
        self._connections = connections
        self._most = max(most, PIECE_BYTES, RANGE_BYTES * connections if connections > 1 else 0)
        self._changed = Condition()
        self._whole: StoredObject | None = None
        self._pieces: dict[int, bytes] = {}
        self._taken = 0
        self._forgotten = 0
        self._answers: set[OpenRange] = set()
        self._threads: list[Thread] = []
        self._at_work = 0
        self._fault: Exception | None = None
        self._has_ended = False

    def __enter__(self) -> Self:
        self._start(self._fetch_first)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _raised: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        with self._changed:
            self._has_ended = True
            for answer in self._answers:
                answer.break_off()
            self._changed.notify_all()
        patience = monotonic() + HANGING_UP_SECONDS
        for thread in self._threads:
            thread.join(max(patience - monotonic(), 0))

    # ── for who hashes ──
    def is_all(self, size: int) -> bool:
        """Whether the object is known to have so many bytes."""
        return self._whole is not None and self._whole.size == size

    def piece_at(self, start: int) -> bytes | None:
        """The piece that begins there; None where it has not come within a second."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._fault or start in self._pieces or not self._at_work or self.is_all(start)
                ),
                ASK_SECONDS,
            )
            if self._fault:
                raise self._fault
            if not self._at_work and start not in self._pieces and not self.is_all(start):
                raise RuntimeError(f"Nobody fetches the bytes from {start} on.")
            return self._pieces.pop(start, None)

    def forget_until(self, end: int) -> None:
        """Make room: what comes before is hashed."""
        with self._changed:
            self._forgotten = end
            self._changed.notify_all()

    # ── for the threads that fetch ──
    def _start(self, work: Callable[[], None]) -> None:
        """Begin, with the ids that this thread's log lines bear."""

        def run() -> None:
            try:
                work()
            except Exception as fault:  # noqa: BLE001  handed to the thread that waits
                with self._changed:
                    self._fault = self._fault or fault
            finally:
                with self._changed:
                    self._at_work -= 1
                    self._changed.notify_all()

        # Daemons: a process that ends does not wait for a store.
        thread = Thread(target=copy_context().run, args=(run,), name="reader", daemon=True)
        self._threads.append(thread)
        self._at_work += 1
        thread.start()

    def _fetch_first(self) -> None:
        length = FIRST_BYTES if self._connections > 1 else None
        with object_store().open_range(self._key, length=length) as answer:
            with self._changed:
                self._whole = answer.whole
                self._taken = answer.length
                self._changed.notify_all()
                if self._taken < answer.whole.size and not self._has_ended:
                    for _ in range(self._connections - 1):
                        self._start(self._fetch_more)
            self._pass_on(answer, 0)
        self._fetch_more()

    def _fetch_more(self) -> None:
        while (start := self._take_range()) is not None:
            whole = self._known()
            length = min(RANGE_BYTES, whole.size - start)
            with object_store().open_range(
                self._key, start=start, length=length, etag=whole.etag
            ) as answer:
                if answer.whole != whole:
                    log.error("The object %s is another one than it was.", self._key)
                    raise Unavailable(OTHER_OBJECT)
                self._pass_on(answer, start)

    def _take_range(self) -> int | None:
        """Where the next range begins that nobody fetches; None when there is none."""
        with self._changed:
            start, size = self._taken, self._known().size
            if start >= size:
                return None
            self._taken = min(start + RANGE_BYTES, size)
            # Not asked for before there is room for all of it: no store waits gladly.
            return start if self._has_room(self._taken) else None

    def _pass_on(self, answer: OpenRange, start: int) -> None:
        end = start + answer.length
        with self._changed:
            self._answers.add(answer)
        try:
            while start < end:
                length = min(PIECE_BYTES, end - start)
                with self._changed:
                    if not self._has_room(start + length):
                        return
                piece = answer.read(length)
                with self._changed:
                    self._pieces[start] = piece
                    self._changed.notify_all()
                start += length
        finally:
            with self._changed:
                self._answers.discard(answer)

    def _has_room(self, end: int) -> bool:
        """Wait until the bytes up to there may be held; False when all is over. With the lock."""
        self._changed.wait_for(lambda: self._has_ended or end - self._forgotten <= self._most)
        return not self._has_ended

    def _known(self) -> StoredObject:
        if self._whole is None:
            raise RuntimeError("Ranges are fetched once the first answer is there.")
        return self._whole
