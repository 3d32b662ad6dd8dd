"""The layout of a SIF file: its global header and its descriptors (sylabs/sif, pkg/sif, v1 and v2).

Little endian, packed. Numbers below are offsets in bytes; codes are the format's.
"""

import struct
from dataclasses import dataclass
from uuid import UUID

MAGIC = b"SIF_MAGIC\0"
HEADER_BYTES = 128
DESCRIPTOR_BYTES = 585

# Go's names of architectures, by the two digits that the format writes.
ARCHES = {
    "01": "386",
    "02": "amd64",
    "03": "arm",
    "04": "arm64",
    "05": "ppc64",
    "06": "ppc64le",
    "07": "mips",
    "08": "mipsle",
    "09": "mips64",
    "10": "mips64le",
    "11": "s390x",
    "12": "riscv64",
    "13": "loong64",
}

# What machines call themselves (`uname -m`), and people after them.
MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "armv6l": "arm",
    "i386": "386",
    "i686": "386",
    "loongarch64": "loong64",
}

PARTITION = 0x4004
SIGNATURE = 0x4005

# What an object, a partition's file system and a signature's hash can be, by the format of today.
KINDS = range(0x4001, 0x400C)
FILE_SYSTEMS = range(1, 7)
HASHES = range(1, 6)

UNKNOWN_ARCH = "00"

PRIMARY_SYSTEM = 2
ENCRYPTED_FILE_SYSTEMS = frozenset({5, 6})

_header = struct.Struct("<32s10s3s3s16sqqqqqqqq")
_descriptor = struct.Struct("<iBIIIqqqqqqq128s384s")
_partition = struct.Struct("<ii3s")
_signature = struct.Struct("<i20s")


@dataclass(frozen=True)
class Header:
    """The global header, as written: nothing in it is to be trusted."""

    magic: bytes
    version: bytes
    arch: str
    arch_code: str
    sif_id: UUID
    descriptors_total: int
    descriptors_offset: int
    descriptors_length: int


@dataclass(frozen=True)
class Descriptor:
    """One used entry of the descriptor table, as written."""

    kind: int
    offset: int
    size: int
    extra: bytes


@dataclass(frozen=True)
class Partition:
    """What a partition's descriptor says beside where it lies."""

    file_system: int
    part_type: int
    arch: str
    arch_code: str


def arch_named(written: str) -> str:
    """Go's name for an architecture as somebody wrote it: in any case, or as a machine's name.

    >>> [arch_named(written) for written in ("amd64", "ARM64", "x86_64", " riscv64", "sparc", "")]
    ['amd64', 'arm64', 'amd64', 'riscv64', 'sparc', '']
    """
    name = written.strip().lower()
    return MACHINES.get(name, name)


def unpack_header(block: bytes) -> Header:
    """The header in the first 128 bytes."""
    fields = _header.unpack_from(block)
    return Header(
        magic=fields[1],
        version=fields[2],
        arch=ARCHES.get(_code(fields[3]), ""),
        arch_code=_code(fields[3]),
        sif_id=UUID(bytes=fields[4]),
        descriptors_total=fields[8],
        descriptors_offset=fields[9],
        descriptors_length=fields[10],
    )


def unpack_descriptor(table: bytes, offset: int) -> Descriptor | None:
    """The descriptor at the offset, or None where the entry is unused."""
    fields = _descriptor.unpack_from(table, offset)
    if not fields[1]:
        return None
    return Descriptor(kind=fields[0], offset=fields[5], size=fields[6], extra=fields[13])


def unpack_partition(extra: bytes) -> Partition:
    """The type-specific part of a partition's descriptor."""
    file_system, part_type, arch = _partition.unpack_from(extra)
    code = _code(arch)
    return Partition(
        file_system=file_system, part_type=part_type, arch=ARCHES.get(code, ""), arch_code=code
    )


def unpack_hash(extra: bytes) -> int:
    """The code of the hash that a signature is over."""
    code: int = _signature.unpack_from(extra)[0]
    return code


def unpack_fingerprint(extra: bytes) -> str:
    """The signing key's fingerprint, 40 upper-case hex digits; empty where no PGP key is named."""
    _, entity = _signature.unpack_from(extra)
    return "" if entity == bytes(20) else entity.hex().upper()


def _code(written: bytes) -> str:
    return written.rstrip(b"\0").decode("ascii", "replace")
