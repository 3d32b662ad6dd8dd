"""The sweep process: threads that verify, and one that tidies up."""

import logging
import select
import signal
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from shub.uploads.joining import CHANNEL
from shub.uploads.sweeps import housekeeping
from shub.uploads.verification import verify_next

log = logging.getLogger(__name__)

# Between two looks when nothing wakes us: a lost wake-up costs no more than this.
LOOK_SECONDS = 1.0
TIDY_SECONDS = 30.0
AFTER_FAULT_SECONDS = 1.0


class Sweeper:
    """Runs the sweeps. Whatever Postgres or the store does, it goes on until it is stopped."""

    def __init__(self) -> None:
        self.stopping = Event()
        self.awake = Event()

    def once(self) -> None:
        """Verify what waits and tidy up, then return."""
        while verify_next():
            pass
        housekeeping()

    def run(self) -> None:
        """Sweep until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        threads = [
            Thread(target=self._repeat, args=(self._verify,), name=f"verify-{index}", daemon=True)
            for index in range(settings.SWEEP_THREADS)
        ]
        threads.append(Thread(target=self._repeat, args=(self._listen,), name="ear", daemon=True))
        for thread in threads:
            thread.start()
        log.info("The sweep runs with %d verifying threads.", settings.SWEEP_THREADS)
        self._repeat(self._tidy)
        # Daemon threads end with the process: what they were reading is leased, and is taken up
        # again when the lease ends.
        log.info("The sweep ends.")

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self.stopping.set()
        self.awake.set()

    def _repeat(self, work: Callable[[], None]) -> None:
        while not self.stopping.is_set():
            try:
                close_old_connections()
                work()
            except (OperationalError, InterfaceError) as error:
                log.warning(
                    "The database is away: %s",
                    (str(error).strip() or type(error).__name__).splitlines()[0],
                )
                connection.close()
                self.stopping.wait(AFTER_FAULT_SECONDS)
            except Exception:
                # A fault of ours in one row must not end the process that proves all others.
                log.exception("A sweep failed; it is tried again.")
                self.stopping.wait(AFTER_FAULT_SECONDS)

    def _verify(self) -> None:
        if not verify_next():
            self.awake.wait(LOOK_SECONDS)
            self.awake.clear()

    def _tidy(self) -> None:
        begun = monotonic()
        housekeeping()
        self.stopping.wait(max(0.0, TIDY_SECONDS - (monotonic() - begun)))

    def _listen(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        raw = connection.connection
        while not self.stopping.is_set():
            if select.select([raw], [], [], LOOK_SECONDS)[0]:
                with connection.wrap_database_errors:
                    raw.poll()
                raw.notifies.clear()
                self.awake.set()
