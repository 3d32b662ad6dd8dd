"""Receiving an image as one body, as clients of 2019 send it, and storing it in parts.

For clients that know no other way: the bytes pass through this process, a part at a time.
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

from shub.accounts import tokens
from shub.accounts.callers import Caller
from shub.containers.images import pushable_image
from shub.errors import Invalid
from shub.storage import Part, object_store
from shub.uploads import ending, joining, multipart
from shub.uploads.models import Upload


class Readable(Protocol):
    """Bytes that arrive."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes; none at the end. OSError when the sender is gone."""


def begin(*, image_id: str, size: int, by: Caller) -> Upload:
    """An upload for a body of this size, if the caller may push and there is room for it."""
    return multipart.begin(image_id=image_id, size=size, kind=Upload.Kind.BODY, by=by)


def receive(upload: Upload, content: Readable) -> None:
    """Store the bytes as they arrive, and hand the image over to verification.

    Refused as in `begin` where that changed meanwhile. What ends it on the way leaves no upload
    open, as far as the process survives it (the rest expires): a client of this kind sends all of
    it again.
    """
    try:
        parts = _store_parts(upload, content)
        # A body may take hours: who sends it is asked once more whether they may.
        by = tokens.at_present(upload.pusher)
        pushable_image(upload.announced_id, by=by)
        joining.hand_over(upload, parts, by=by)
    except BaseException:
        ending.abort(upload)
        raise
    if not upload.is_handed_over:
        ending.refuse_ended(upload)


def _store_parts(upload: Upload, content: Readable) -> list[Part]:
    """The parts in order; Invalid unless together they are the bytes that were announced."""
    sha256 = hashlib.sha256()
    parts = []
    for number in range(1, upload.total_parts + 1):
        expected = upload.size_of_part(number)
        piece = b"".join(_pieces(content, expected))
        if len(piece) < expected:
            received = (number - 1) * upload.part_bytes + len(piece)
            raise Invalid(ending.other_size(upload.size, received))
        sha256.update(piece)
        parts.append(object_store().put_part(upload.key, upload.store_id, number, piece))
        multipart.keep_alive(upload)
    if sha256.hexdigest() != upload.digest:
        ending.refuse(upload, ending.other_bytes(upload.digest))
        raise Invalid(upload.reason)
    return parts


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
