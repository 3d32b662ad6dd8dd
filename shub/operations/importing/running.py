"""Running: several files at once, until all are done or the import is told to stop."""

from collections.abc import Callable, Iterator
from threading import Event, Lock, Thread

from django.db import InterfaceError, OperationalError, connection

from shub.errors import Refusal, Unavailable
from shub.operations.importing.planning import Planned
from shub.operations.importing.taking import Stopped, Taken, Work, take

# Waited before each further try where the store or the database is away.
PATIENCE_SECONDS = (1.0, 5.0)

Tell = Callable[[Planned, Taken | str], None]


class Away(Exception):
    """The store or the database does not answer, or the site is read-only; why."""


def run(planned: list[Planned], work: Work, *, workers: int, tell: Tell) -> None:
    """Take each, in order, by so many threads; what came of it, or why not, is told one by one.

    Away where the rest cannot be done now. Returns early where `work.stopping` is set.
    """
    crew = Crew(iter(planned), work, tell)
    threads = [
        Thread(target=crew.work_on, name=f"import-{number}", daemon=True)
        for number in range(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        # In pieces: a signal is handled between two of them.
        while thread.is_alive():
            thread.join(0.2)
    if crew.fault is not None:
        raise crew.fault


class Crew:
    """Threads that take the next file each."""

    def __init__(self, waiting: Iterator[Planned], job: Work, tell: Tell) -> None:
        self.waiting = waiting
        self.job = job
        self.tell = tell
        self.lock = Lock()
        self.fault: Exception | None = None

    def work_on(self) -> None:
        """Until nothing waits, the import is told to stop, or something is away."""
        try:
            while not self.job.stopping.is_set():
                with self.lock:
                    planned = next(self.waiting, None)
                if planned is None:
                    return
                outcome = self._outcome(planned)
                with self.lock:
                    self.tell(planned, outcome)
        except Stopped:
            pass
        except Exception as fault:  # noqa: BLE001  raised again where it is waited for
            self.fault = self.fault or fault
            self.job.stopping.set()
        finally:
            connection.close()

    def _outcome(self, planned: Planned) -> Taken | str:
        try:
            return _patiently(lambda: take(planned, self.job), self.job.stopping)
        except Refusal as refusal:
            return refusal.message
        except OSError as error:
            return f"cannot be read: {error.strerror or error}"


def _patiently(act: Callable[[], Taken], stopping: Event) -> Taken:
    """The act, tried again a few times where something is away."""
    for seconds in (*PATIENCE_SECONDS, None):
        try:
            return act()
        except (Unavailable, OperationalError, InterfaceError) as error:
            connection.close()
            if seconds is None:
                raise Away(str(error).strip().splitlines()[0]) from error
            if stopping.wait(seconds):
                raise Stopped from None
    raise AssertionError("the last try returns or raises")
