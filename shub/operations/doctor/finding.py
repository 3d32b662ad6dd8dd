"""Findings: what was looked at, what was seen, what it means for a user, and what to do."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise

Words = str | Promise


class State(StrEnum):
    """How it stands, the best first."""

    SKIPPED = "skipped"
    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `code` names what is wrong, and is the same in every release; it is empty where nothing is.
    `seen` is what happened, in technical words, without secrets. Who ran it fills in `check`.
    """

    state: State
    seen: str
    code: str = ""
    means: Words = ""
    remedy: Words = ""
    check: str = ""

    def as_json(self) -> dict[str, str]:
        """All of it, as texts."""
        return {name: str(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Finding":
        """What `as_json` told."""
        return cls(**{**told, "state": State(told["state"])})


DIAGNOSES: dict[str, "Diagnosis"] = {}


@dataclass(frozen=True)
class Diagnosis:
    """One thing that can be wrong: what it means for users, and how it is mended.

    `means` and `remedy` may have places for what is known at the moment: `{server}`.
    """

    code: str
    state: State
    means: Words
    remedy: Words

    def __post_init__(self) -> None:
        DIAGNOSES[self.code] = self

    def found(self, seen: str, **values: object) -> Finding:
        """It is so, as was seen."""
        means, remedy = str(self.means), str(self.remedy)
        if values:
            means, remedy = means.format(**values), remedy.format(**values)
        return Finding(self.state, seen, self.code, means, remedy)


def warning(code: str, means: Words, remedy: Words) -> Diagnosis:
    """It works, and will not for long, or not for all."""
    return Diagnosis(code, State.WARNING, means, remedy)


def fault(code: str, means: Words, remedy: Words) -> Diagnosis:
    """Something does not work."""
    return Diagnosis(code, State.FAULT, means, remedy)


def well(seen: str) -> Finding:
    """It is as it should be."""
    return Finding(State.OK, seen)


def skipped(why: str) -> Finding:
    """It was not looked at."""
    return Finding(State.SKIPPED, why)


def worst(findings: Iterable[Finding]) -> State:
    """The worst state of all; OK where there is none."""
    order = list(State)
    return max((each.state for each in findings), key=order.index, default=State.OK)
