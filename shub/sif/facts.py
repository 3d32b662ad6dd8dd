"""What a registry wants to know of an image, read from its header and descriptors."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from shub.sif import layout

# The header and the largest table that is accepted (1,024 descriptors, 599,040 bytes) lie in here.
PREFIX_BYTES = 1024 * 1024
MAX_DESCRIPTORS = 1024

# So many things that are not known are named: the rest reads the same.
MOST_UNREAD = 10


class UnreadableSIF(Exception):
    """These bytes are no SIF image. The message says what was looked for and what was found."""


@dataclass(frozen=True)
class Facts:
    """What the image says of itself. None of it is verified; signatures are claims."""

    arch: str
    """Go's name, or empty where the image names none that is known."""
    signed: bool
    fingerprints: tuple[str, ...]
    """Of the keys that its signatures name: 40 upper-case hex digits each, in order, once."""
    encrypted: bool
    sif_id: UUID | None
    unread: tuple[str, ...] = ()
    """What it says in codes that are not known here, as `file system 9`: kept all the same."""


def read_facts(prefix: bytes, size: int) -> Facts:
    """The facts of an image of `size` bytes that begins with `prefix` (up to PREFIX_BYTES of it).

    UnreadableSIF when the header or the descriptor table cannot be what a SIF has, or when an
    object that the table names ends behind the file (the image was cut short).
    """
    header = _read_header(prefix, size)
    descriptors = _read_descriptors(prefix, header, size)
    primary = _primary_partition(descriptors)
    fingerprints = dict.fromkeys(
        layout.unpack_fingerprint(entry.extra)
        for entry in descriptors
        if entry.kind == layout.SIGNATURE
    )
    return Facts(
        arch=header.arch or (primary.arch if primary else ""),
        signed=bool(fingerprints),
        fingerprints=tuple(fingerprint for fingerprint in fingerprints if fingerprint),
        encrypted=primary is not None and primary.file_system in layout.ENCRYPTED_FILE_SYSTEMS,
        # Reproducible builds write zeros.
        sif_id=header.sif_id if header.sif_id.int else None,
        unread=tuple(dict.fromkeys(_unread(header, descriptors)))[:MOST_UNREAD],
    )


def _read_header(prefix: bytes, size: int) -> layout.Header:
    if len(prefix) < layout.HEADER_BYTES:
        raise UnreadableSIF(
            f"The file is no SIF image: expected a header of {layout.HEADER_BYTES} bytes, "
            f"the file has {size}."
        )
    header = layout.unpack_header(prefix)
    if header.magic != layout.MAGIC:
        raise UnreadableSIF(
            "The file is no SIF image: expected SIF_MAGIC at byte 32. Push a .sif file as "
            "singularity build or apptainer build makes it."
        )
    if not header.version.rstrip(b"\0").isdigit():
        raise UnreadableSIF("The file's SIF header is damaged: the version is no number.")
    return header


def _read_descriptors(prefix: bytes, header: layout.Header, size: int) -> list[layout.Descriptor]:
    total = header.descriptors_total
    start = header.descriptors_offset
    end = start + total * layout.DESCRIPTOR_BYTES
    if not 0 <= total <= MAX_DESCRIPTORS:
        raise UnreadableSIF(
            f"The file's SIF header is damaged: it names {total} descriptors, expected 0 to "
            f"{MAX_DESCRIPTORS}."
        )
    if start < layout.HEADER_BYTES or header.descriptors_length < end - start:
        raise UnreadableSIF(
            "The file's SIF header is damaged: the descriptor table has no such place."
        )
    if end > len(prefix):
        raise UnreadableSIF(
            "The file's descriptor table ends behind its end: the image was cut short."
            if end > size
            else "The file's SIF header is damaged: the descriptor table is not at the front."
        )
    entries = (
        layout.unpack_descriptor(prefix, offset)
        for offset in range(start, end, layout.DESCRIPTOR_BYTES)
    )
    used = [entry for entry in entries if entry is not None]
    for entry in used:
        if entry.offset < 0 or entry.size < 0 or entry.offset + entry.size > size:
            raise UnreadableSIF(
                f"The file names an object that ends at byte {entry.offset + entry.size}, but has "
                f"only {size} bytes: the image was cut short."
            )
    return used


def _unread(header: layout.Header, descriptors: list[layout.Descriptor]) -> Iterator[str]:
    """What a later format, or a broken writer, has put there."""
    known_codes = {*layout.ARCHES, layout.UNKNOWN_ARCH, ""}
    if header.arch_code not in known_codes:
        yield f"architecture {header.arch_code}"
    for entry in descriptors:
        if entry.kind not in layout.KINDS:
            yield f"object of type {entry.kind:#x}"
        elif entry.kind == layout.PARTITION:
            partition = layout.unpack_partition(entry.extra)
            if partition.file_system not in layout.FILE_SYSTEMS:
                yield f"file system {partition.file_system}"
            if partition.arch_code not in known_codes:
                yield f"architecture {partition.arch_code}"
        elif entry.kind == layout.SIGNATURE:
            code = layout.unpack_hash(entry.extra)
            if code not in layout.HASHES:
                yield f"signature over hash {code}"


def _primary_partition(descriptors: list[layout.Descriptor]) -> layout.Partition | None:
    for entry in descriptors:
        if entry.kind == layout.PARTITION:
            partition = layout.unpack_partition(entry.extra)
            if partition.part_type == layout.PRIMARY_SYSTEM:
                return partition
    return None
