"""The course of one fault: a push is hit and repeated, its image pulled, and the rest counted."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.clients.apptainer import Apptainer
from tests.clients.outcome import Outcome, assert_done, without_secrets
from tests.faults import inventory
from tests.faults.pushing import Moment, Push
from tests.faults.registry import Registry, Victim
from tests.quickstart.running import eventually
from tests.sif_files import digest_of

# A lease of 15 s may have to run out first, and the sweep tidies every 30 s.
SETTLED_SECONDS = 90

# Blocks of the store are removed a while after the objects that they belong to: for so long
# nothing more has gone.
DISK_SECONDS = 4

# The store's own configuration, and what it notes of the bucket.
DISK_SLACK_BYTES = 256 * 1024

# JuiceFS forgets the blocks of a part that it was killed under: they stay until `juicefs gc`.
LOST_PART_BYTES = 64 << 20


# Does something to the registry, and gives back what waits until the registry is whole again.
Strike = Callable[[], Callable[[], None]]


@dataclass(frozen=True)
class Course:
    """What was seen."""

    what: str
    seen: str
    """How far the push was when it was hit."""
    first: Outcome
    left: str
    again: Outcome
    lost_bytes: int
    """On the store's disk beyond the proven images, when all was swept."""

    def __str__(self) -> str:
        return (
            f"{self.what} | {self.seen} | exit {self.first.returncode}: "
            f"{last_words(self.first)} | left: {self.left} | again: exit {self.again.returncode}: "
            f"{last_words(self.again)} | lost on disk: {self.lost_bytes} bytes"
        )


@dataclass(frozen=True)
class Bench:
    """A registry, a user of it, and an image that is to be pushed."""

    registry: Registry
    cli: Apptainer
    image: Path
    digest: str
    ref: str

    def push(self) -> Push:
        return Push(self.cli, self.image, self.ref, self.digest)


def run(bench: Bench, what: str, wait: Callable[[Push], str], strike: Strike) -> Course:
    """Push; strike when the wait is over; let everything come back; push again; pull; sweep."""
    registry = bench.registry
    push = bench.push()
    seen = wait(push)
    recover = strike()
    first = push.outcome()
    recover()
    found = inventory.take(registry.live)
    inventory.assert_honest(found)
    if first.returncode == 0:
        # Before it is repeated: what was acknowledged is there.
        await_settled(registry)
        assert_pulled_equal(bench)
    again = bench.push().outcome()
    assert_done(again)
    await_settled(registry)
    assert_pulled_equal(bench)
    registry.sweep_as_of_tomorrow()
    swept = inventory.take(registry.live)
    inventory.assert_nothing_left(swept)
    assert [digest for digest, _ in swept.tags.values()] == [bench.digest]
    lost = await_disk(registry, swept.proven_bytes)
    assert registry.traces() == []
    return Course(what, seen, first, str(found), again, lost)


def killing(registry: Registry, victim: Victim) -> Strike:
    """kill -9."""

    def strike() -> Callable[[], None]:
        killed = registry.kill(victim)
        return lambda: registry.await_restart(victim, killed)

    return strike


def freezing(registry: Registry, victim: Victim, seconds: float) -> Strike:
    """Stop the process for a while, and let it go on as if nothing had been."""

    def strike() -> Callable[[], None]:
        pid = registry.pid(victim)
        os.kill(pid, signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)
        return lambda: eventually(registry.quickstart.works, "an answer")

    return strike


def at(moment: Moment, registry: Registry, *, later: float = 0) -> Callable[[Push], str]:
    """Wait for the moment, and then so many seconds more."""

    def wait(push: Push) -> str:
        seen = push.wait_for(moment, registry.live)
        time.sleep(later)
        return f"upload {seen}, hit {later * 1000:.0f} ms later"

    return wait


def after(seconds: float) -> Callable[[Push], str]:
    """Wait by the clock, wherever the push then is."""

    def wait(push: Push) -> str:
        time.sleep(seconds)
        return f"{seconds * 1000:.0f} ms after its start" + (", over" if push.is_over else "")

    return wait


def await_settled(registry: Registry) -> None:
    """Wait until no upload is being joined or verified."""
    # A while passes before the sweep goes on with what a request has left: that while, here.
    registry.live.change(
        "UPDATE uploads_upload SET active_at = active_at - interval '150 s' WHERE state = 'joining'"
    )
    eventually(
        lambda: (
            not registry.live.rows(
                "SELECT 1 FROM uploads_upload WHERE state IN ('joining', 'verifying')"
            )
        ),
        "an end of joining and verifying",
        SETTLED_SECONDS,
    )


def assert_pulled_equal(bench: Bench) -> None:
    """What comes back is what was sent, bit for bit."""
    pulled = bench.image.with_name("pulled.sif")
    try:
        assert_done(bench.cli.run("pull", "--disable-cache", pulled, bench.ref, seconds=300))
        assert digest_of(pulled) == bench.digest
    finally:
        pulled.unlink(missing_ok=True)


def await_disk(registry: Registry, proven_bytes: int) -> int:
    """Wait until the store's blocks are as many as the images need, or stay more; the rest."""
    folder = registry.quickstart.data_dir / "store"
    lost, since = -1, time.monotonic()
    while True:
        now = inventory.disk_bytes(folder) - proven_bytes
        if now <= DISK_SLACK_BYTES:
            return 0
        if now != lost:
            lost, since = now, time.monotonic()
        elif time.monotonic() - since > DISK_SECONDS:
            return lost
        time.sleep(0.2)


def last_words(outcome: Outcome) -> str:
    """What tells the user how it ended, in one line."""
    lines = [line.strip() for line in without_secrets(outcome.said).splitlines() if line.strip()]
    for number, line in enumerate(lines):
        if line.startswith("FATAL"):
            return " ".join(lines[number:])
    uploaded = [line for line in lines if "Uploaded" in line]
    return (uploaded or lines or [""])[-1]
