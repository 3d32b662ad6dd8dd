"""Which store is the store."""

from shub.storage import object_store, replace_object_store
from shub.storage.memory import MemoryStore
from shub.storage.s3 import S3Store


def test_the_store_is_s3_and_one_for_the_process() -> None:
    assert isinstance(object_store(), S3Store)
    assert object_store() is object_store()


def test_a_test_may_replace_the_store_for_a_while() -> None:
    configured = object_store()
    with replace_object_store(MemoryStore()) as outer:
        assert object_store() is outer
        with replace_object_store(MemoryStore()) as inner:
            assert object_store() is inner
        assert object_store() is outer
    assert object_store() is configured
