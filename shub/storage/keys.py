"""Where a blob lies in the bucket."""

import re

# What all keys begin with; no other object is written.
PREFIX = "blobs/"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UPLOAD_ID = re.compile(r"[0-9a-f]{24}")
_BLOB_KEY = re.compile(r"blobs/([0-9a-f]{2})/\1[0-9a-f]{62}\.[0-9a-f]{24}")


def is_blob_key(key: str) -> bool:
    """Whether the key is of the form that `blob_key` makes.

    >>> is_blob_key(blob_key("5f" * 32, "0123456789abcdef01234567")), is_blob_key("notes.txt")
    (True, False)
    """
    return bool(_BLOB_KEY.fullmatch(key))


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
    return f"{PREFIX}{digest[:2]}/{digest}.{upload_id}"
