"""What is in an image: bytes in, facts out. Pure Python, no Django; hostile input is expected."""

from shub.sif.facts import PREFIX_BYTES, Facts, UnreadableSIF, read_facts

__all__ = ["PREFIX_BYTES", "Facts", "UnreadableSIF", "read_facts"]
