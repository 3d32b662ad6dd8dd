"""Answers held against the API's description: docs/reference/openapi.yaml says all that is said."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DESCRIPTION = Path(__file__).parents[1] / "docs" / "reference" / "openapi.yaml"

# What is refused wherever it is asked: a body that is too large; and at an address, or by a method,
# that is not there.
ANYWHERE = {413}
NOWHERE = {400, 404, 405, 413}

REFUSAL = {"$ref": "#/components/schemas/Refusal"}


@cache
def description() -> dict[str, Any]:
    """The whole of it."""
    found: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    return found


@cache
def _paths() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Each path's pattern, those with more fixed words first."""
    listed = sorted(description()["paths"].items(), key=lambda each: each[0].count("{"))
    return [
        (re.compile(re.sub(r"\\\{(ref)\\\}|\\\{\w+\\\}", _part, re.escape(path))), operations)
        for path, operations in listed
    ]


def _part(found: re.Match[str]) -> str:
    return ".+" if found[1] else "[^/]+"


@cache
def _validator(key: str) -> Draft202012Validator:
    schema = {**_schemas[key], "components": description()["components"]}
    return Draft202012Validator(schema)


_schemas: dict[str, dict[str, Any]] = {}


def assert_described(method: str, path: str, status: int, media_type: str, body: Any) -> None:
    """The description has this answer: its status for this operation, and its body's form.

    `body` is parsed where it is JSON. HEAD is as GET, without a body.
    """
    address = re.sub(r"/+", "/", path.partition("?")[0]).rstrip("/")
    operation = next(
        (
            operations.get("get" if method == "HEAD" else method.lower(), {})
            for pattern, operations in _paths()
            if pattern.fullmatch(address)
        ),
        {},
    )
    answers = operation.get("responses", {})
    where = f"{method} {path}: {status}"
    if str(status) not in answers:
        undescribed = ANYWHERE if operation else NOWHERE
        assert status in undescribed, f"{where} is not described"
        content = {"application/json": {"schema": REFUSAL}}
    else:
        content = answers[str(status)].get("content", {})
    if method == "HEAD" or not content:
        return
    media = media_type.partition(";")[0]
    assert media in content, f"{where} is described as {set(content)}, not as {media!r}"
    if media != "application/json":
        return
    schema = content[media]["schema"]
    key = repr(schema)
    _schemas[key] = schema
    fault = next(_validator(key).iter_errors(body), None)
    assert fault is None, f"{where}: {fault.json_path}: {fault.message}"
