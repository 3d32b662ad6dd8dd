"""Journals: what clients asked of a registry, when, and what it has acknowledged.

An act that was cut, wholly or in one of its tries, may have been done, and may be done later still:
what answers nobody is worked on for a while. So the journal tells what must be and what may be.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What a client can ask for."""

    PUSH = "push"
    PULL = "pull"
    TAG = "tag"
    DELETE = "delete"
    RESTORE = "restore"
    LIST = "list"
    ABORT = "abort"


class End(StrEnum):
    """How an act ended, for who asked."""

    DONE = "done"
    REFUSED = "refused"
    CUT = "cut"


@dataclass
class Act:
    """One thing that was asked for, however often it had to be tried."""

    who: str
    kind: Kind
    place: str
    """ENTITY/COLLECTION/CONTAINER"""
    digest: str
    tag: str = ""
    begun_at: float = 0.0
    ended_at: float = 0.0
    """Seconds of a clock that only goes on."""
    end: End = End.CUT
    cuts: int = 0
    """How many tries had no answer, or one that tells nothing (503)."""
    said: str = ""

    @property
    def is_sure(self) -> bool:
        """Whether it was done, between its two moments, and not a second time later."""
        return self.end is End.DONE and self.cuts == 0

    @property
    def over_at(self) -> float:
        """From when on it changes nothing more."""
        return self.ended_at if self.cuts == 0 else float("inf")


@dataclass
class Journal:
    """All acts of a round, in the order in which they ended, and what no answer may be."""

    acts: list[Act] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Answers that are wrong whatever happens: other bytes, a 500, a loss seen at once."""
    remarks: list[str] = field(default_factory=list)
    """What is no fault of the registry's, and worth to be told."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def act(
        self, who: str, kind: Kind, place: str, digest: str = "", tag: str = ""
    ) -> Iterator[Act]:
        """Write the act down when it ends; CUT unless the block says otherwise."""
        act = Act(who, kind, place, digest, tag, begun_at=time.monotonic())
        try:
            yield act
        finally:
            act.ended_at = time.monotonic()
            with self._lock:
                self.acts.append(act)

    def fault(self, words: str) -> None:
        """Write down what must never be."""
        with self._lock:
            self.faults.append(words)

    def count(self) -> dict[str, Counter[str]]:
        """How many acts ended how: end → kind → number."""
        found: dict[str, Counter[str]] = {str(end): Counter() for end in End}
        for act in self.acts:
            found[act.end][act.kind] += 1
        return found

    def write(self, path: Path) -> None:
        """A line of JSON for each act."""
        with path.open("w") as file:
            for act in self.acts:
                file.write(json.dumps(asdict(act)) + "\n")
            for words in self.faults:
                file.write(json.dumps({"fault": words}) + "\n")


# ── what has to be there ──
@dataclass(frozen=True)
class Expected:
    """What may be true of one thing when all is over."""

    values: frozenset[str]
    """Those that are right; one where all is sure."""

    @property
    def is_sure(self) -> bool:
        return len(self.values) == 1


THERE, AWAY = "there", "away"


def images(acts: list[Act]) -> dict[tuple[str, str], Expected]:
    """Of each image that was pushed, by place and digest: THERE, AWAY, or either."""
    value = {Kind.PUSH: THERE, Kind.RESTORE: THERE, Kind.DELETE: AWAY}
    by_image: dict[tuple[str, str], list[tuple[Act, str]]] = {}
    for act in acts:
        if act.kind in value:
            by_image.setdefault((act.place, act.digest), []).append((act, value[act.kind]))
    return {key: _last(found, nothing=AWAY) for key, found in by_image.items()}


def tags(
    acts: list[Act], *, never_moved: frozenset[tuple[str, str, str]] = frozenset()
) -> dict[tuple[str, str], Expected]:
    """Of each tag that was set, by place and name: the digest that it means, "" for none, or which
    of several.

    `never_moved` are those of place, name and digest that the tag's history knows nothing of: it
    waited for the image's proof. Where that was deleted before, the tag means what it meant.
    """
    by_tag: dict[tuple[str, str], list[tuple[Act, str]]] = {}
    meant: dict[tuple[str, str], set[str]] = {}
    for act in acts:
        if act.kind is Kind.TAG:
            by_tag.setdefault((act.place, act.tag), []).append((act, act.digest))
            meant.setdefault((act.place, act.digest), set()).add(act.tag)
    found = {key: _last(each, nothing="") for key, each in by_tag.items()}
    for (place, name), expected in found.items():
        sure = [
            act
            for act, _ in by_tag[place, name]
            if act.end is End.DONE and act.digest in expected.values
        ]
        since = max((act.begun_at for act in sure), default=0.0)
        values = set(expected.values)
        later = [
            act
            for act in acts
            if act.place == place
            and act.over_at >= since
            and (act.end is not End.REFUSED or act.cuts)
        ]
        # An image that comes back brings those of its tags that are free; one that goes takes its
        # tags along.
        values |= {
            act.digest
            for act in later
            if act.kind is Kind.RESTORE and name in meant.get((place, act.digest), ())
        }
        deleted = {act.digest for act in later if act.kind is Kind.DELETE} & values
        if deleted:
            values.add("")
        waited = {digest for digest in deleted if (place, name, digest) in never_moved}
        if waited:
            others = [each for each in by_tag[place, name] if each[1] not in waited]
            values |= _last(others, nothing="").values
        found[place, name] = Expected(frozenset(values))
    return found


def _last(acts: list[tuple[Act, str]], *, nothing: str) -> Expected:
    """The value of the last act that was surely done, and those of acts that may have come after
    it."""
    done = [(act, value) for act, value in acts if act.end is End.DONE]
    if not done:
        may = {value for act, value in acts if act.end is not End.REFUSED or act.cuts}
        return Expected(frozenset(may | {nothing}))
    last, value = max(done, key=lambda each: each[0].ended_at)
    others = {
        other
        for act, other in acts
        if act is not last
        and act.over_at >= last.begun_at
        and (act.end is not End.REFUSED or act.cuts)
    }
    return Expected(frozenset({value} | others))
