"""What a run is asked for, and what it is going to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shub.operations.setup.choices import Choices
from shub.operations.setup.failures import Refused


@dataclass(frozen=True)
class Request:
    """What the flags say. None, and nothing in a list, is nothing said."""

    chosen: Mapping[str, Any]
    sign_in: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    # Settings that are secrets, and other secrets' names, with the file that holds each.
    secret_files: Mapping[str, Path] = field(default_factory=dict)
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    store_certificate: Path | None = None
    store_key: Path | None = None
    renew: Sequence[str] = ()


@dataclass
class Plan:
    """What is to be written, and what is to be told of it."""

    choices: Choices
    files: dict[str, str] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    # Sentences; those of `told` were asked for by name, the others have to be agreed to.
    changed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    # The files that follow from what was asked for by name.
    asked_for: set[str] = field(default_factory=set)
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    ways: list[str] = field(default_factory=list)
    first: bool = False


def read_file(path: Path, flag: str) -> str:
    """The text of a file that a flag names; Refused where it cannot be read."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise Refused(f"{flag}: {path}: {reason}.") from None
