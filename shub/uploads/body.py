"""Receiving an image as one body, as clients of 2019 send it, and storing it in parts.

For clients that know no other way: the bytes pass through this process, a part at a time.
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from shub.accounts.models import Token, User
from shub.errors import Invalid
from shub.storage import Part, object_store
from shub.uploads import ending, joining, multipart
from shub.uploads.models import Upload

State = Upload.State


class Readable(Protocol):
    """Bytes that arrive."""

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end. OSError when the sender is gone."""


def receive(
    *, image_id: str, size: int, content: Readable, by: User, token: Token | None
) -> Upload:
    """Store the image's bytes as they arrive, and hand them over to verification.

    Refused before a byte is read where the caller may not push or there is no room. Whatever ends
    it on the way leaves no upload open: a client of this kind sends all of it again.
    """
    upload = multipart.begin(
        image_id=image_id, size=size, kind=Upload.Kind.BODY, by=by, token=token
    )
    try:
        parts, digest = _store_parts(upload, content)
    except BaseException:
        if Upload.objects.filter(pk=upload.pk, state=State.OPEN).update(state=State.ABORTED):
            ending.drop_parts(upload)
        raise
    if digest != upload.digest:
        ending.refuse(
            upload,
            f"The bytes that arrived do not have the SHA-256 {upload.digest} that the image was "
            "announced with. It was changed on the way, or while it was read: push it again.",
        )
        raise Invalid(upload.reason)
    if joining.start_joining(upload, parts):
        joining.join(upload)
    if upload.state not in {*Upload.ARRIVED, State.REFUSED}:
        multipart.refuse_ended(upload)
    return upload


def _store_parts(upload: Upload, content: Readable) -> tuple[list[Part], str]:
    """The parts in order, and the SHA-256 of all of them."""
    sha256 = hashlib.sha256()
    parts = []
    for number in range(1, upload.total_parts + 1):
        expected = upload.size_of_part(number)
        piece = b"".join(_pieces(content, expected))
        if len(piece) < expected:
            received = (number - 1) * upload.part_bytes + len(piece)
            raise Invalid(
                f"Expected {upload.size} bytes, received {received}. Push the image again."
            )
        sha256.update(piece)
        parts.append(object_store().put_part(upload.key, upload.store_id, number, piece))
        multipart.keep_alive(upload)
    return parts, sha256.hexdigest()


def _pieces(content: Readable, size: int) -> Iterator[bytes]:
    """What arrives, up to `size` bytes in all; less where the sender stops."""
    left = size
    while left:
        try:
            piece = content.read(min(left, 1024**2))
        except OSError:
            return
        if not piece:
            return
        left -= len(piece)
        yield piece
