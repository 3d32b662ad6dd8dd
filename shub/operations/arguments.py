"""What several commands are told in the same words."""

from argparse import ArgumentTypeError


def at_least_one(written: str) -> int:
    """A number from 1."""
    if not written.isdecimal() or int(written) < 1:
        raise ArgumentTypeError("must be a number from 1")
    return int(written)
