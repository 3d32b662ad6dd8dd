"""Everything that a registry holds: rows, objects, parts, and bytes on the store's disk.

Read past the product: the rows by SQL, the bucket by a client of its own.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.clients.live import Live

UNDER_WAY = frozenset({"open", "joining", "verifying"})


@dataclass(frozen=True)
class UploadRow:
    """What counts of one upload."""

    public_id: str
    state: str
    key: str
    store_id: str
    reason: str


@dataclass(frozen=True)
class Inventory:
    """What there is at one moment."""

    uploads: tuple[UploadRow, ...]
    blobs: Mapping[str, tuple[str, int]]
    """key → state and bytes, but for those that are gone."""
    claims: tuple[str, ...]
    """Digests of images without proven bytes."""
    tags: Mapping[str, tuple[str, str]]
    """name → the image's digest, and the state of its blob ("" without one)."""
    pending_tags: tuple[str, ...]
    objects: Mapping[str, int]
    """key → bytes."""
    open_parts: tuple[tuple[str, str], ...]
    """Key and the store's id of each upload in parts that it has neither joined nor dropped."""

    @property
    def proven_bytes(self) -> int:
        return sum(size for state, size in self.blobs.values() if state == "proven")

    def __str__(self) -> str:
        """What is not settled, in a few words."""
        uploads = Counter(each.state for each in self.uploads if each.state != "done")
        blobs = Counter(state for state, _ in self.blobs.values() if state != "proven")
        unproven = [key for key in self.objects if self.blobs.get(key, ("",))[0] != "proven"]
        words = [f"upload {state}: {count}" for state, count in sorted(uploads.items())]
        words += [f"blob {state}: {count}" for state, count in sorted(blobs.items())]
        for what, found in (
            ("claim", self.claims),
            ("pending tag", self.pending_tags),
            ("object not proven", unproven),
            ("open parts in the store", self.open_parts),
        ):
            words += [f"{what}: {len(found)}"] if found else []
        return ", ".join(words) or "nothing"


def take(live: Live) -> Inventory:
    """Read everything; the registry should be quiet."""
    store = client(live)
    bucket = live.store["bucket"]
    return Inventory(
        uploads=tuple(
            UploadRow(*row)
            for row in live.rows(
                "SELECT public_id, state, key, store_id, reason FROM uploads_upload ORDER BY id"
            )
        ),
        blobs={
            key: (state, size)
            for key, state, size in live.rows(
                "SELECT key, state, size FROM containers_blob WHERE state <> 'gone'"
            )
        },
        claims=tuple(
            digest
            for (digest,) in live.rows(
                "SELECT image.digest FROM containers_image image"
                " LEFT JOIN containers_blob blob ON blob.id = image.blob_id"
                " WHERE blob.state IS DISTINCT FROM 'proven'"
            )
        ),
        tags={
            name: (digest, state)
            for name, digest, state in live.rows(
                "SELECT tag.name, image.digest, coalesce(blob.state, '') FROM containers_tag tag"
                " JOIN containers_image image ON image.id = tag.image_id"
                " LEFT JOIN containers_blob blob ON blob.id = image.blob_id"
            )
        },
        pending_tags=tuple(name for (name,) in live.rows("SELECT name FROM containers_pendingtag")),
        objects={
            found["Key"]: found["Size"]
            for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            for found in page.get("Contents", ())
            # JuiceFS also lists folders.
            if not found["Key"].endswith("/")
        },
        open_parts=tuple(
            (found["Key"], found["UploadId"])
            for page in store.get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
            for found in page.get("Uploads", ())
        ),
    )


def assert_honest(found: Inventory) -> None:
    """What holds at every moment, also while everything is broken: no row promises too much."""
    for key, (state, size) in found.blobs.items():
        if state in {"pending", "proven"}:
            assert found.objects.get(key) == size, f"a {state} blob without its bytes: {key}"
    for name, (digest, state) in found.tags.items():
        assert state == "proven", f"the tag {name} means {digest}, whose blob is {state!r}"
    keys = {upload.key for upload in found.uploads}
    for key in found.objects:
        assert key in keys, f"an object that no upload has made: {key}"


def assert_nothing_left(found: Inventory) -> None:
    """What holds when the sweep has run and nobody pushes: all that is there is of use."""
    assert_honest(found)
    for upload in found.uploads:
        assert upload.state not in UNDER_WAY, f"an upload that does not end: {upload}"
        assert upload.store_id == "", f"an upload that has ended and still has parts: {upload}"
    assert found.open_parts == (), "parts in the store that no upload is going to join"
    for key, (state, _) in found.blobs.items():
        assert state == "proven", f"a {state} blob: {key}"
    for key in found.objects:
        assert key in found.blobs, f"an object without a blob: {key}"
    assert found.claims == (), "images that were announced and have no bytes"
    assert found.pending_tags == (), "tags that wait for nothing"


def parts_arrived(store: Any, bucket: str, key: str, store_id: str) -> int:
    """How many parts of the upload the store has acknowledged. Asks a client of `client`."""
    try:
        listed = store.list_parts(Bucket=bucket, Key=key, UploadId=store_id)
    except store.exceptions.ClientError:
        return 0
    return len(listed.get("Parts", ()))


def disk_bytes(store_folder: Path) -> int:
    """What JuiceFS' blocks take on the disk, whether it still knows them or not."""
    return sum(
        path.stat().st_size for path in store_folder.glob("objects/*/chunks/**/*") if path.is_file()
    )


def client(live: Live) -> Any:
    """An S3 client of our own, which asks once and does not wait for long."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=live.store["endpoint"],
        aws_access_key_id=live.store["access_key"],
        aws_secret_access_key=live.store["secret_key"],
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            read_timeout=30,
            retries={"total_max_attempts": 1},
        ),
    )
