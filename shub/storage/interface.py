"""ObjectStore: the few verbs by which bytes come, stay and go, and what each promises.

Keys are made by `shub.storage.keys`. Sizes are bytes, digests are hex without prefix, etags are
without quotes, moments are aware. A store that cannot be reached raises `errors.Unavailable`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from shub.errors import Unavailable


class Promise(Enum):
    """What some stores keep and others do not; the contract suite asserts both."""

    SIGNED_PAYLOAD = "a body that differs from the digest signed into its address is refused"
    COPY_REFUSED = "a part's address fetches nothing: a copy source sent along is refused"
    BEARER_IGNORED = "a presigned address works although an Authorization header comes with it"


OTHER_OBJECT = "The object store gave another object's bytes. Please try again later."
BROKEN_OFF = "The object store stopped sending before the end. Please try again later."

_FILENAME = re.compile(r"[A-Za-z0-9._-]+")


def disposition(filename: str) -> str:
    """What tells a browser to save it, under this name where one is given.

    >>> disposition(""), disposition("gcc_13.2.sif")
    ('attachment', 'attachment; filename="gcc_13.2.sif"')

    ValueError for a name that could break out of the header.
    """
    if not filename:
        return "attachment"
    if not _FILENAME.fullmatch(filename):
        raise ValueError(f"{filename!r} cannot stand in a header.")
    return f'attachment; filename="{filename}"'


@dataclass(frozen=True)
class Part:
    """A part as the store holds it, or as the client says that it does (then `size` is None)."""

    number: int
    etag: str
    size: int | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object that is in the store, whole."""

    key: str
    size: int
    etag: str


@dataclass(frozen=True)
class OpenParts:
    """An upload in parts that the store has begun and neither joined nor aborted."""

    key: str
    store_id: str
    begun_at: datetime


@dataclass(frozen=True)
class Listed:
    """An object as a list of the bucket names it."""

    key: str
    size: int
    modified_at: datetime


class OpenRange(Protocol):
    """Bytes of an object, as an answer of the store brings them."""

    @property
    def whole(self) -> StoredObject:
        """The object that they are of."""

    @property
    def length(self) -> int:
        """How many bytes the answer brings."""

    def read(self, length: int) -> bytes:
        """The next `length` bytes, no fewer. Unavailable where they do not come."""

    def break_off(self) -> None:
        """Let nobody wait for more of it: from any thread, at once. Then `read` is Unavailable."""


class Slice:
    """An OpenRange of bytes that are there."""

    def __init__(self, whole: StoredObject, content: bytes) -> None:
        self.whole = whole
        self.length = len(content)
        self._content = content
        self._at = 0

    def read(self, length: int) -> bytes:
        if self._at + length > len(self._content):
            raise Unavailable(BROKEN_OFF)
        self._at += length
        return self._content[self._at - length : self._at]

    def break_off(self) -> None:
        self._content = b""


class NoSuchObject(Exception):
    """The store has no object of that key, or no upload in parts of that id."""


class IncompleteParts(Exception):
    """Parts are missing, or are not those that the client named; the upload stays open."""


class ObjectStore(Protocol):
    """Objects in one bucket."""

    @property
    def promises(self) -> frozenset[Promise]:
        """Those of the promises that the store is known to keep, as it is configured now."""

    def make_bucket(self) -> bool:
        """Make the bucket where it is missing; True if it was made now."""

    # ── in, by parts ──
    def start_parts(self, key: str) -> str:
        """Begin an upload in parts; its store_id."""

    def part_address(
        self, key: str, store_id: str, number: int, sha256: str, *, size: int, asked_host: str = ""
    ) -> str:
        """An address that takes a PUT of the part that has `size` bytes with this sha256.

        With an empty `sha256`, or where the site has switched content signing off, any so many
        bytes. A body of another length, or of none that it says beforehand, is never stored.
        `asked_host` is the host that the client asked us by: it chooses the external endpoint.
        """

    def put_part(self, key: str, store_id: str, number: int, content: bytes) -> Part:
        """Store a part from here, not from a client."""

    def list_parts(self, key: str, store_id: str) -> list[Part]:
        """The parts that have arrived, by number. NoSuchObject when the upload is not open."""

    def finish_parts(self, key: str, store_id: str, parts: Sequence[Part]) -> StoredObject:
        """Join the parts, by number, into the object.

        Idempotent: when the upload is no longer open and the object is there, that is the answer.
        IncompleteParts when a part is missing or differs; NoSuchObject when neither is there.

        For one caller at a time: JuiceFS' gateway, asked twice at once, joins into one file and may
        spoil it.
        """

    def abort_parts(self, key: str, store_id: str) -> None:
        """Drop the upload and its parts; nothing happens where it is not open."""

    def open_parts(self, begun_before: datetime) -> Iterator[OpenParts]:
        """The uploads in parts that began before the moment and are still open.

        Those that the store tells of: MinIO lists none unless it is asked by key, and drops stale
        ones by itself after a day. An upload that has a row is aborted by what the row says.
        """

    # ── out ──
    def stat(self, key: str) -> StoredObject:
        """The object's size and etag. NoSuchObject."""

    def read(
        self, key: str, *, start: int = 0, length: int | None = None, awaited: bool = False
    ) -> AbstractContextManager[Iterator[bytes]]:
        """The object's bytes in pieces of at most 1 MiB, of a range where one is named.

        Where the range passes the object's end, what there is of it. A stream that breaks off
        raises Unavailable, at the latest after its last piece: it never just ends.
        The connection is closed when the context ends. NoSuchObject. `awaited`: by a user, so a
        store that is silent is given up earlier.
        """

    def open_range(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str = ""
    ) -> AbstractContextManager[OpenRange]:
        """The bytes from `start` on, `length` of them or as many as there are, by one request.

        From a store that overlooks ranges all of them come, where `start` is 0. With `etag` they
        are of that object or Unavailable, as far as the store can tell. NoSuchObject; Unavailable
        for an answer that is not what was asked for. The connection is closed, or kept for the next
        request where all was read, when the context ends.
        """

    def object_address(self, key: str, *, asked_host: str = "", filename: str = "") -> str:
        """An address that gives the object, whole or by ranges, as a download of no media type.

        `filename` is what a browser is to save it as: letters, digits, dots, dashes, underscores.
        """

    def inner_address(self, key: str) -> str:
        """The same for a proxy of ours that asks the store where this server does."""

    def objects(self, after: str = "") -> Iterator[Listed]:
        """Every object of the bucket whose key comes after this one, in the order of keys' bytes.

        Asked for by the thousand, as they are taken: a list of any length takes little memory. What
        comes and goes meanwhile may be named or not. Folders, which JuiceFS names beside what is in
        them, are no objects.

        The order holds among keys of one shape, as ours are: where a key begins as the name of a
        folder does, stores on top of folders go by the folders.
        """

    # ── away ──
    def remove(self, keys: Sequence[str]) -> None:
        """Remove the objects; those that are not there are no error."""
