"""A SIF file around a squashfs: header, descriptors, definition file, labels, primary partition.

Written as the reference library (sylabs/sif, pkg/sif) writes it; read back by `shub.sif`. The same
arguments give the same bytes.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from uuid import UUID

from shub.sif.layout import ARCHES, MAGIC, PARTITION, PRIMARY_SYSTEM

DEFINITION, LABELS = 0x4001, 0x4003
SQUASHFS = 1
LAUNCH = b"#!/usr/bin/env run-singularity\n"

TABLE_OFFSET = 4096
ENTRIES = 48
# Partitions lie on memory pages, so that they can be mapped.
PAGE_BYTES = 4096
GROUP_1 = 0xF000_0000 | 1

_header = struct.Struct("<32s10s3s3s16s8q")
_descriptor = struct.Struct("<i?3I7q128s384s")
_partition = struct.Struct("<ii3s")

DATA_OFFSET = TABLE_OFFSET + ENTRIES * _descriptor.size

CODES = {arch: code.encode() for code, arch in ARCHES.items()}


def pack(
    *, arch: str, definition: str, labels: Mapping[str, str], root: bytes, seconds: int
) -> bytes:
    """The file. `arch` is Go's name, `root` the squashfs, `seconds` the moment that it is of."""
    code = CODES[arch]
    described = (
        (DEFINITION, "definition-file", definition.encode()),
        (LABELS, "labels.json", json.dumps(dict(labels), sort_keys=True).encode()),
    )
    table, body = b"", b""
    for number, (kind, name, content) in enumerate(described, start=1):
        at = DATA_OFFSET + len(body)
        size = len(content)
        table += _describe(number, kind, name, offset=at, size=size, padded=size, seconds=seconds)
        body += content
    end = DATA_OFFSET + len(body)
    start = -(-end // PAGE_BYTES) * PAGE_BYTES
    extra = _partition.pack(SQUASHFS, PRIMARY_SYSTEM, code)
    padded = start - end + len(root)
    table += _describe(
        3,
        PARTITION,
        "rootfs",
        offset=start,
        size=len(root),
        padded=padded,
        extra=extra,
        seconds=seconds,
    )
    body += bytes(start - end) + root
    header = _header.pack(
        *(LAUNCH, MAGIC, b"01", code, _id_of(body, code).bytes, seconds, seconds),
        *(ENTRIES - 3, ENTRIES, TABLE_OFFSET, ENTRIES * _descriptor.size),
        *(DATA_OFFSET, len(body)),
    )
    return header.ljust(TABLE_OFFSET, b"\0") + table.ljust(ENTRIES * _descriptor.size, b"\0") + body


def _describe(
    number: int,
    kind: int,
    name: str,
    *,
    offset: int,
    size: int,
    padded: int,
    extra: bytes = b"",
    seconds: int,
) -> bytes:
    return _descriptor.pack(
        *(kind, True, number, GROUP_1, 0, offset, size, padded),
        *(seconds, seconds, 0, 0, name.encode(), extra),
    )


def _id_of(body: bytes, code: bytes) -> UUID:
    return UUID(bytes=hashlib.sha256(code + body).digest()[:16], version=4)
