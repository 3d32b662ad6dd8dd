"""How strictly clients decode: Go's rules for JSON, and the wire's four objects by their kinds.

A single value of another kind fails a whole answer, also in a field that no client shows. Names of
fields match in any case, unknown ones are passed over, null and what is missing are zero values.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Check = Callable[[Any], bool]

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
OBJECT_ID = re.compile(r"([0-9a-f]{24})?")


class Undecodable(Exception):
    """What the client would stop at."""


@dataclass(frozen=True)
class Kind:
    """A kind of value, and what of JSON is one."""

    name: str
    check: Check
    is_id: bool = False

    def __str__(self) -> str:
        return self.name


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    return type(value) is int and -(2**63) <= value < 2**63


def _is_time(value: Any) -> bool:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_list(check: Check) -> Check:
    return lambda value: (
        isinstance(value, list) and all(each is None or check(each) for each in value)
    )


def _is_map(check: Check) -> Check:
    return lambda value: (
        isinstance(value, dict) and all(each is None or check(each) for each in value.values())
    )


STRING = Kind("string", _is_text)
INTEGER = Kind("integer", _is_integer)
BOOLEAN = Kind("boolean", lambda value: isinstance(value, bool))
TIME = Kind("time with a zone", _is_time)
STRINGS = Kind("list of strings", _is_list(_is_text))
MAP = Kind("map of strings", _is_map(_is_text))
ARCH_MAP = Kind("map of maps of strings", _is_map(_is_map(_is_text)))

# To the client libraries an id is any string; the clients before them take nothing but these.
ID = Kind("id", _is_text, is_id=True)
IDS = Kind("list of ids", STRINGS.check, is_id=True)
ID_MAP = Kind("map of ids", MAP.check, is_id=True)
ID_ARCH_MAP = Kind("map of maps of ids", ARCH_MAP.check, is_id=True)

Shape = Mapping[str, Kind]

COMMON: Shape = {
    "deleted": BOOLEAN,
    "createdBy": STRING,
    "createdAt": TIME,
    "updatedBy": STRING,
    "updatedAt": TIME,
    "deletedBy": STRING,
    "deletedAt": TIME,
    "owner": STRING,
}
ENTITY: Shape = {
    **COMMON,
    "id": ID,
    "name": STRING,
    "description": STRING,
    "collections": IDS,
    "size": INTEGER,
    "quota": INTEGER,
    "defaultPrivate": BOOLEAN,
    "customData": STRING,
}
COLLECTION: Shape = {
    **COMMON,
    "id": ID,
    "name": STRING,
    "description": STRING,
    "entity": ID,
    "containers": IDS,
    "size": INTEGER,
    "private": BOOLEAN,
    "customData": STRING,
    "entityName": STRING,
}
CONTAINER: Shape = {
    **COMMON,
    "id": ID,
    "name": STRING,
    "description": STRING,
    "fullDescription": STRING,
    "collection": ID,
    "images": IDS,
    "imageTags": ID_MAP,
    "archTags": ID_ARCH_MAP,
    "size": INTEGER,
    "downloadCount": INTEGER,
    "stars": INTEGER,
    "private": BOOLEAN,
    "readOnly": BOOLEAN,
    "customData": STRING,
    "entity": ID,
    "entityName": STRING,
    "collectionName": STRING,
}
IMAGE: Shape = {
    **COMMON,
    "id": ID,
    "hash": STRING,
    "description": STRING,
    "container": ID,
    "blob": ID,
    "size": INTEGER,
    "uploaded": BOOLEAN,
    "signed": BOOLEAN,
    "arch": STRING,
    "fingerprints": STRINGS,
    "encrypted": BOOLEAN,
    "customData": STRING,
    "entity": ID,
    "entityName": STRING,
    "collection": ID,
    "collectionName": STRING,
    "containerName": STRING,
    "tags": STRINGS,
    "containerDescription": STRING,
    "containerStars": INTEGER,
    "containerDownloads": INTEGER,
}
QUOTA: Shape = {"quotaTotal": INTEGER, "quotaUsage": INTEGER}
ERROR: Shape = {"code": INTEGER, "status": STRING, "message": STRING}
SEARCH: Mapping[str, Shape] = {
    "entity": ENTITY,
    "collection": COLLECTION,
    "container": CONTAINER,
    "image": IMAGE,
}


def read(content: bytes) -> Any:
    """A body's value, its numbers told apart: 5.0 and 5e3 are no integers."""
    try:
        return json.loads(content.decode(), parse_constant=_refuse_constant)
    except ValueError as error:
        raise Undecodable(f"no JSON: {error}") from None


def decode(value: Any, shape: Shape, *, object_ids: bool = False) -> dict[str, Any]:
    """The object, by the names of its shape; Undecodable at the first value of another kind."""
    found = list(faults(value, shape, object_ids=object_ids))
    if found:
        raise Undecodable("; ".join(found))
    names = {name.lower(): name for name in shape}
    return {
        names[name.lower()]: each for name, each in (value or {}).items() if name.lower() in names
    }


def faults(value: Any, shape: Shape, *, object_ids: bool = False) -> Iterator[str]:
    """Every value that is not of its kind; with `object_ids`, every id that is none of 2019."""
    if value is None:
        return
    if not isinstance(value, dict):
        yield f"{value!r} is no object"
        return
    kinds = {name.lower(): kind for name, kind in shape.items()}
    for name, each in value.items():
        kind = kinds.get(name.lower())
        if kind is None or each is None:
            continue
        if not kind.check(each):
            yield f"{name} is {each!r}, not a {kind}"
        elif object_ids and kind.is_id and not _are_object_ids(each):
            yield f"{name} is {each!r}, not of 24 hexadecimal digits"


def _are_object_ids(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_are_object_ids(each) for each in value.values())
    if isinstance(value, list):
        return all(_are_object_ids(each) for each in value)
    return value is None or bool(OBJECT_ID.fullmatch(value))


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
