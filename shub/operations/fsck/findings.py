"""Findings: one thing each that was found, where, and what was done about it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shub.operations.fsck.kinds import KINDS, Kind

# Does what is safe; what it did, in words, or nothing where there was nothing safe to do.
Mend = Callable[[], str]


@dataclass(frozen=True)
class Finding:
    """What was found, after it was looked at again."""

    kind: Kind
    subject: str
    """The object's key, or the image, tag or upload, as people name it."""
    seen: str
    mend: Mend | None = field(default=None, compare=False)
    repaired: str = ""
    """What --repair did; empty: nothing."""
    images: tuple[str, ...] = ()
    """Some of the images that it concerns."""

    @property
    def is_left(self) -> bool:
        """There is still something to do."""
        return not self.repaired

    def as_json(self) -> dict[str, Any]:
        """All of it but the kind's own words, which do not change."""
        return {
            "type": "finding",
            "kind": self.kind.code,
            "subject": self.subject,
            "seen": self.seen,
            "images": list(self.images),
            "can_repair": bool(self.mend),
            "repaired": self.repaired,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> "Finding":
        """What `as_json` told, without what mends it."""
        return cls(
            KINDS[told["kind"]],
            told["subject"],
            told["seen"],
            repaired=told["repaired"],
            images=tuple(told["images"]),
        )
