"""Stopping: whether this process has been told to end.

Nothing begins to wait any more then, and who asks whether it is ready hears that it is not.
"""

_told = False


def tell() -> None:
    """From now on this process is ending. Takes no lock: safe in a signal handler."""
    global _told  # noqa: PLW0603  a process ends once
    _told = True


def is_told() -> bool:
    """Whether it is ending."""
    return _told
