"""What is read from a SIF's header and descriptors, and what hostile files get."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shub.sif import PREFIX_BYTES, Facts, UnreadableSIF, read_facts
from shub.sif.layout import ARCHES
from tests.sif_files import SIGNATURE, Item, sif_bytes

FINGERPRINT = "12" * 19 + "AB"


def facts_of(content: bytes) -> Facts:
    return read_facts(content[:PREFIX_BYTES], len(content))


@pytest.mark.parametrize("arch", sorted(ARCHES.values()))
def test_every_architecture_is_read_by_its_go_name(arch: str) -> None:
    assert facts_of(sif_bytes(arch=arch)).arch == arch


def test_an_unknown_architecture_is_allowed() -> None:
    assert facts_of(sif_bytes(arch="unknown")).arch == ""


def test_a_signature_is_a_claim_with_the_keys_fingerprint() -> None:
    facts = facts_of(sif_bytes(fingerprints=[FINGERPRINT, FINGERPRINT]))
    assert (facts.signed, facts.fingerprints) == (True, (FINGERPRINT,))


def test_a_signature_without_a_pgp_key_is_a_signature() -> None:
    facts = facts_of(sif_bytes(fingerprints=["00" * 20]))
    assert (facts.signed, facts.fingerprints) == (True, ())


def test_an_unsigned_image_is_not_signed() -> None:
    facts = facts_of(sif_bytes())
    assert (facts.signed, facts.fingerprints, facts.encrypted) == (False, (), False)


def test_an_encrypted_partition_is_seen() -> None:
    assert facts_of(sif_bytes(encrypted=True)).encrypted


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"header": {"magic": b"ELF"}}, "no SIF image"),
        ({"header": {"descriptors_total": 1 << 40}}, "descriptors, expected 0 to 1024"),
        ({"header": {"descriptors_total": -1}}, "descriptors, expected 0 to 1024"),
        ({"partition": {"offset": -1}}, "cut short"),
        ({"partition": {"offset": 1 << 62}}, "cut short"),
        ({"partition": {"size": 1 << 62}}, "cut short"),
    ],
)
def test_a_header_that_cannot_be_is_refused_with_what_is_wrong(
    broken: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnreadableSIF, match=words):
        facts_of(sif_bytes(**broken))


def test_a_file_that_was_cut_short_is_refused() -> None:
    content = sif_bytes()
    for length in (0, 1, 127, 128, 5000, len(content) - 1):
        with pytest.raises(UnreadableSIF):
            facts_of(content[:length])


@given(st.binary(max_size=4096))
def test_no_bytes_make_it_fail_in_another_way(content: bytes) -> None:
    with pytest.raises(UnreadableSIF):
        facts_of(content)


@given(st.lists(st.tuples(st.integers(0, 33_000), st.integers(0, 255)), min_size=1, max_size=20))
def test_no_change_of_a_good_file_makes_it_fail_in_another_way(
    changes: list[tuple[int, int]],
) -> None:
    content = bytearray(sif_bytes(fingerprints=[FINGERPRINT]))
    for offset, value in changes:
        content[offset] = value
    try:
        facts = facts_of(bytes(content))
    except UnreadableSIF:
        return
    assert facts.arch in {"", *ARCHES.values()}


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"header": {"arch": "99"}}, ("architecture 99",)),
        ({"partition": {"extra": struct.pack("<ii3s", 9, 2, b"02")}}, ("file system 9",)),
        ({"partition": {"extra": struct.pack("<ii3s", 1, 2, b"77")}}, ("architecture 77",)),
        ({"items": [Item(0x4FFF, b"x")]}, ("object of type 0x4fff",)),
        (
            {"items": [Item(SIGNATURE, b"x", extra=struct.pack("<i20s", 9, b""))]},
            ("signature over hash 9",),
        ),
        ({"items": [Item(0x4F00 + number, b"x") for number in range(20)]}, None),
        ({"arch": "unknown"}, ()),
        ({"fingerprints": [FINGERPRINT], "encrypted": True}, ()),
    ],
)
def test_what_is_not_understood_is_kept_and_named(
    what: dict[str, Any], words: tuple[str, ...] | None
) -> None:
    unread = facts_of(sif_bytes(**what)).unread
    assert unread == words if words is not None else len(unread) == 10
