"""A push under way in a real client, and the moments in it at which something can be killed."""

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path

import psycopg2

from tests.clients.apptainer import Apptainer
from tests.clients.live import Live
from tests.clients.outcome import Outcome
from tests.faults import inventory

# A push that is still not over by then hangs, and that is a finding.
PUSH_SECONDS = 240


class Moment(StrEnum):
    """Where in a push; each but the first is a state of its upload."""

    SENDING = "open"  # and the first part has arrived
    JOINING = "joining"
    VERIFYING = "verifying"


class Push:
    """One `apptainer push` in the background."""

    def __init__(self, cli: Apptainer, image: Path, ref: str, digest: str) -> None:
        self._arguments = (cli, image, ref)
        self._digest = digest
        self._begun = time.monotonic()
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._outcome: Future[Outcome] = self._pool.submit(
            cli.run, "push", "-U", image, ref, seconds=PUSH_SECONDS
        )

    @property
    def is_over(self) -> bool:
        return self._outcome.done()

    def outcome(self) -> Outcome:
        """What the client said, once it has ended."""
        found = self._outcome.result(PUSH_SECONDS + 10)
        self._pool.shutdown()
        return found

    def wait_for(self, moment: Moment, live: Live) -> str:
        """Return at the moment, or right after one that was too short to be seen; what was seen."""
        store = inventory.client(live)
        with _connected(live) as cursor:
            while not self.is_over:
                cursor.execute(
                    "SELECT state, key, store_id FROM uploads_upload WHERE digest = %s"
                    " ORDER BY id DESC LIMIT 1",
                    [self._digest],
                )
                state, key, store_id = cursor.fetchone() or ("", "", "")
                if state in _after(moment):
                    return f"{state} already"
                if state == moment and moment is not Moment.SENDING:
                    return str(state)
                if state == moment:
                    parts = inventory.parts_arrived(store, live.store["bucket"], key, store_id)
                    if parts:
                        return f"{state}, {parts} arrived"
                # Joining is a matter of milliseconds: while that is looked for, no pause.
                time.sleep(0 if moment is Moment.JOINING else 0.005)
        raise AssertionError(f"The push was over before it was {moment}: {self.outcome()}")


def _after(moment: Moment) -> tuple[str, ...]:
    order = [*Moment, "done", "refused"]
    return tuple(order[order.index(moment) + 1 :])


@contextlib.contextmanager
def _connected(live: Live) -> Iterator["psycopg2.extensions.cursor"]:
    """A session of the registry's database in which each question sees the newest rows."""
    connection = psycopg2.connect(live.database)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
