"""Where a blob lies in the bucket."""

import re

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{24}")


def blob_key(digest: str, upload_id: str) -> str:
    """The key of the bytes that one upload brings, and that are claimed to have this SHA-256.

    It names no entity, collection or container: those are private, and change. It names the upload,
    so an object under it is that upload's and no later one can overwrite it. All keys have the same
    shape, so none is a path prefix of another, which stores on top of folders cannot hold.

    >>> blob_key("5f" * 32, "0123456789abcdef01234567")[:16]
    'blobs/5f/5f5f5f5'
    >>> blob_key("5f" * 32, "0123456789abcdef01234567")[-33:]
    '5f5f5f5f.0123456789abcdef01234567'

    ValueError for anything that is not 64 and 24 lower-case hex digits.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError("A SHA-256 is written as 64 lower-case hex digits.")
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise ValueError("An upload's id is written as 24 lower-case hex digits.")
    return f"blobs/{digest[:2]}/{digest}.{upload_id}"
