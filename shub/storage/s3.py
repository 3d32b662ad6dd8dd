"""The store on MinIO, or any S3.

minio serves the bucket and whole objects, boto3 uploads in parts. Outside this package nobody sees
either, nor their errors: they become NoSuchObject, IncompleteParts or errors.Unavailable.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from django.conf import settings
from django.utils import timezone
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error
from urllib3.exceptions import HTTPError

from shub import metrics
from shub.errors import Unavailable
from shub.storage.clients import (
    Credentials,
    boto3_client,
    credentials,
    external_endpoint,
    internal_endpoint,
    minio_client,
    upload_credentials,
)
from shub.storage.interface import (
    BROKEN_OFF,
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
from shub.storage.presign import presign_v4

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

logger = logging.getLogger(__name__)

# Read as fast as a whole object can be fetched; 256 KiB pieces were 3 % slower, 8 % when hashed.
PIECE_BYTES = 1024**2

# The most that S3 lists in one answer.
LISTED_AT_ONCE = 1000

UNREACHABLE = "The object store cannot be reached at the moment. Please try again later."
REFUSING = "The object store did not do what it was asked to. The administrator's log says why."

# The codes of MinIO, JuiceFS, SeaweedFS and AWS for the refusals that mean something to us.
MISSING = frozenset({"NoSuchKey", "NoSuchUpload"})
NOT_JOINABLE = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})

# Of an answer to a range: from which byte to which, of how many.
CONTENT_RANGE = re.compile(r"bytes (\d{1,16})-(\d{1,16})/(\d{1,16})")

# How a caller has nothing presented to him but bytes: no page, no script, whatever they are.
DOWNLOAD = {"response-content-type": "application/octet-stream"}


class S3Store:
    """An ObjectStore in the bucket MINIO_BUCKET."""

    @property
    def promises(self) -> frozenset[Promise]:
        """Content signing, where the site has it on; no copies, where it has keys that only upload.

        That a bearer is ignored no S3 promises: AWS and MinIO refuse the request, some obey it.
        """
        kept = set()
        if settings.MINIO_SIGN_CONTENT_SHA256:
            kept.add(Promise.SIGNED_PAYLOAD)
        if settings.MINIO_UPLOAD_ACCESS_KEY:
            kept.add(Promise.COPY_REFUSED)
        return frozenset(kept)

    def make_bucket(self) -> bool:
        with _asking("make_bucket"):
            client, bucket = minio_client(), settings.MINIO_BUCKET
            if client.bucket_exists(bucket):
                return False
            try:
                client.make_bucket(bucket)
            except S3Error:
                # Another process may have made it since we looked.
                if client.bucket_exists(bucket):
                    return False
                raise
        return True

    # ── in, by parts ──
    def start_parts(self, key: str) -> str:
        with _asking("start_parts"):
            begun = boto3_client(quick=True).create_multipart_upload(
                Bucket=settings.MINIO_BUCKET, Key=key, ContentType="application/octet-stream"
            )
        return begun["UploadId"]

    def part_address(
        self, key: str, store_id: str, number: int, sha256: str, *, size: int, asked_host: str = ""
    ) -> str:
        return _presigned(
            "PUT",
            key,
            keys=upload_credentials(),
            query={"partNumber": str(number), "uploadId": store_id},
            minutes=settings.MINIO_SIGNED_URL_EXPIRE_MINUTES,
            payload_sha256=sha256 if settings.MINIO_SIGN_CONTENT_SHA256 else "",
            payload_bytes=size,
            endpoint=external_endpoint(asked_host),
        )

    def put_part(self, key: str, store_id: str, number: int, content: bytes) -> Part:
        with _asking("put_part"):
            put = boto3_client().upload_part(
                Bucket=settings.MINIO_BUCKET,
                Key=key,
                UploadId=store_id,
                PartNumber=number,
                Body=content,
            )
        return Part(number=number, etag=_unquoted(put["ETag"]), size=len(content))

    def list_parts(self, key: str, store_id: str) -> list[Part]:
        with _asking("list_parts"):
            pages = boto3_client(quick=True).get_paginator("list_parts")
            listed = [
                part
                for page in pages.paginate(
                    Bucket=settings.MINIO_BUCKET,
                    Key=key,
                    UploadId=store_id,
                    PaginationConfig={"PageSize": LISTED_AT_ONCE},
                )
                for part in page.get("Parts", ())
            ]
        # SeaweedFS lists a part that was sent again as often as it was sent; the latest counts.
        listed.sort(key=lambda part: (part["PartNumber"], part["LastModified"]))
        latest = {
            part["PartNumber"]: Part(part["PartNumber"], _unquoted(part["ETag"]), part["Size"])
            for part in listed
        }
        return list(latest.values())

    def finish_parts(self, key: str, store_id: str, parts: Sequence[Part]) -> StoredObject:
        named = sorted(parts, key=lambda part: part.number)
        try:
            with _asking("finish_parts"):
                _join(key, store_id, named)
        except (NoSuchObject, IncompleteParts, Unavailable) as refusal:
            return self._look_after(refusal, key, store_id, named)
        return self.stat(key)

    def _look_after(
        self, refusal: Exception, key: str, store_id: str, named: Sequence[Part]
    ) -> StoredObject:
        """What is true after a joining that did not succeed, whatever the store said of it.

        The answer may have been lost, or the joining done before: then the object is there, and it
        is this upload's, since the key names the upload. JuiceFS calls an upload with a part
        missing NoSuchUpload, so only a list of its parts tells whether it is really gone.
        """
        if isinstance(refusal.__cause__, ReadTimeoutError | ConnectTimeoutError):
            # The store stands still: to look would keep the user waiting as long again.
            raise refusal
        try:
            return self.stat(key)
        except NoSuchObject:
            if isinstance(refusal, Unavailable):
                raise refusal from None
        try:
            arrived = self.list_parts(key, store_id)
        except NoSuchObject:
            # Another process may have joined it between the two looks.
            return self.stat(key)
        raise IncompleteParts(_difference(named, arrived)) from refusal

    def abort_parts(self, key: str, store_id: str) -> None:
        try:
            with _asking("abort_parts"):
                boto3_client(quick=True).abort_multipart_upload(
                    Bucket=settings.MINIO_BUCKET, Key=key, UploadId=store_id
                )
        except NoSuchObject:
            pass  # what was asked for is so

    def open_parts(self, begun_before: datetime) -> Iterator[OpenParts]:
        with _asking("open_parts"):
            pages = boto3_client().get_paginator("list_multipart_uploads")
            # By no prefix: MinIO takes one for a whole key.
            for page in pages.paginate(
                Bucket=settings.MINIO_BUCKET, PaginationConfig={"PageSize": LISTED_AT_ONCE}
            ):
                for upload in page.get("Uploads", ()):
                    if upload["Initiated"] < begun_before:
                        yield OpenParts(upload["Key"], upload["UploadId"], upload["Initiated"])

    # ── out ──
    def stat(self, key: str) -> StoredObject:
        with _asking("stat"):
            found = minio_client(quick=True).stat_object(settings.MINIO_BUCKET, key)
        return StoredObject(key=key, size=found.size or 0, etag=_unquoted(found.etag or ""))

    @contextmanager
    def read(
        self, key: str, *, start: int = 0, length: int | None = None, awaited: bool = False
    ) -> Iterator[Iterator[bytes]]:
        if length == 0:
            self.stat(key)
            yield iter(())
            return
        with _asking("read"):
            try:
                response = minio_client(quick=awaited).get_object(
                    settings.MINIO_BUCKET, key, offset=start, length=length or 0
                )
            except S3Error as error:
                if error.code != "InvalidRange":
                    raise
                response = None
        if response is None:
            yield iter(())
            return
        try:
            yield _pieces(response, ranged=bool(start or length))
        finally:
            response.close()
            response.release_conn()

    @contextmanager
    def open_range(
        self, key: str, *, start: int = 0, length: int | None = None, etag: str = ""
    ) -> Iterator[OpenRange]:
        with _asking("read"):
            try:
                response = minio_client().get_object(
                    settings.MINIO_BUCKET,
                    key,
                    offset=start,
                    length=length or 0,
                    request_headers={"If-Match": f'"{etag}"'} if etag else None,
                )
            except S3Error as error:
                if error.code not in {"InvalidRange", "PreconditionFailed"}:
                    raise
                response = None
        if response is None:
            yield self._nothing(key, start)
            return
        try:
            yield _Body(response, key, start, length)
        finally:
            response.close()
            response.release_conn()

    def _nothing(self, key: str, start: int) -> Slice:
        """What a range of an empty object is, which stores refuse; Unavailable for any other."""
        whole = self.stat(key)
        if start or whole.size:
            logger.error("The object store has another object than before for %s.", key)
            raise Unavailable(OTHER_OBJECT)
        return Slice(whole, b"")

    def object_address(self, key: str, *, asked_host: str = "", filename: str = "") -> str:
        return _download_address(key, external_endpoint(asked_host), filename)

    def inner_address(self, key: str) -> str:
        return _download_address(key, internal_endpoint())

    def objects(self, after: str = "") -> Iterator[Listed]:
        while True:
            # By the last key, not by the store's own token: whoever was cut off goes on by it too.
            with _asking("objects"):
                page = boto3_client().list_objects_v2(
                    Bucket=settings.MINIO_BUCKET, StartAfter=after, MaxKeys=LISTED_AT_ONCE
                )
            contents = page.get("Contents", [])
            for each in contents:
                # JuiceFS also names folders.
                if not each["Key"].endswith("/") and each["Key"] > after:
                    yield Listed(each["Key"], each["Size"], each["LastModified"])
            if not page.get("IsTruncated"):
                return
            if not contents or contents[-1]["Key"] <= after:
                # Whoever took this for the end would take what was not named for lost.
                logger.error("The object store says that there are more objects, and names none.")
                raise Unavailable(REFUSING)
            after = contents[-1]["Key"]

    # ── away ──
    def remove(self, keys: Sequence[str]) -> None:
        with _asking("remove"):
            # minio sends them by the thousand, as the result is read.
            refused = [
                error
                for error in minio_client().remove_objects(
                    settings.MINIO_BUCKET, [DeleteObject(key) for key in keys]
                )
                if error.code not in MISSING
            ]
        for error in refused:
            logger.error("The object store did not remove %s: %s", error.name, error.code)
        if refused:
            raise Unavailable(REFUSING)


def _download_address(key: str, endpoint: str, filename: str = "") -> str:
    return _presigned(
        "GET",
        key,
        keys=credentials(),
        query={**DOWNLOAD, "response-content-disposition": disposition(filename)},
        minutes=settings.MINIO_DOWNLOAD_URL_EXPIRE_MINUTES,
        endpoint=endpoint,
    )


def _presigned(
    method: str,
    key: str,
    *,
    keys: Credentials,
    query: dict[str, str],
    minutes: int,
    payload_sha256: str = "",
    payload_bytes: int | None = None,
    endpoint: str,
) -> str:
    return presign_v4(
        method=method,
        endpoint=endpoint,
        path=f"/{settings.MINIO_BUCKET}/{key}",
        query=query,
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        region=settings.MINIO_REGION,
        moment=timezone.now(),
        expires_seconds=minutes * 60,
        payload_sha256=payload_sha256,
        payload_bytes=payload_bytes,
    )


def _join(key: str, store_id: str, named: Sequence[Part]) -> None:
    try:
        boto3_client().complete_multipart_upload(
            Bucket=settings.MINIO_BUCKET,
            Key=key,
            UploadId=store_id,
            MultipartUpload={
                "Parts": [{"PartNumber": part.number, "ETag": part.etag} for part in named]
            },
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in NOT_JOINABLE:
            raise IncompleteParts("The store cannot join these parts.") from error
        raise


def _pieces(response: "BaseHTTPResponse", *, ranged: bool) -> Iterator[bytes]:
    """The body, to the length that the answer's head announced; Unavailable if it is not that."""
    announced = response.headers.get("Content-Length", "")
    # A store that overlooks the range sends the whole object, from its start.
    if not announced.isdigit() or response.status != (206 if ranged else 200):
        logger.error("The object store answered %s without length or range.", response.status)
        raise Unavailable(REFUSING)
    left = int(announced)
    with _errors_translated("read", BROKEN_OFF):
        while left:
            piece = response.read(min(PIECE_BYTES, left), decode_content=False)
            if not piece:
                logger.warning("The object store left out the last %s bytes.", left)
                raise Unavailable(BROKEN_OFF)
            left -= len(piece)
            yield piece


class _Body:
    """An OpenRange that is being sent."""

    def __init__(
        self, response: "BaseHTTPResponse", key: str, start: int, length: int | None
    ) -> None:
        """Unavailable for any answer but the bytes that were asked for, or all of them."""
        size, self.length = _announced(response, start, length)
        self.whole = StoredObject(key, size, _unquoted(response.headers.get("ETag", "")))
        self._response = response
        self._is_broken_off = False

    def read(self, length: int) -> bytes:
        if self._is_broken_off:
            raise Unavailable(BROKEN_OFF)
        with _errors_translated("read", BROKEN_OFF):
            try:
                piece = self._response.read(length, decode_content=False)
            except (HTTPError, OSError, ValueError, AttributeError):
                # It was hung up under the reader's hands: no fault of the store.
                if self._is_broken_off:
                    raise Unavailable(BROKEN_OFF) from None
                raise
        if len(piece) != length:
            if not self._is_broken_off:
                logger.warning("The object store left out %d bytes.", length - len(piece))
            raise Unavailable(BROKEN_OFF)
        return piece

    def break_off(self) -> None:
        self._is_broken_off = True
        # Raised where nothing is being received any more.
        with suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()


def _announced(response: "BaseHTTPResponse", start: int, length: int | None) -> tuple[int, int]:
    """How large the object is and how many bytes come, by the answer's head.

    Unavailable where that is not what was asked for; all of it is, for a range from its start.
    """
    announced = response.headers.get("Content-Length", "")
    said = response.headers.get("Content-Range", "")
    coming = int(announced) if announced.isdigit() else -1
    if response.status == 200 and not start and coming >= 0:
        return coming, coming
    ranged = CONTENT_RANGE.fullmatch(said)
    if response.status == 206 and ranged:
        first, last, size = map(int, ranged.groups())
        end = size if length is None else min(start + length, size)
        if (first, last + 1) == (start, end) and coming == end - start > 0:
            return size, coming
    logger.error(
        "The object store answered %s, %r bytes, range %r, to a range from %d on.",
        *(response.status, announced, said, start),
    )
    raise Unavailable(REFUSING)


def _difference(named: Sequence[Part], arrived: Sequence[Part]) -> str:
    """Why the parts that were named cannot be joined, for the person at the client's terminal."""
    etags = {part.number: part.etag for part in arrived}
    missing = [str(part.number) for part in named if part.number not in etags]
    different = [
        str(part.number) for part in named if etags.get(part.number, part.etag) != part.etag
    ]
    if missing:
        return f"These parts have not arrived: {', '.join(missing)}."
    if different:
        return f"These parts are not those that were sent: {', '.join(different)}."
    return f"{len(arrived)} parts have arrived, and the store cannot join the {len(named)} named."


def _unquoted(etag: str) -> str:
    return etag.strip('"')


@contextmanager
def _asking(verb: str) -> Iterator[None]:
    """The block asks the store for this, and gets what it asked for, or one of our errors."""
    with metrics.asking_store(verb), _errors_translated(verb):
        yield


@contextmanager
def _errors_translated(verb: str, unreachable: str = UNREACHABLE) -> Iterator[None]:
    """Turns the two clients' errors into ours, and counts them.

    The log gets what happened; the user a sentence, without our hosts and names.
    """
    try:
        yield
    except (HTTPError, HTTPClientError, BotoConnectionError) as error:
        logger.warning("The object store cannot be reached: %s: %s", type(error).__name__, error)
        metrics.STORE_ERRORS.labels(verb, "unreachable").inc()
        raise Unavailable(unreachable) from error
    except (ClientError, S3Error) as error:
        raise _translated(error, verb) from error
    except (MinioException, ResponseParserError) as error:
        # An answer that is not S3's: from a proxy, or a bare status.
        logger.warning("The object store gave no proper answer: %s", error)
        metrics.STORE_ERRORS.labels(verb, "unreadable").inc()
        raise Unavailable(unreachable) from error


def _translated(error: ClientError | S3Error, verb: str) -> Exception:
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    else:
        code, status = error.code or "", error.response.status
    if code in MISSING:
        return NoSuchObject("The store has no such object or upload.")
    if status >= 500 or status == 429:
        logger.warning("The object store is not able to answer: %s (%s)", code, status)
        metrics.STORE_ERRORS.labels(verb, "unable").inc()
        return Unavailable(UNREACHABLE)
    # Wrong keys, a missing bucket, a clock that is wrong: an administrator's matter.
    logger.error("The object store refused a request: %s (%s)", code, status)
    metrics.STORE_ERRORS.labels(verb, "refused").inc()
    return Unavailable(REFUSING)
