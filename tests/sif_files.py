"""SIF files for the tests: of an exact size, for an architecture, the same bytes each time.

To build a container takes a builder and root's rights; an image that is only pushed, parsed and
signed needs neither. What clients and the registry read is the layout: a global header, a table of
descriptors, and the objects that these point to. So this writes the layout, and random bytes where
a squashfs would lie. Clients list, sign, verify, push and pull such files; nothing can run them.

Everything is derived from the arguments: two calls with the same arguments give the same digest.

Layout: little endian, packed; as written by the reference library (github.com/sylabs/sif/v2).
"""

import dataclasses
import hashlib
import json
import random
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = struct.Struct("<32s10s3s3s16s8q")
DESCRIPTOR = struct.Struct("<i?3I7q128s384s")

MAGIC = b"SIF_MAGIC\0"
TABLE_OFFSET = 4096
DESCRIPTORS_TOTAL = 48
# The reference library aligns partitions to memory pages, so that they can be mapped; only these.
PAGE_BYTES = 4096

DEFINITION, ENVIRONMENT, LABELS, PARTITION, SIGNATURE, JSON = range(0x4001, 0x4007)
SQUASHFS, ENCRYPTED_SQUASHFS = 1, 5
PRIMARY_SYSTEM = 2
SHA256 = 1

# The upper four bits mark a group, so that a link can tell a group from an object.
GROUP_MARK = 0xF000_0000
GROUP_1 = GROUP_MARK | 1
NO_GROUP = GROUP_MARK

ARCH_CODES = {
    "unknown": "00",
    "386": "01",
    "amd64": "02",
    "arm": "03",
    "arm64": "04",
    "ppc64": "05",
    "ppc64le": "06",
    "mips": "07",
    "mipsle": "08",
    "mips64": "09",
    "mips64le": "10",
    "s390x": "11",
    "riscv64": "12",
    "loong64": "13",
}

# An arbitrary moment (2023-11-14): with the clock, no digest would repeat.
CREATED = 1_700_000_000

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Header:
    """The first 128 bytes. `arch` is a code of two digits, moments are Unix seconds."""

    arch: str
    uuid: bytes
    descriptors_free: int
    data_length: int
    launch: bytes = b"#!/usr/bin/env run-singularity\n"
    magic: bytes = MAGIC
    version: bytes = b"01"
    created: int = CREATED
    modified: int = CREATED
    descriptors_total: int = DESCRIPTORS_TOTAL
    table_offset: int = TABLE_OFFSET
    table_length: int = DESCRIPTORS_TOTAL * DESCRIPTOR.size
    data_offset: int = TABLE_OFFSET + DESCRIPTORS_TOTAL * DESCRIPTOR.size

    def pack(self) -> bytes:
        return HEADER.pack(
            self.launch,
            self.magic,
            self.version,
            self.arch.encode(),
            self.uuid,
            self.created,
            self.modified,
            self.descriptors_free,
            self.descriptors_total,
            self.table_offset,
            self.table_length,
            self.data_offset,
            self.data_length,
        )


@dataclass(frozen=True)
class Descriptor:
    """One row of the table: what lies at `offset`, `size` bytes long."""

    type: int
    id: int = 0
    used: bool = True
    group: int = GROUP_1
    link: int = 0
    offset: int = 0
    size: int = 0
    padded_size: int = 0
    created: int = CREATED
    modified: int = CREATED
    name: str | bytes = ""
    extra: bytes = b""

    def pack(self) -> bytes:
        name = self.name.encode() if isinstance(self.name, str) else self.name
        return DESCRIPTOR.pack(
            self.type,
            self.used,
            self.id,
            self.group,
            self.link,
            self.offset,
            self.size,
            self.padded_size,
            self.created,
            self.modified,
            0,
            0,
            name,
            self.extra,
        )


@dataclass(frozen=True)
class Item:
    """A small object and what the table says of it. `claims` replace fields of its descriptor."""

    type: int
    content: bytes
    name: str | bytes = ""
    group: int = GROUP_1
    link: int = 0
    extra: bytes = b""
    claims: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def signature(fingerprint: str, content: bytes | None = None) -> Item:
    """A signature of group 1 that names a key (40 hex digits; "" as DSSE signatures have it).

    The name is a claim, as it is in any file: `content` is no valid signature unless one is given.
    """
    key = bytes.fromhex(fingerprint)
    if content is None:
        content = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{}\n"
    return Item(
        SIGNATURE,
        content,
        group=NO_GROUP,
        link=GROUP_1,
        extra=struct.pack("<i256s", SHA256, key),
    )


def write_sif(path: Path, *, size: int, **what: Any) -> str:
    """Write a SIF file of exactly `size` bytes and return its digest (hex, without prefix).

    Takes the arguments of `sif_chunks`. Memory use does not grow with the size.
    """
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for chunk in sif_chunks(size=size, **what):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def digest_of(path: Path) -> str:
    """The digest of a file as it is now: of one that was signed, or pulled."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sif_bytes(*, size: int = 40_000, **what: Any) -> bytes:
    """A whole SIF file in memory, for those who only read its layout."""
    return b"".join(sif_chunks(size=size, **what))


def sif_chunks(
    *,
    size: int,
    arch: str = "amd64",
    seed: int = 0,
    definition: str | None = None,
    labels: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    fingerprints: Sequence[str] = (),
    items: Sequence[Item] = (),
    encrypted: bool = False,
    header: Mapping[str, Any] | None = None,
    partition: Mapping[str, Any] | None = None,
) -> Iterator[bytes]:
    """The file's bytes in order, `size` in all: what is asked for, and the partition as filler.

    `metadata` becomes `inspect-metadata.json`; each of `fingerprints` one signature at the end;
    `items` are further objects. `seed` decides the partition's bytes and the image's UUID.

    `header` and `partition` replace fields of `Header` and of the partition's `Descriptor` when all
    is laid out, so that a file can say what is not so: `header={"magic": b"ELF"}`,
    `partition={"offset": -1}`, `header={"descriptors_total": 1 << 40}`. Bytes never move.

    Raises ValueError where `size` leaves no byte for the partition.
    """
    # Size and architecture count too: else two images of one seed would share their UUID.
    source = random.Random(f"{seed} {arch} {size}")
    before = _leading_items(definition, labels, metadata) + list(items)
    after = [signature(fingerprint) for fingerprint in fingerprints]

    start = TABLE_OFFSET + DESCRIPTORS_TOTAL * DESCRIPTOR.size
    at = start + sum(len(item.content) for item in before)
    partition_offset = -(-at // PAGE_BYTES) * PAGE_BYTES
    partition_size = size - partition_offset - sum(len(item.content) for item in after)
    if partition_size < 1:
        raise ValueError(f"{size} bytes hold no partition: at least {size - partition_size + 1}.")

    descriptors = _place(before, first_id=1, offset=start)
    primary = Descriptor(
        PARTITION,
        id=len(before) + 1,
        offset=partition_offset,
        size=partition_size,
        padded_size=partition_size + partition_offset - at,
        name="rootfs",
        extra=struct.pack(
            "<ii3s",
            ENCRYPTED_SQUASHFS if encrypted else SQUASHFS,
            PRIMARY_SYSTEM,
            ARCH_CODES[arch].encode(),
        ),
    )
    descriptors.append(dataclasses.replace(primary, **(partition or {})))
    descriptors += _place(after, first_id=len(before) + 2, offset=partition_offset + partition_size)

    first = Header(
        arch=ARCH_CODES[arch],
        uuid=uuid.UUID(int=source.getrandbits(128), version=4).bytes,
        descriptors_free=DESCRIPTORS_TOTAL - len(descriptors),
        data_length=size - start,
    )
    yield dataclasses.replace(first, **(header or {})).pack().ljust(TABLE_OFFSET, b"\0")
    table = b"".join(descriptor.pack() for descriptor in descriptors)
    yield table.ljust(DESCRIPTORS_TOTAL * DESCRIPTOR.size, b"\0")
    yield from (item.content for item in before)
    yield bytes(partition_offset - at)
    for written in range(0, partition_size, CHUNK_BYTES):
        yield source.randbytes(min(CHUNK_BYTES, partition_size - written))
    yield from (item.content for item in after)


def _leading_items(
    definition: str | None,
    labels: Mapping[str, str] | None,
    metadata: Mapping[str, Any] | None,
) -> list[Item]:
    """What a builder puts before the partition, under the names that it uses."""
    items = []
    if definition is not None:
        items.append(Item(DEFINITION, definition.encode(), "definition-file"))
    if labels is not None:
        items.append(Item(LABELS, json.dumps(labels).encode(), "labels.json"))
    if metadata is not None:
        items.append(Item(JSON, json.dumps(metadata).encode(), "inspect-metadata.json"))
    return items


def _place(items: Sequence[Item], *, first_id: int, offset: int) -> list[Descriptor]:
    """Descriptors for objects that lie one after the other from `offset` on."""
    descriptors = []
    for number, item in enumerate(items, start=first_id):
        size = len(item.content)
        honest = Descriptor(
            item.type,
            id=number,
            group=item.group,
            link=item.link,
            offset=offset,
            size=size,
            padded_size=size,
            name=item.name,
            extra=item.extra,
        )
        descriptors.append(dataclasses.replace(honest, **item.claims))
        offset += size
    return descriptors
