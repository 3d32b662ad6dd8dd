"""What the contract suite does not see of the store in a dict."""

from concurrent.futures import ThreadPoolExecutor

from shub.storage import Part
from shub.storage.keys import blob_key
from shub.storage.memory import MemoryStore

KEY = blob_key("a" * 64, "1" * 24)


def test_finishing_at_the_same_time_gives_one_object() -> None:
    store = MemoryStore()
    store_id = store.start_parts(KEY)
    parts = [store.put_part(KEY, store_id, number, b"%d" % number) for number in (1, 2)]
    with ThreadPoolExecutor(4) as pool:
        finished = set(pool.map(lambda _: store.finish_parts(KEY, store_id, parts), range(20)))
    assert finished == {store.stat(KEY)}


def test_an_upload_is_known_by_its_key_too() -> None:
    store = MemoryStore()
    store_id = store.start_parts(KEY)
    store.abort_parts(blob_key("b" * 64, "1" * 24), store_id)
    assert store.list_parts(KEY, store_id) == []


def test_two_stores_share_nothing() -> None:
    first, second = MemoryStore(), MemoryStore()
    store_id = first.start_parts(KEY)
    first.finish_parts(KEY, store_id, [first.put_part(KEY, store_id, 1, b"x")])
    address = first.object_address(KEY)
    assert first.answer("GET", address, headers={}).content == b"x"
    assert second.answer("GET", address, headers={}).status == 403


def test_an_address_names_the_host_that_was_asked() -> None:
    store = MemoryStore()
    assert store.object_address(KEY, asked_host="registry.lab").startswith("memory://registry.lab/")


def test_a_later_change_of_the_bytes_does_not_reach_the_store() -> None:
    store = MemoryStore()
    store_id = store.start_parts(KEY)
    content = bytearray(b"before")
    sent = store.put_part(KEY, store_id, 1, content)
    content[:] = b"after!"
    assert store.list_parts(KEY, store_id) == [sent]
    assert store.finish_parts(KEY, store_id, [Part(1, sent.etag)]).size == 6
    with store.read(KEY) as pieces:
        assert b"".join(pieces) == b"before"
