"""Every promise of ObjectStore, on each store: in memory, JuiceFS' gateway, SeaweedFS.

Where one does not keep a promise, that is stated too.
"""

import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from secrets import token_hex
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import pytest

from shub.errors import Unavailable
from shub.storage import (
    IncompleteParts,
    NoSuchObject,
    ObjectStore,
    Part,
    Promise,
    StoredObject,
    reading,
    replace_object_store,
    s3,
)
from shub.storage.keys import blob_key
from shub.storage.memory import Answer
from shub.storage.reading import Read, read_and_hash
from tests.contract.conftest import Case, Wire

# S3's least size of a part that is not the last.
PART_BYTES = 5 * 1024**2
FIRST, SECOND, THIRD = b"1" * PART_BYTES, b"2" * PART_BYTES, b"the last part may be short"

# Of one length, so that nothing but the hash tells them apart.
ANNOUNCED, OTHER = b"what was announced", b"what was not so.  "

REFUSED = {400, 401, 403, 404}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def new_key(content: bytes = b"") -> str:
    return blob_key(sha256(content), token_hex(12))


def put(
    wire: Wire, store: ObjectStore, key: str, store_id: str, number: int, content: bytes
) -> Answer:
    """Send a part as a client does: ask for its address, PUT it there."""
    digest = sha256(content)
    address = store.part_address(key, store_id, number, digest, size=len(content))
    return wire.put(address, content, claimed=digest)


def part_of(answer: Answer, number: int) -> Part:
    """As a client names it when it is done: by what the store answered."""
    assert answer.status == 200, answer
    return Part(number, answer.headers["etag"].strip('"'))


def stored(store: ObjectStore, *contents: bytes) -> StoredObject:
    """An object of these parts."""
    key = new_key(b"".join(contents))
    store_id = store.start_parts(key)
    parts = [
        store.put_part(key, store_id, number, content)
        for number, content in enumerate(contents, start=1)
    ]
    return store.finish_parts(key, store_id, parts)


def content_of(store: ObjectStore, key: str) -> bytes:
    with store.read(key) as pieces:
        return b"".join(pieces)


@contextmanager
def minutes_ago(minutes: float) -> Iterator[None]:
    """Addresses are made as if so long ago."""
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    with mock.patch("django.utils.timezone.now", return_value=then):
        yield


def open_ids(store: ObjectStore) -> set[str]:
    return {each.store_id for each in store.open_parts(datetime.now(UTC) + timedelta(minutes=1))}


def altered(address: str) -> str:
    """The address with the last digit of its signature changed."""
    return address[:-1] + ("0" if address[-1] != "0" else "1")


# ── what is promised ──


def test_the_store_promises_no_more_than_its_server_keeps(case: Case) -> None:
    assert case.store.promises <= case.promises
    assert (Promise.SIGNED_PAYLOAD in case.store.promises) == (
        Promise.SIGNED_PAYLOAD in case.promises
    )


# ── the bucket ──


def test_a_bucket_is_made_once(store: ObjectStore) -> None:
    assert store.make_bucket() is False


def test_a_bucket_is_made_by_several_at_once(store: ObjectStore, settings: object) -> None:
    if isinstance(store, s3.S3Store):
        settings.MINIO_BUCKET = f"raced-{token_hex(4)}"  # type: ignore[attr-defined]
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda _: store.make_bucket(), range(8)))
        assert any(made)
    assert store.make_bucket() is False


# ── in, by parts ──


def test_parts_sent_out_of_order_are_joined_in_order(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    third = part_of(put(wire, store, key, store_id, 3, THIRD), 3)
    first = part_of(put(wire, store, key, store_id, 1, FIRST), 1)
    second = part_of(put(wire, store, key, store_id, 2, SECOND), 2)

    finished = store.finish_parts(key, store_id, [third, first, second])

    assert finished == store.stat(key)
    assert finished.size == len(FIRST + SECOND + THIRD)
    assert content_of(store, key) == FIRST + SECOND + THIRD


def test_an_object_may_be_one_short_part(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    only = part_of(put(wire, store, key, store_id, 1, b"x"), 1)
    assert store.finish_parts(key, store_id, [only]).size == 1
    assert content_of(store, key) == b"x"


def test_parts_may_be_sent_at_the_same_time(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    contents = [FIRST, SECOND, THIRD]
    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(
            lambda at: put(wire, store, key, store_id, at + 1, contents[at]), range(3)
        )
        parts = [part_of(answer, number) for number, answer in enumerate(answers, start=1)]
    store.finish_parts(key, store_id, parts)
    assert content_of(store, key) == b"".join(contents)


def test_parts_are_listed_by_number_with_their_sizes_and_etags(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LISTED_AT_ONCE", 2)
    key = new_key()
    store_id = store.start_parts(key)
    assert store.list_parts(key, store_id) == []
    sent = {number: store.put_part(key, store_id, number, b"%d" % number) for number in (5, 2, 1)}
    sent |= {number: store.put_part(key, store_id, number, b"%d" % number) for number in (3, 4)}
    assert store.list_parts(key, store_id) == [sent[number] for number in (1, 2, 3, 4, 5)]
    assert sent[5].size == 1
    assert sent[5].etag == hashlib.md5(b"5").hexdigest()


def test_a_part_sent_again_replaces_the_earlier_one(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    part_of(put(wire, store, key, store_id, 1, b"an earlier attempt"), 1)
    time.sleep(1.1)  # SeaweedFS keeps both, and tells by the second which one is later
    again = part_of(put(wire, store, key, store_id, 1, b"the part"), 1)

    assert store.list_parts(key, store_id) == [Part(1, again.etag, len(b"the part"))]
    assert store.finish_parts(key, store_id, [again]).size == len(b"the part")
    assert content_of(store, key) == b"the part"


def test_parts_of_an_upload_that_is_not_open_are_missing(store: ObjectStore) -> None:
    key = new_key()
    with pytest.raises(NoSuchObject):
        store.list_parts(key, "no-such-upload")
    with pytest.raises(NoSuchObject):
        store.put_part(key, "no-such-upload", 1, b"x")


# ── finishing ──


def test_finishing_with_a_part_missing_leaves_the_upload_open(
    store: ObjectStore, wire: Wire
) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    first = part_of(put(wire, store, key, store_id, 1, FIRST), 1)
    second = Part(2, hashlib.md5(THIRD).hexdigest())

    for _ in range(2):
        with pytest.raises(IncompleteParts):
            store.finish_parts(key, store_id, [first, second])
    with pytest.raises(NoSuchObject):
        store.stat(key)

    part_of(put(wire, store, key, store_id, 2, THIRD), 2)
    assert store.finish_parts(key, store_id, [first, second]).size == len(FIRST + THIRD)
    assert content_of(store, key) == FIRST + THIRD


def test_finishing_with_a_wrong_etag_leaves_the_upload_open(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    first = part_of(put(wire, store, key, store_id, 1, b"the part"), 1)
    with pytest.raises(IncompleteParts):
        store.finish_parts(key, store_id, [Part(1, hashlib.md5(b"another").hexdigest())])
    assert store.finish_parts(key, store_id, [first]).size == len(b"the part")


def test_finishing_with_no_parts_leaves_the_upload_open(store: ObjectStore) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    first = store.put_part(key, store_id, 1, b"x")
    with pytest.raises(IncompleteParts):
        store.finish_parts(key, store_id, [])
    assert store.finish_parts(key, store_id, [first]).size == 1


def test_finishing_twice_gives_the_same_object(store: ObjectStore) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    parts = [store.put_part(key, store_id, 1, FIRST), store.put_part(key, store_id, 2, THIRD)]
    once = store.finish_parts(key, store_id, parts)
    assert store.finish_parts(key, store_id, parts) == once
    assert content_of(store, key) == FIRST + THIRD


def test_finishing_what_was_never_begun_is_missing(store: ObjectStore) -> None:
    with pytest.raises(NoSuchObject):
        store.finish_parts(new_key(), "no-such-upload", [Part(1, "0" * 32)])


def test_finishing_an_aborted_upload_is_missing(store: ObjectStore) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    part = store.put_part(key, store_id, 1, b"x")
    store.abort_parts(key, store_id)
    with pytest.raises(NoSuchObject):
        store.finish_parts(key, store_id, [part])


def test_a_part_address_is_worth_nothing_after_finishing(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    unused = store.part_address(key, store_id, 2, sha256(THIRD), size=len(THIRD))
    used = store.part_address(key, store_id, 1, sha256(FIRST), size=len(FIRST))
    first = part_of(wire.put(used, FIRST, claimed=sha256(FIRST)), 1)
    finished = store.finish_parts(key, store_id, [first])

    assert wire.put(used, FIRST, claimed=sha256(FIRST)).status in REFUSED
    assert wire.put(used, SECOND, claimed=sha256(FIRST)).status in REFUSED
    assert wire.put(unused, THIRD, claimed=sha256(THIRD)).status in REFUSED
    assert store.stat(key) == finished
    assert content_of(store, key) == FIRST
    assert store_id not in open_ids(store)


# ── giving up ──


def test_a_part_address_is_worth_nothing_after_aborting(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(b"x"), size=1)
    part_of(wire.put(address, b"x", claimed=sha256(b"x")), 1)
    store.abort_parts(key, store_id)

    assert wire.put(address, b"x", claimed=sha256(b"x")).status in REFUSED
    with pytest.raises(NoSuchObject):
        store.list_parts(key, store_id)
    with pytest.raises(NoSuchObject):
        store.stat(key)
    assert store_id not in open_ids(store)


def test_aborting_what_is_not_open_does_nothing(store: ObjectStore) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    store.abort_parts(key, store_id)
    store.abort_parts(key, store_id)
    store.abort_parts(key, "no-such-upload")

    finished = stored(store, b"bytes")
    store.abort_parts(finished.key, "no-such-upload")
    assert store.stat(finished.key) == finished


def test_open_uploads_are_listed_until_they_are_finished_or_aborted(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LISTED_AT_ONCE", 2)
    keys = [new_key() for _ in range(5)]
    ids = [store.start_parts(key) for key in keys]
    assert set(ids) <= open_ids(store)

    store.finish_parts(keys[0], ids[0], [store.put_part(keys[0], ids[0], 1, b"x")])
    store.abort_parts(keys[1], ids[1])
    assert set(ids) & open_ids(store) == set(ids[2:])
    for key, store_id in zip(keys[2:], ids[2:], strict=True):
        store.abort_parts(key, store_id)


def test_open_uploads_are_listed_by_when_they_began(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    key = new_key()
    store_id = store.start_parts(key)
    after = datetime.now(UTC) + timedelta(seconds=5)

    assert store_id not in {each.store_id for each in store.open_parts(before)}
    (found,) = [each for each in store.open_parts(after) if each.store_id == store_id]
    assert found.key == key
    assert before < found.begun_at < after


# ── addresses that take bytes ──


def test_a_wrong_payload_under_a_signed_hash_is_refused(case: Case) -> None:
    store, wire = case.store, case.wire
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(ANNOUNCED), size=len(ANNOUNCED))
    answer = wire.put(address, OTHER, claimed=sha256(ANNOUNCED))
    if Promise.SIGNED_PAYLOAD in case.promises:
        assert answer.status in REFUSED
        assert store.list_parts(key, store_id) == []
    else:
        assert answer.status == 200
        assert [part.size for part in store.list_parts(key, store_id)] == [len(OTHER)]


def test_a_wrong_payload_that_owns_up_to_its_hash_is_refused(case: Case) -> None:
    store, wire = case.store, case.wire
    if Promise.SIGNED_PAYLOAD not in case.promises:
        pytest.skip("Without a signed hash there is none to contradict.")
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(ANNOUNCED), size=len(ANNOUNCED))
    answer = wire.put(address, OTHER, claimed=sha256(OTHER))
    assert answer.status in REFUSED
    assert store.list_parts(key, store_id) == []


def test_an_address_without_a_hash_takes_any_bytes(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, "", size=3)
    assert "x-amz-content-sha256" not in address
    assert wire.put(address, b"any").status == 200


@pytest.mark.parametrize("says_the_hash", [True, False])
def test_a_body_of_another_length_than_the_address_s_is_refused(
    store: ObjectStore, wire: Wire, says_the_hash: bool
) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    digest = sha256(ANNOUNCED) if says_the_hash else ""
    address = store.part_address(key, store_id, 1, digest, size=len(ANNOUNCED))
    for other in (ANNOUNCED + b"x", ANNOUNCED * 1000, ANNOUNCED[:-1], b"x", b""):
        for claimed in {digest, sha256(other)}:
            assert wire.put(address, other, claimed=claimed).status == 403
    assert store.list_parts(key, store_id) == []
    assert wire.put(address, ANNOUNCED, claimed=digest).status == 200
    assert [part.size for part in store.list_parts(key, store_id)] == [len(ANNOUNCED)]


def test_a_body_that_does_not_say_its_length_is_refused(case: Case) -> None:
    if not isinstance(case.store, s3.S3Store):
        pytest.skip("There is no wire on which a length could be left out.")
    key = new_key()
    store_id = case.store.start_parts(key)
    address = case.store.part_address(key, store_id, 1, "", size=len(ANNOUNCED))
    for beside in (
        {},
        {"Content-Length": str(len(ANNOUNCED))},
        {"X-Amz-Decoded-Content-Length": "18"},
    ):
        assert in_chunks(address, ANNOUNCED * 1000, beside) >= 400
        assert case.store.list_parts(key, store_id) == []


def in_chunks(address: str, content: bytes, beside: dict[str, str]) -> int:
    """The status of a PUT whose body comes in chunks, whatever else its head says."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=30)
    with closing(connection):
        connection.putrequest("PUT", f"{parts.path}?{parts.query}")
        for name, value in {"Transfer-Encoding": "chunked", **beside}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content))
        return connection.getresponse().status


def test_a_hash_is_signed_only_where_the_site_signs_content(case: Case) -> None:
    address = case.store.part_address(new_key(), "an-upload", 1, sha256(b"x"), size=1)
    signs = "x-amz-content-sha256" in address
    assert signs == (Promise.SIGNED_PAYLOAD in case.promises)


def test_a_part_may_be_sent_until_its_address_expires(
    store: ObjectStore, wire: Wire, settings: object
) -> None:
    settings.MINIO_SIGNED_URL_EXPIRE_MINUTES = 10  # type: ignore[attr-defined]
    key = new_key()
    store_id = store.start_parts(key)
    with minutes_ago(11):
        dead = store.part_address(key, store_id, 1, sha256(b"x"), size=1)
    with minutes_ago(9):
        alive = store.part_address(key, store_id, 1, sha256(b"x"), size=1)

    assert wire.put(dead, b"x", claimed=sha256(b"x")).status in REFUSED
    assert store.list_parts(key, store_id) == []
    assert wire.put(alive, b"x", claimed=sha256(b"x")).status == 200


def test_a_part_address_that_was_altered_is_refused(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(b"x"), size=1)
    for forged in (altered(address), address.replace(key, new_key()), address.split("?")[0]):
        assert forged != address
        assert wire.put(forged, b"x", claimed=sha256(b"x")).status in REFUSED
    assert store.list_parts(key, store_id) == []


def test_a_part_address_gives_nothing(store: ObjectStore, wire: Wire) -> None:
    finished = stored(store, b"bytes")
    address = store.part_address(finished.key, "an-upload", 1, "", size=5)
    assert wire.get(address).status in REFUSED


def test_a_bearer_that_comes_with_a_part(case: Case) -> None:
    store, wire = case.store, case.wire
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(b"x"), size=1)
    answer = wire.put(address, b"x", claimed=sha256(b"x"), authorization="Bearer of-a-registry")
    if Promise.BEARER_IGNORED in case.promises:
        assert answer.status == 200
    else:
        assert answer.status in REFUSED
        assert store.list_parts(key, store_id) == []


def test_a_copy_source_that_comes_with_a_part(case: Case, settings: object) -> None:
    store, wire = case.store, case.wire
    secret = stored(store, b"somebody's private bytes")
    sources = [f"/images/{secret.key}", f"images/{secret.key}"]
    if isinstance(store, s3.S3Store):
        with elsewhere(settings):
            store.make_bucket()
            sources.append(f"/another-bucket/{stored(store, b'of another registry').key}")
    key = new_key()
    store_id = store.start_parts(key)
    for source in sources:
        for ranged in ({}, {"x-amz-copy-source-range": "bytes=0-3"}):
            address = store.part_address(key, store_id, 1, sha256(b""), size=0)
            answer = wire.put(
                address, b"", claimed=sha256(b""), **{"x-amz-copy-source": source, **ranged}
            )
            if Promise.COPY_REFUSED in case.promises:
                assert answer.status in REFUSED, (source, ranged)
                assert b"ETag" not in answer.content
                assert store.list_parts(key, store_id) == []
            else:
                assert answer.status == 200
                assert store.list_parts(key, store_id)[0].size
    if Promise.COPY_REFUSED in case.promises:
        # The address is worth as much as before, to those who send a part.
        part = part_of(put(wire, store, key, store_id, 1, b"x"), 1)
        store.finish_parts(key, store_id, [part])
        assert content_of(store, key) == b"x"


@contextmanager
def elsewhere(settings: object) -> Iterator[None]:
    """In another bucket, as this server itself sees it."""
    bucket, settings.MINIO_BUCKET = settings.MINIO_BUCKET, "another-bucket"  # type: ignore[attr-defined]
    yield
    settings.MINIO_BUCKET = bucket  # type: ignore[attr-defined]


# ── out ──


def test_what_is_not_there_is_missing(store: ObjectStore, wire: Wire) -> None:
    key = new_key()
    with pytest.raises(NoSuchObject):
        store.stat(key)
    with pytest.raises(NoSuchObject), store.read(key) as pieces:
        list(pieces)
    with pytest.raises(NoSuchObject), store.read(key, length=0) as pieces:
        list(pieces)
    assert wire.get(store.object_address(key)).status == 404


def test_an_upload_that_is_open_is_no_object(store: ObjectStore) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    store.put_part(key, store_id, 1, b"x")
    with pytest.raises(NoSuchObject):
        store.stat(key)


def test_stat_names_the_size_and_an_etag_without_quotes(store: ObjectStore) -> None:
    finished = stored(store, FIRST, THIRD)
    assert finished.size == len(FIRST + THIRD)
    assert finished.etag
    assert '"' not in finished.etag
    assert store.stat(finished.key) == finished


def test_a_range_is_read_as_a_slice(store: ObjectStore) -> None:
    whole = FIRST + THIRD
    key = stored(store, FIRST, THIRD).key
    for start, length in (
        (0, None),
        (0, 1),
        (0, 0),
        (3, 0),
        (10, 20),
        (PART_BYTES - 1, 2),
        (PART_BYTES + 5, None),
        (PART_BYTES, 10**9),
        (len(whole) - 1, None),
        (len(whole), None),
        (len(whole) + 7, 3),
    ):
        end = None if length is None else start + length
        with store.read(key, start=start, length=length) as pieces:
            assert b"".join(pieces) == whole[start:end], (start, length)


def test_reading_gives_pieces_of_at_most_a_mebibyte(store: ObjectStore) -> None:
    key = stored(store, FIRST).key
    with store.read(key) as pieces:
        sizes = [len(piece) for piece in pieces]
    assert sum(sizes) == PART_BYTES
    assert min(sizes) > 0
    assert max(sizes) <= 1024**2


def test_reading_may_be_given_up(store: ObjectStore) -> None:
    key = stored(store, FIRST).key
    for _ in range(3):
        with store.read(key) as pieces:
            assert next(pieces)[:1] == b"1"
    assert content_of(store, key) == FIRST


def test_a_range_is_opened_with_what_it_is_of(store: ObjectStore) -> None:
    whole = FIRST + THIRD
    finished = stored(store, FIRST, THIRD)
    for start, length in (
        (0, None),
        (0, 7),
        (3, None),
        (PART_BYTES - 1, 2),
        (PART_BYTES, 10**9),
        (len(whole) - 1, 1),
    ):
        end = len(whole) if length is None else min(start + length, len(whole))
        for etag in ("", finished.etag):
            with store.open_range(finished.key, start=start, length=length, etag=etag) as answer:
                assert answer.whole == finished, (start, length)
                assert answer.length == end - start
                assert answer.read(1) + answer.read(answer.length - 1) == whole[start:end]
                with pytest.raises(Unavailable):
                    answer.read(1)


def test_a_range_of_another_object_is_not_opened(store: ObjectStore) -> None:
    finished = stored(store, FIRST, THIRD)
    with (
        pytest.raises(Unavailable),
        store.open_range(finished.key, start=1, length=5, etag="0" * 32),
    ):
        pass


def test_a_range_past_the_end_is_not_opened(store: ObjectStore) -> None:
    finished = stored(store, FIRST)
    with (
        pytest.raises(Unavailable),
        store.open_range(finished.key, start=PART_BYTES + 1, length=5, etag=finished.etag),
    ):
        pass


def test_a_range_of_what_is_missing_is_missing(store: ObjectStore) -> None:
    for etag in ("", "0" * 32):
        with pytest.raises(NoSuchObject), store.open_range(new_key(), etag=etag):
            pass


def test_a_range_may_be_broken_off(store: ObjectStore) -> None:
    finished = stored(store, FIRST, THIRD)
    for _ in range(3):
        with store.open_range(finished.key) as answer:
            assert answer.read(4) == b"1111"
            answer.break_off()
            with pytest.raises(Unavailable):
                answer.read(answer.length - 4)
            answer.break_off()
    assert content_of(store, finished.key) == FIRST + THIRD


@pytest.mark.parametrize("connections", [1, 3])
def test_an_object_is_read_and_hashed(
    store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    settings.MINIO_READ_CONNECTIONS = connections
    monkeypatch.setattr(reading, "FIRST_BYTES", 1024**2)
    monkeypatch.setattr(reading, "RANGE_BYTES", 700_001)
    whole = FIRST + SECOND + THIRD
    key = stored(store, FIRST, SECOND, THIRD).key
    so_far: list[int] = []
    with replace_object_store(store):
        read = read_and_hash(key, prefix_bytes=100, after_each=so_far.append)
        with pytest.raises(NoSuchObject):
            read_and_hash(new_key())
    assert read == Read(sha256(whole), len(whole), whole[:100])
    assert so_far == sorted(so_far)
    assert so_far[-1] == len(whole)


def test_an_empty_object_is_read_and_hashed(store: ObjectStore, settings: Any) -> None:
    key = new_key()
    store_id = store.start_parts(key)
    try:
        part = store.put_part(key, store_id, 1, b"")
        store.finish_parts(key, store_id, [part])
    except (IncompleteParts, Unavailable):
        pytest.skip("This store takes no empty part.")
    with replace_object_store(store):
        for settings.MINIO_READ_CONNECTIONS in (1, 3):
            assert read_and_hash(key, prefix_bytes=5) == Read(sha256(b""), 0, b"")


def test_an_address_gives_the_whole_object(store: ObjectStore, wire: Wire) -> None:
    finished = stored(store, FIRST, THIRD)
    answer = wire.get(store.object_address(finished.key))
    assert answer.status == 200
    assert answer.headers["content-length"] == str(finished.size)
    assert answer.content == FIRST + THIRD


def test_an_address_gives_ranges(store: ObjectStore, wire: Wire) -> None:
    finished = stored(store, FIRST, THIRD)
    address = store.object_address(finished.key)
    whole = FIRST + THIRD

    middle = wire.get(address, range=f"bytes={PART_BYTES - 2}-{PART_BYTES + 2}")
    assert middle.status == 206
    assert middle.headers["content-range"] == (
        f"bytes {PART_BYTES - 2}-{PART_BYTES + 2}/{finished.size}"
    )
    assert middle.headers["content-length"] == "5"
    assert middle.content == whole[PART_BYTES - 2 : PART_BYTES + 3]

    # As clients ask for the last part of an image.
    tail = wire.get(address, range=f"bytes={PART_BYTES}-{PART_BYTES * 2 - 1}")
    assert (tail.status, tail.content) == (206, THIRD)
    assert wire.get(address, range=f"bytes={finished.size}-").status == 416


def test_an_object_comes_as_a_download_of_no_media_type(store: ObjectStore, wire: Wire) -> None:
    page = b"<script>alert(1)</script>"
    key = new_key()
    store_id = store.start_parts(key)
    address = store.part_address(key, store_id, 1, sha256(page), size=len(page))
    sent = wire.put(address, page, claimed=sha256(page), content_type="text/html")
    store.finish_parts(key, store_id, [part_of(sent, 1)])

    for headers in ({}, {"range": "bytes=0-3"}):
        answer = wire.get(store.object_address(key), **headers)
        assert answer.status in {200, 206}
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment"

    named = wire.get(store.object_address(key, filename="gcc_13.2.sif"))
    assert named.headers["content-disposition"] == 'attachment; filename="gcc_13.2.sif"'
    with pytest.raises(ValueError):
        store.object_address(key, filename='a"; x="b')


def test_an_object_may_be_fetched_until_its_address_expires(
    store: ObjectStore, wire: Wire, settings: object
) -> None:
    settings.MINIO_DOWNLOAD_URL_EXPIRE_MINUTES = 720  # type: ignore[attr-defined]
    finished = stored(store, b"bytes")
    with minutes_ago(721):
        dead = store.object_address(finished.key)
    with minutes_ago(719):
        alive = store.object_address(finished.key)
    assert wire.get(dead).status in REFUSED
    assert wire.get(alive).content == b"bytes"


def test_an_object_address_that_was_altered_is_refused(store: ObjectStore, wire: Wire) -> None:
    first, second = stored(store, b"first"), stored(store, b"second")
    address = store.object_address(first.key)
    forgeries = {
        altered(address),
        address.replace(first.key, second.key),
        address.split("?")[0],
        address.replace("octet-stream", "html"),
        address.replace("attachment", "inline"),
    }
    for forged in forgeries - {address}:
        answer = wire.get(forged)
        assert answer.status in REFUSED, forged
        assert answer.content != b"second"


def test_an_object_address_takes_nothing(store: ObjectStore, wire: Wire) -> None:
    finished = stored(store, b"bytes")
    assert wire.put(store.object_address(finished.key), b"others").status in REFUSED
    assert content_of(store, finished.key) == b"bytes"


def test_a_bearer_that_comes_with_a_fetch(case: Case) -> None:
    finished = stored(case.store, b"bytes")
    address = case.store.object_address(finished.key)
    answer = case.wire.get(address, authorization="Bearer of-a-registry")
    if Promise.BEARER_IGNORED in case.promises:
        assert (answer.status, answer.content) == (200, b"bytes")
    else:
        assert answer.status in REFUSED
        assert b"bytes" not in answer.content


# ── away ──


def test_removing_twice_is_no_error(store: ObjectStore, wire: Wire) -> None:
    gone, kept = stored(store, b"gone"), stored(store, b"kept")
    address = store.object_address(gone.key)
    for _ in range(2):
        store.remove([gone.key, new_key()])
    with pytest.raises(NoSuchObject):
        store.stat(gone.key)
    assert wire.get(address).status == 404
    assert store.stat(kept.key) == kept


def test_removing_nothing_is_no_error(store: ObjectStore) -> None:
    store.remove([])


def test_more_than_a_thousand_are_removed(store: ObjectStore) -> None:
    first, last = stored(store, b"first"), stored(store, b"last")
    store.remove([first.key, *[new_key() for _ in range(1000)], last.key])
    for key in (first.key, last.key):
        with pytest.raises(NoSuchObject):
            store.stat(key)


# ── lists ──


def test_objects_are_listed_in_the_order_of_their_keys(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LISTED_AT_ONCE", 3)
    before = datetime.now(UTC) - timedelta(seconds=5)
    ours = {each.key: each for each in (stored(store, b"x" * count) for count in range(1, 9))}

    listed = [each for each in store.objects() if each.key in ours]
    assert [each.key for each in listed] == sorted(ours)
    assert all(each.size == ours[each.key].size for each in listed)
    assert all(before < each.modified_at < before + timedelta(minutes=2) for each in listed)


def test_a_list_of_objects_goes_on_after_any_key(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "LISTED_AT_ONCE", 2)
    ours = sorted(stored(store, b"same bytes").key for _ in range(3))
    ours = sorted([*ours, *(stored(store, bytes([count])).key for count in range(4))])
    for index, key in enumerate(ours):
        assert [each.key for each in store.objects(key) if each.key in ours] == ours[index + 1 :]
    # After one that is not there, too.
    gone = ours[3]
    store.remove([gone])
    assert [each.key for each in store.objects(gone) if each.key in ours] == ours[4:]


def test_only_whole_objects_are_listed(store: ObjectStore) -> None:
    removed, kept = stored(store, b"removed"), stored(store, b"kept")
    begun = new_key()
    store_id = store.start_parts(begun)
    store.put_part(begun, store_id, 1, b"a part")
    # JuiceFS leaves the folder that it lay in.
    store.remove([removed.key])

    keys = [each.key for each in store.objects()]
    assert kept.key in keys
    assert not {removed.key, begun} & set(keys)
    assert not [key for key in keys if key.endswith("/")]
    store.abort_parts(begun, store_id)


def test_more_than_a_thousand_objects_are_listed(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {each.key for each in pool.map(lambda _: stored(store, b"one of many"), range(1010))}
    assert {each.key for each in store.objects()} >= keys
    store.remove(sorted(keys))
    assert not {each.key for each in store.objects()} & keys


# ── keys ──


def test_the_same_bytes_of_two_uploads_are_two_objects(store: ObjectStore) -> None:
    first, second = stored(store, b"same"), stored(store, b"same")
    assert first.key != second.key
    assert first.key.startswith(f"blobs/{sha256(b'same')[:2]}/{sha256(b'same')}.")
    store.remove([first.key])
    assert content_of(store, second.key) == b"same"
