"""The store in a dict, for unit tests: the promises of the real one, without a network.

Nothing listens at its addresses; `answer` does what a server would do with a request to one.
"""

import hashlib
import itertools
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from shub.errors import Unavailable
from shub.storage.interface import (
    OTHER_OBJECT,
    IncompleteParts,
    Listed,
    NoSuchObject,
    OpenParts,
    OpenRange,
    Part,
    Promise,
    Slice,
    StoredObject,
    disposition,
)

PIECE_BYTES = 1024**2

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@dataclass(frozen=True)
class Answer:
    """What a request to an address is answered with; the names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class _Grant:
    """What an address allows, until when."""

    method: str
    key: str
    expires_at: datetime
    store_id: str = ""
    number: int = 0
    sha256: str = ""
    size: int = 0
    filename: str = ""


@dataclass
class _Upload:
    key: str
    begun_at: datetime
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryStore:
    """An ObjectStore that lives as long as the object, for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._has_bucket = False
        self._objects: dict[str, tuple[StoredObject, bytes]] = {}
        self._stored_at: dict[str, datetime] = {}
        self._uploads: dict[str, _Upload] = {}
        self._grants: dict[str, _Grant] = {}
        self._numbers = itertools.count(1)

    @property
    def promises(self) -> frozenset[Promise]:
        """As the stores that sites run: a bearer that comes along is refused, and so are copies."""
        kept = {Promise.COPY_REFUSED}
        if settings.MINIO_SIGN_CONTENT_SHA256:
            kept.add(Promise.SIGNED_PAYLOAD)
        return frozenset(kept)

    def make_bucket(self) -> bool:
        with self._lock:
            made, self._has_bucket = not self._has_bucket, True
        return made

    # ── in, by parts ──
    def start_parts(self, key: str) -> str:
        store_id = f"upload-{next(self._numbers)}"
        with self._lock:
            self._uploads[store_id] = _Upload(key, timezone.now())
        return store_id

    def part_address(
        self, key: str, store_id: str, number: int, sha256: str, *, size: int, asked_host: str = ""
    ) -> str:
        signed = sha256 if settings.MINIO_SIGN_CONTENT_SHA256 else ""
        life = timedelta(minutes=settings.MINIO_SIGNED_URL_EXPIRE_MINUTES)
        grant = _Grant("PUT", key, timezone.now() + life, store_id, number, signed, size)
        return self._granted(grant, asked_host)

    def put_part(self, key: str, store_id: str, number: int, content: bytes) -> Part:
        with self._lock:
            self._open_upload(key, store_id).parts[number] = bytes(content)
        return _part(number, content)

    def list_parts(self, key: str, store_id: str) -> list[Part]:
        with self._lock:
            arrived = self._open_upload(key, store_id).parts
            return [_part(number, arrived[number]) for number in sorted(arrived)]

    def finish_parts(self, key: str, store_id: str, parts: Sequence[Part]) -> StoredObject:
        with self._lock:
            try:
                upload = self._open_upload(key, store_id)
            except NoSuchObject:
                return self.stat(key)
            named = sorted(parts, key=lambda part: part.number)
            etags = {number: _etag(content) for number, content in upload.parts.items()}
            if not named or any(etags.get(part.number) != part.etag for part in named):
                raise IncompleteParts("Parts are missing, or are not those that were sent.")
            contents = [upload.parts[part.number] for part in named]
            whole = b"".join(contents)
            etag = f"{_etag(b''.join(_md5(content) for content in contents))}-{len(contents)}"
            stored = StoredObject(key=key, size=len(whole), etag=etag)
            self._objects[key] = stored, whole
            self._stored_at[key] = timezone.now()
            del self._uploads[store_id]
            return stored

    def abort_parts(self, key: str, store_id: str) -> None:
        with self._lock:
            try:
                self._open_upload(key, store_id)
            except NoSuchObject:
                return
            del self._uploads[store_id]

    def open_parts(self, begun_before: datetime) -> Iterator[OpenParts]:
        with self._lock:
            listed = [
                OpenParts(upload.key, store_id, upload.begun_at)
                for store_id, upload in self._uploads.items()
                if upload.begun_at < begun_before
            ]
        yield from listed

    def _open_upload(self, key: str, store_id: str) -> _Upload:
        upload = self._uploads.get(store_id)
        if upload is None or upload.key != key:
            raise NoSuchObject("The store has no such upload.")
        return upload

    # ── out ──
    def stat(self, key: str) -> StoredObject:
        return self._object(key)[0]

    @contextmanager
    def read(
        self, key: str, *, start: int = 0, length: int | None = None, awaited: bool = False
    ) -> Iterator[Iterator[bytes]]:
        end = None if length is None else start + length
        wanted = self._object(key)[1][start:end]
        yield (wanted[at : at + PIECE_BYTES] for at in range(0, len(wanted), PIECE_BYTES))

    @contextmanager
    def open_range(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str = ""
    ) -> Iterator[OpenRange]:
        whole, content = self._object(key)
        if etag not in {"", whole.etag} or start > whole.size:
            raise Unavailable(OTHER_OBJECT)
        yield Slice(whole, content[start : None if length is None else start + length])

    def object_address(self, key: str, *, asked_host: str = "", filename: str = "") -> str:
        life = timedelta(minutes=settings.MINIO_DOWNLOAD_URL_EXPIRE_MINUTES)
        grant = _Grant("GET", key, timezone.now() + life, filename=filename)
        disposition(filename)
        return self._granted(grant, asked_host)

    def inner_address(self, key: str) -> str:
        return self.object_address(key)

    def _object(self, key: str) -> tuple[StoredObject, bytes]:
        with self._lock:
            try:
                return self._objects[key]
            except KeyError:
                raise NoSuchObject("The store has no such object.") from None

    def objects(self, after: str = "") -> Iterator[Listed]:
        with self._lock:
            listed = [
                Listed(key, self._objects[key][0].size, self._stored_at[key])
                for key in sorted(self._objects)
                if key > after
            ]
        yield from listed

    # ── away ──
    def remove(self, keys: Sequence[str]) -> None:
        with self._lock:
            for key in keys:
                self._objects.pop(key, None)
                self._stored_at.pop(key, None)

    # ── at its addresses ──
    def answer(
        self, method: str, address: str, *, content: bytes = b"", headers: Mapping[str, str]
    ) -> Answer:
        """What a server would answer to this request, with the statuses that S3 uses.

        `headers` have their names in lower case.
        """
        with self._lock:
            grant = self._grants.get(address)
        if "authorization" in headers:
            return Answer(400)
        if grant is None or grant.method != method or grant.expires_at <= timezone.now():
            return Answer(403)
        try:
            return (
                self._take(grant, content, headers)
                if grant.store_id
                else self._give(grant, headers.get("range", ""))
            )
        except NoSuchObject:
            return Answer(404)

    def _granted(self, grant: _Grant, asked_host: str) -> str:
        """An address that is known by its very letters, so that any change to it is noticed."""
        names = "content-length;host" if grant.method == "PUT" else "host"
        if grant.sha256:
            names += ";x-amz-content-sha256"
        address = (
            f"memory://{asked_host or 'store'}/{grant.key}"
            f"?X-Amz-SignedHeaders={names}&X-Amz-Signature={next(self._numbers):064x}"
        )
        with self._lock:
            self._grants[address] = grant
        return address

    def _take(self, grant: _Grant, content: bytes, headers: Mapping[str, str]) -> Answer:
        if headers.get("x-amz-content-sha256", "") != grant.sha256 or len(content) != grant.size:
            return Answer(403)
        if "x-amz-copy-source" in headers:
            return Answer(403)
        if grant.sha256 and hashlib.sha256(content).hexdigest() != grant.sha256:
            return Answer(400)
        part = self.put_part(grant.key, grant.store_id, grant.number, content)
        return Answer(200, {"etag": f'"{part.etag}"'})

    def _give(self, grant: _Grant, asked_range: str) -> Answer:
        stored, content = self._object(grant.key)
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": disposition(grant.filename),
            "accept-ranges": "bytes",
            "etag": f'"{stored.etag}"',
        }
        asked = _RANGE.fullmatch(asked_range)
        if not asked:
            return Answer(200, {**headers, "content-length": str(stored.size)}, content)
        start = int(asked[1])
        end = min(int(asked[2] or stored.size), stored.size - 1)
        if start > end:
            return Answer(416, {"content-range": f"bytes */{stored.size}"})
        piece = content[start : end + 1]
        headers["content-range"] = f"bytes {start}-{end}/{stored.size}"
        return Answer(206, {**headers, "content-length": str(len(piece))}, piece)


def _part(number: int, content: bytes) -> Part:
    return Part(number=number, etag=_etag(content), size=len(content))


def _etag(content: bytes) -> str:
    return _md5(content).hex()


def _md5(content: bytes) -> bytes:
    # S3's etag is an MD5 by tradition; nothing is trusted because of it.
    return hashlib.md5(content, usedforsecurity=False).digest()
