"""Ending early: a signal that would end the process at once lets it clean up first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from shub.operations.backup.failures import NotDone


@contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """Within the context SIGTERM and Ctrl-C raise NotDone in the main thread."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, _end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise NotDone(f"Ended by {signal.Signals(number).name}. Run again, it goes on where this ends.")
