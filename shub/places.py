"""Places: how many of one kind may be under way at once in this process."""

from threading import BoundedSemaphore


class Places:
    """So many places, taken without waiting."""

    def __init__(self, count: int) -> None:
        self._free = BoundedSemaphore(count)

    def take(self) -> bool:
        """Take a place; False where all are taken."""
        return self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Give a place back."""
        self._free.release()
