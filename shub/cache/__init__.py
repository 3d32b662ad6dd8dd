"""What all processes share for a while: a cache that also counts.

Django's own cache interface, on the registry's database or on Redis, and one verb more, `count`,
which is atomic however many processes count (docs/decisions/0017-limits.md). Values are JSON: what
is read back from a place that others may write to is never unpickled.
"""

from typing import NamedTuple, Protocol


class Counted(NamedTuple):
    """How often something was counted in its period, and how many seconds of that are left."""

    times: int
    seconds_left: int


class CountingCache(Protocol):
    """What a limit needs of the cache."""

    def count(self, key: str, seconds: int) -> Counted:
        """One more under this key. The first begins a period of so many seconds, anew after it."""
