"""The writer of SIF files, against its own promises and the layout's fixed numbers.

What real clients make of the files is tested in tests/clients.
"""

import hashlib
import struct
from pathlib import Path

import pytest

from tests import sif_files


@pytest.mark.parametrize("size", [32_769, 40_000, 1 << 20, (3 << 20) + 1])
def test_a_file_has_exactly_the_size_and_the_digest_that_are_named(
    tmp_path: Path, size: int
) -> None:
    path = tmp_path / "image.sif"

    digest = sif_files.write_sif(path, size=size)

    content = path.read_bytes()
    assert len(content) == size
    assert hashlib.sha256(content).hexdigest() == digest


def test_equal_arguments_give_equal_bytes() -> None:
    assert sif_files.sif_bytes(seed=7) == sif_files.sif_bytes(seed=7)


@pytest.mark.parametrize("other", [{"seed": 8}, {"arch": "arm64"}, {"size": 40_001}])
def test_any_other_argument_gives_another_image(other: dict[str, int]) -> None:
    uuid = slice(48, 64)
    one, two = sif_files.sif_bytes(seed=7), sif_files.sif_bytes(**{"seed": 7, **other})

    assert one[uuid] != two[uuid]
    assert one[32_768:32_868] != two[32_768:32_868]


def test_fields_lie_where_the_format_has_them() -> None:
    content = sif_files.sif_bytes(arch="s390x", labels={"a": "b"}, fingerprints=["ab" * 20])

    assert struct.unpack_from("<10s3s3s", content, 32) == (b"SIF_MAGIC\0", b"01\0", b"11\0")
    assert struct.unpack_from("<5q", content, 80) == (45, 48, 4096, 28_080, 32_176)

    rows = [content[at : at + 585] for at in range(4096, 4096 + 4 * 585, 585)]
    types = [struct.unpack_from("<i", row)[0] for row in rows]
    assert types == [0x4003, 0x4004, 0x4005, 0]

    labels, partition, signature, unused = rows
    assert struct.unpack_from("<qq", labels, 17) == (32_176, 10)
    assert content[32_176:32_186] == b'{"a": "b"}'
    assert struct.unpack_from("<ii3s", partition, 201) == (1, 2, b"11\0")
    assert struct.unpack_from("<q", partition, 17) == (32_768,)
    assert struct.unpack_from("<i20s", signature, 201) == (1, bytes.fromhex("ab" * 20))
    offset, size = struct.unpack_from("<qq", signature, 17)
    assert offset + size == len(content)
    assert unused == bytes(585)


def test_a_file_can_claim_what_is_not_so() -> None:
    honest = sif_files.sif_bytes()

    lying = sif_files.sif_bytes(
        header={"magic": b"SIF_MAGIK", "descriptors_total": 1 << 40},
        partition={"offset": -1, "size": 1 << 62},
    )

    assert len(lying) == len(honest)
    assert lying[32:42] == b"SIF_MAGIK\0"
    assert struct.unpack_from("<q", lying, 88) == (1 << 40,)
    assert struct.unpack_from("<qq", lying, 4096 + 17) == (-1, 1 << 62)
    assert lying[32_768:] == honest[32_768:]


def test_a_size_without_room_for_a_partition_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32769"):
        sif_files.sif_bytes(size=32_768)
