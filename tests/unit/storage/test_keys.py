"""Where blobs lie."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shub.storage.keys import blob_key

digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
upload_ids = st.binary(min_size=12, max_size=12).map(bytes.hex)


def test_a_key_names_the_bytes_and_the_upload() -> None:
    assert blob_key("0a" + "b" * 62, "1" * 24) == f"blobs/0a/0a{'b' * 62}.{'1' * 24}"


@given(digests, upload_ids, digests, upload_ids)
def test_no_key_is_a_path_prefix_of_another(
    digest: str, upload_id: str, other_digest: str, other_id: str
) -> None:
    key, other = blob_key(digest, upload_id), blob_key(other_digest, other_id)
    assert not other.startswith(f"{key}/")
    assert key.count("/") == other.count("/") == 2
    assert (key == other) == ((digest, upload_id) == (other_digest, other_id))


@pytest.mark.parametrize(
    ("digest", "upload_id"),
    [
        ("", "1" * 24),
        ("A" * 64, "1" * 24),
        ("a" * 63, "1" * 24),
        ("a" * 65, "1" * 24),
        ("a" * 64 + "\n", "1" * 24),
        ("sha256." + "a" * 64, "1" * 24),
        ("../" + "a" * 61, "1" * 24),
        ("a" * 64, ""),
        ("a" * 64, "1" * 23),
        ("a" * 64, "1" * 24 + "\n"),
        ("a" * 64, "1" * 22 + "/x"),
        ("a" * 64, "F" * 24),
    ],
)
def test_what_is_no_digest_or_id_makes_no_key(digest: str, upload_id: str) -> None:
    with pytest.raises(ValueError):
        blob_key(digest, upload_id)
