"""What hostile headers and descriptor tables get: facts or one refusal, in little memory and time.

The files are made field by field (tests/sif_files.py), with numbers from the edges of what the
format can write, so that more of them get past the first check than random bytes would.
"""

import dataclasses
import struct
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shub.sif import PREFIX_BYTES, Facts, UnreadableSIF, read_facts
from shub.sif.facts import MAX_DESCRIPTORS
from shub.sif.layout import ARCHES
from tests import sif_files
from tests.sif_files import (
    DESCRIPTOR,
    HEADER,
    PARTITION,
    SIGNATURE,
    Descriptor,
    Header,
    Item,
    sif_bytes,
)

# OCI-SIF's: an index and blobs, and no partition that a system lies in.
OCI_ROOT_INDEX, OCI_BLOB = 0x400A, 0x400B

SIZE = 40_000
EDGES = sorted(
    {
        sign * (number + near)
        for number in (0, 128, 585, 4096, 32_176, SIZE, PREFIX_BYTES, 2**31, 2**32, 2**62)
        for near in (-1, 0, 1)
        for sign in (1, -1)
    }
    | {2**63 - 1, -(2**63)}
)


def extra_of(arch: bytes, *, file_system: int = 1, part_type: int = 2) -> bytes:
    """What a partition's descriptor says of it."""
    return struct.pack("<ii3s", file_system, part_type, arch[:3])


numbers = st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1))
kinds = st.one_of(
    st.sampled_from([*range(0x4001, 0x400C), 0, -1, 2**31 - 1, -(2**31)]),
    st.integers(-(2**31), 2**31 - 1),
)
arch_bytes = st.one_of(st.sampled_from([b"02\0", b"00\0", b"99\0", b"\xff\xfe\xfd"]), st.binary())

# Of the header, whatever the format can write; half of them leave the table where it is.
headers = st.fixed_dictionaries(
    {},
    optional={
        "version": st.one_of(st.just(b"01\0"), st.binary(max_size=3)),
        "uuid": st.binary(min_size=16, max_size=16),
        "descriptors_total": st.one_of(st.integers(0, 1100), numbers),
        "descriptors_free": numbers,
        "table_offset": numbers,
        "table_length": numbers,
        "data_offset": numbers,
        "data_length": numbers,
        "created": numbers,
    },
)

entries = st.builds(
    lambda kind, used, offset, size, name, extra, group: Descriptor(
        type=kind,
        used=used,
        offset=offset,
        size=size,
        padded_size=size,
        name=name,
        extra=extra,
        group=group,
    ),
    kind=kinds,
    used=st.booleans(),
    offset=st.one_of(st.integers(0, SIZE), numbers),
    size=st.one_of(st.integers(0, 100), numbers),
    name=st.binary(max_size=128),
    extra=st.one_of(st.binary(max_size=384), arch_bytes.map(extra_of)),
    group=st.integers(0, 2**32 - 1),
)


def written(header: dict[str, Any], table: list[Descriptor], arch: str = "02") -> bytes:
    """A file of SIZE bytes: this header, this table, and zeros."""
    first = Header(arch=arch, uuid=bytes(16), descriptors_free=0, data_length=0)
    packed = dataclasses.replace(first, **header).pack().ljust(sif_files.TABLE_OFFSET, b"\0")
    rows = b"".join(entry.pack() for entry in table)
    return (packed + rows).ljust(SIZE, b"\0")[:SIZE]


def outcome(prefix: bytes, size: int) -> Facts | None:
    """The facts, or None where the one refusal came; anything else fails the test."""
    try:
        facts = read_facts(prefix, size)
    except UnreadableSIF as refusal:
        words = str(refusal)
    else:
        check(facts)
        return facts
    assert words.startswith("The file")
    assert words.isascii()
    return None


def check(facts: Facts) -> None:
    """The facts have the kinds and forms that the database keeps."""
    assert facts.arch in {"", *ARCHES.values()}
    assert all(
        len(fingerprint) == 40 and set(fingerprint) <= set("0123456789ABCDEF")
        for fingerprint in facts.fingerprints
    )
    assert len(set(facts.fingerprints)) == len(facts.fingerprints) <= MAX_DESCRIPTORS
    assert facts.signed or not facts.fingerprints


@given(headers, st.lists(entries, max_size=8), numbers)
@settings(max_examples=300, deadline=None)
def test_no_header_and_no_table_make_it_fail_in_another_way(
    header: dict[str, Any], table: list[Descriptor], size: int
) -> None:
    content = written(header, table)
    outcome(content, len(content))
    outcome(content, size)


@given(st.lists(entries, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_table_counts_only_where_each_of_its_objects_lies_within_the_file(
    table: list[Descriptor],
) -> None:
    content = written({}, table)
    used = [entry for entry in table if entry.used]
    fits = all(
        entry.offset >= 0 and entry.size >= 0 and entry.offset + entry.size <= SIZE
        for entry in used
    )
    facts = outcome(content, SIZE)
    assert (facts is not None) == fits
    if facts is not None:
        assert facts.signed == any(entry.type == SIGNATURE for entry in used)


@given(
    st.lists(st.tuples(st.integers(0, 6000), st.binary(min_size=1, max_size=8)), max_size=12),
    st.integers(0, SIZE),
)
@settings(max_examples=200, deadline=None)
def test_no_bytes_written_over_a_good_file_make_it_fail_in_another_way(
    changes: list[tuple[int, bytes]], length: int
) -> None:
    content = bytearray(sif_bytes(size=SIZE, fingerprints=["AB" * 20], definition="x"))
    for offset, piece in changes:
        content[offset : offset + len(piece)] = piece
    outcome(bytes(content), len(content))
    outcome(bytes(content[:length]), len(content))
    outcome(bytes(content[:length]), length)


@given(headers, st.lists(entries, max_size=4), st.binary(max_size=600))
@settings(max_examples=150, deadline=None)
def test_nothing_behind_the_table_counts(
    header: dict[str, Any], table: list[Descriptor], other: bytes
) -> None:
    """What is read is the header and the table: other bytes behind them change nothing."""
    content = written(header, table)
    total, offset = struct.unpack_from("<qq", content, 88)
    end = offset + total * DESCRIPTOR.size
    facts = outcome(content, SIZE)
    if facts is not None:
        assert HEADER.size <= end <= len(content)
        assert outcome(content[:end] + other, SIZE) == facts
        assert end == HEADER.size or outcome(content[: end - 1], SIZE) is None


@pytest.mark.parametrize("total", [0, 1, MAX_DESCRIPTORS, MAX_DESCRIPTORS + 1])
def test_the_largest_table_is_read_and_a_larger_one_is_not(total: int) -> None:
    row = Descriptor(type=0x4006, offset=0, size=1, extra=b"x" * 384).pack()
    content = full_table(total, row)
    facts = outcome(content[:PREFIX_BYTES], len(content))
    assert (facts is not None) == (total <= MAX_DESCRIPTORS)


def full_table(total: int, row: bytes) -> bytes:
    """A file with so many rows in its table."""
    header = Header(
        arch="02",
        uuid=bytes(16),
        descriptors_free=0,
        data_length=0,
        descriptors_total=total,
        table_length=total * DESCRIPTOR.size,
    )
    return header.pack().ljust(sif_files.TABLE_OFFSET, b"\0") + row * total


@pytest.mark.parametrize("claimed", [2**62, 2**40, MAX_DESCRIPTORS])
@pytest.mark.parametrize("kind", [SIGNATURE, PARTITION, 0x4001])
def test_no_file_takes_more_than_a_little_memory_and_time(claimed: int, kind: int) -> None:
    """Neither what a header claims nor a table that is full: ten megabytes, and no second."""
    rows = b"".join(
        Descriptor(
            type=kind,
            offset=0,
            size=1,
            extra=struct.pack("<i20s", 1, number.to_bytes(20)).ljust(384, b"x"),
        ).pack()
        for number in range(MAX_DESCRIPTORS)
    )
    content = full_table(MAX_DESCRIPTORS, b"")[: sif_files.TABLE_OFFSET] + rows
    lying = bytearray(content.ljust(PREFIX_BYTES, b"\0"))
    struct.pack_into("<q", lying, 88, claimed)
    prefix = bytes(lying)
    tracemalloc.start()
    try:
        began = time.process_time()
        facts = outcome(prefix, 2**50)
        took = time.process_time() - began
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (facts is not None) == (claimed == MAX_DESCRIPTORS)
    assert peak < 10 * 1024**2
    assert took < 1
    if facts is not None and kind == SIGNATURE:
        assert len(facts.fingerprints) == MAX_DESCRIPTORS - 1  # the one of zeros names no key


@pytest.mark.parametrize("arch", ["00", "99", "zz", "\x00\x00", "2"])
def test_an_arch_that_is_none_is_unknown_and_no_fault(arch: str) -> None:
    facts = outcome(written({}, [], arch), SIZE)
    assert facts is not None
    assert facts.arch == ""


@given(arch_bytes)
@example(b"02\0")
def test_the_partition_tells_the_arch_where_the_header_does_not(arch: bytes) -> None:
    table = [Descriptor(type=PARTITION, size=1, extra=extra_of(arch))]
    facts = outcome(written({}, table, "00"), SIZE)
    assert facts is not None
    assert facts.arch == ARCHES.get(arch[:3].rstrip(b"\0").decode("ascii", "replace"), "")


@pytest.mark.parametrize("arch", ["amd64", "unknown"])
def test_an_oci_sif_without_a_system_partition_is_an_image(arch: str) -> None:
    """Its objects are an index and blobs; the filler stands for one more blob."""
    content = sif_bytes(
        arch=arch,
        partition={"type": OCI_BLOB, "extra": b"", "name": ""},
        items=[
            Item(OCI_ROOT_INDEX, b'{"schemaVersion":2}'),
            Item(OCI_BLOB, b"{}", extra=b"sha256:" + b"44" * 32),
        ],
        fingerprints=["CD" * 20],
    )
    facts = outcome(content, len(content))
    assert facts is not None
    assert facts.arch == ("" if arch == "unknown" else arch)
    assert (facts.encrypted, facts.signed, facts.fingerprints) == (False, True, ("CD" * 20,))


@given(st.binary(max_size=384))
@example(b"")
@example(b"\xff" * 384)
@example(bytes(384))
def test_a_signature_whose_words_are_nonsense_is_kept_as_a_claim(extra: bytes) -> None:
    """The image was pushed so and is served so: what it claims is its own matter."""
    content = sif_bytes(items=[Item(SIGNATURE, b"nonsense", extra=extra)])
    facts = outcome(content, len(content))
    assert facts is not None
    assert facts.signed
    named = extra.ljust(24, b"\0")[4:24]
    assert facts.fingerprints == (() if named == bytes(20) else (named.hex().upper(),))


@given(st.lists(st.binary(min_size=20, max_size=20), max_size=6))
def test_each_key_is_named_once_and_in_order(keys: list[bytes]) -> None:
    content = sif_bytes(fingerprints=[key.hex() for key in keys])
    facts = outcome(content, len(content))
    assert facts is not None
    wanted = dict.fromkeys(key.hex().upper() for key in keys if key != bytes(20))
    assert facts.fingerprints == tuple(wanted)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=2))
def test_only_a_primary_partition_decides_what_is_encrypted(codes: list[int]) -> None:
    file_system, part_type = codes
    extra = extra_of(b"02\0", file_system=file_system, part_type=part_type)
    facts = outcome(written({}, [Descriptor(type=PARTITION, size=1, extra=extra)]), SIZE)
    assert facts is not None
    assert facts.encrypted == (part_type == 2 and file_system in {5, 6})
