"""Several threads that begin together, each with its own connection."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from shub.errors import Refusal


def outcomes(*acts: Callable[[], object]) -> list[str]:
    """What came of each act: `done`, or the kind of the refusal."""
    barrier = Barrier(len(acts))

    def begin(act: Callable[[], object]) -> str:
        try:
            barrier.wait(10)
            act()
        except Refusal as refusal:
            return type(refusal).__name__
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(begin, acts))
