"""Bytes: how they come, stay and go. Only this package knows of S3.

`object_store()` is the store; `shub.storage.interface` says what it promises, and
`shub.storage.keys` names what lies in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from shub.storage.interface import (
    IncompleteParts,
    Listed,
    NoSuchObject,
    ObjectStore,
    OpenParts,
    Part,
    Promise,
    StoredObject,
)

__all__ = [
    "IncompleteParts",
    "Listed",
    "NoSuchObject",
    "ObjectStore",
    "OpenParts",
    "Part",
    "Promise",
    "StoredObject",
    "object_store",
    "replace_object_store",
]

Store = TypeVar("Store", bound=ObjectStore)

_replacements: list[ObjectStore] = []


def object_store() -> ObjectStore:
    """The store that the settings name, one for the process; it connects when it is first asked."""
    return _replacements[-1] if _replacements else _configured_store()


@contextmanager
def replace_object_store(store: Store) -> Iterator[Store]:
    """For tests: within the context every thread's `object_store()` is this one."""
    _replacements.append(store)
    try:
        yield store
    finally:
        _replacements.pop()


@cache
def _configured_store() -> ObjectStore:
    # Here, since the two client libraries take a third of a second to import.
    from shub.storage.s3 import S3Store

    return S3Store()
