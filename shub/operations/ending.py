"""Ending early: a signal that would end the process at once lets it clean up first."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


@contextmanager
def raises_on_signal(ended: Callable[[str], BaseException]) -> Iterator[None]:
    """Within the context SIGTERM and Ctrl-C raise, in the main thread, what is made of the signal's
    name."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise ended(signal.Signals(number).name)

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
