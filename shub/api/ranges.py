"""Ranges of bytes, as a request asks for one (RFC 9110, 14)."""

from dataclasses import dataclass

# A number of more digits is no position in anything.
MOST_DIGITS = 20


@dataclass(frozen=True)
class Range:
    """The bytes from `start` to before `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many bytes."""
        return self.end - self.start


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def parse(header: str, size: int) -> Range | None:
    """The one range of `size` bytes that the header asks for.

    None where it asks for none, for several, or in a form that is not known: then the whole is the
    answer. Unsatisfiable where nothing is there.

    >>> parse("bytes=0-1023", 5000), parse("bytes=-10", 5000), parse("", 5)
    (Range(start=0, end=1024), Range(start=4990, end=5000), None)
    """
    unit, equals, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash or not (first or last):
        return None
    if not (_is_position(first) and _is_position(last)):
        return None
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last or size) + 1, size)
        if last and int(last) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return Range(start, end)


def _is_position(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS)
