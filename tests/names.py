"""Names and references for property tests, by the clients' expressions and not by the product's."""

import re

from hypothesis import strategies as st

# As every release since 3.0 has them, for one component and for what names an image by its hash.
NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
HASH_REF = re.compile(
    r"(sha256\.[a-f0-9]{64})"
    r"|(sif\.[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})"
)

_letters = st.text("abyz0189", min_size=1, max_size=30)


def _joined(parts: list[str], joints: list[str]) -> str:
    return "".join(part + joint for part, joint in zip(parts, [*joints, ""], strict=False))[:128]


legal_names = (
    st.lists(_letters, min_size=1, max_size=6)
    .flatmap(
        lambda parts: st.lists(
            st.sampled_from(["", ".", "_", "-"]),
            min_size=len(parts) - 1,
            max_size=len(parts) - 1,
        ).map(lambda joints: _joined(parts, joints).rstrip("._-"))
    )
    .filter(lambda name: bool(NAME.fullmatch(name)))
)

# Mostly not legal: what is one character away from it, and what comes from another alphabet.
near_names = st.one_of(
    st.text("aZ09._-", max_size=12),
    st.text("a._-/: \n\té%", max_size=8),
    st.builds(lambda name, end: name + end, legal_names, st.sampled_from(["\n", ".", "-", "A"])),
    st.builds(lambda name: name.upper(), legal_names),
    st.builds(lambda name, count: name * count, legal_names, st.integers(1, 20)),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200),
)

hash_refs = st.one_of(
    st.text("0123456789abcdef", min_size=64, max_size=64).map("sha256.{}".format),
    st.uuids().map("sif.{}".format),
)
