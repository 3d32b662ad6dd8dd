"""The sweep process: threads that verify, and one that tidies up."""

import logging
import select
import signal
from collections.abc import Callable, Sequence
from threading import Event, Thread
from time import monotonic

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from shub import configuration, metrics
from shub.containers import fixity
from shub.uploads import beats, totals
from shub.uploads.joining import CHANNEL
from shub.uploads.sweeps import housekeeping
from shub.uploads.verification import hand_back, verify_next

log = logging.getLogger(__name__)

# Between two looks when nothing wakes us: a lost wake-up costs no more than this.
LOOK_SECONDS = 1.0
TIDY_SECONDS = 30.0
AFTER_FAULT_SECONDS = 1.0

# Nothing is wanted soon of what is read again: by the next look, or when the store has come back.
REREAD_LOOK_SECONDS = 30.0

# After these outcomes of `fixity.read_next` the next may be read at once.
GO_ON = frozenset({"right", "damaged", "healed"})

# It stops between two pieces; a claim that it cannot hand back ends by itself.
REREAD_END_SECONDS = 0.5

# `sweep --once`, started each minute, begins to read again for so long.
REREAD_ONCE_SECONDS = 20.0


class Sweeper:
    """Runs the sweeps. Whatever Postgres or the store does, it goes on until it is stopped."""

    def __init__(self) -> None:
        self.stopping = Event()
        self.awake = Event()

    def once(self) -> None:
        """Verify what waits and tidy up, then return."""
        beats.beat()
        while verify_next():
            pass
        housekeeping()
        until = monotonic() + REREAD_ONCE_SECONDS
        while monotonic() < until and fixity.read_next(self.stopping.is_set) in GO_ON:
            pass
        totals.add()

    def run(self) -> None:
        """Sweep until SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        configuration.log(f"sweep, {settings.SWEEP_THREADS} verifying threads")
        # The heart first: no longer silence than the database's own, whatever the others do.
        self._start(self._beat, "heart")
        readers = [
            self._start(self._verify, f"verify-{index}") for index in range(settings.SWEEP_THREADS)
        ]
        self._start(self._listen, "ear")
        # Of its own: no push waits for what is read again.
        rereader = self._start(self._reread, "reread")
        log.info("The sweep runs.")
        self._repeat(self._tidy)
        rereader.join(REREAD_END_SECONDS)
        self._end(readers)
        log.info("The sweep ends.")

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self.stopping.set()
        self.awake.set()

    def _start(self, work: Callable[[], None], name: str) -> Thread:
        # Daemon threads end with the process: what they are reading is handed back before, and is
        # leased if even that cannot be done.
        thread = Thread(target=self._repeat, args=(work,), name=name, daemon=True)
        thread.start()
        return thread

    def _end(self, readers: Sequence[Thread]) -> None:
        """Let what is nearly read be read, hand the rest back, and say that this process ends."""
        patience = monotonic() + settings.SWEEP_STOP_SECONDS
        for reader in readers:
            reader.join(max(0.0, patience - monotonic()))
        try:
            close_old_connections()
            hand_back()
            totals.add()
            beats.end()
        except (OperationalError, InterfaceError):
            log.warning("The database is away: leases and the beat end by themselves.")

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
                metrics.DATABASE_ERRORS.inc()
                connection.close()
                self.stopping.wait(AFTER_FAULT_SECONDS)
            except Exception:
                # A fault of ours in one row must not end the process that proves all others.
                log.exception("A sweep failed; it is tried again.")
                self.stopping.wait(AFTER_FAULT_SECONDS)

    def _beat(self) -> None:
        beats.beat()
        totals.add()
        self.stopping.wait(beats.EVERY_SECONDS)

    def _verify(self) -> None:
        if not verify_next():
            self.awake.wait(LOOK_SECONDS)
            self.awake.clear()

    def _reread(self) -> None:
        if fixity.read_next(self.stopping.is_set) not in GO_ON:
            self.stopping.wait(REREAD_LOOK_SECONDS)

    def _tidy(self) -> None:
        begun = monotonic()
        housekeeping(self.stopping.is_set)
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
