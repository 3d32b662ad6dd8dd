"""A saboteur: by a plan that its seed decides, it kills, freezes and cuts what a registry is made
of, as soon as all answers again, or sooner."""

import contextlib
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.faults.layouts import Layout

# How long it waits for an answer of everything before it goes on all the same.
PATIENCE_SECONDS = 30.0

KILL, FREEZE, CUT, CUT_SOON, REFUSE, DELAY = (
    "kill -9",
    "freeze",
    "cut",
    "cut after bytes",
    "refuse",
    "delay",
)
KINDS = {KILL: 76, FREEZE: 6, CUT: 9, CUT_SOON: 4, REFUSE: 2, DELAY: 3}

# A whole web server is away for longer than anything else, and then nobody is at work.
RARELY = frozenset({"web", "web-1", "web-2"})

# By the wire: what is cut soon is cut in the middle of a part, of an answer, of a row.
SOON_BYTES = {"front": 4_000, "sending": 4 << 20, "store": 2 << 20, "database": 30_000}


@dataclass(frozen=True)
class Fault:
    """One line of the plan."""

    kind: str
    target: str
    seconds: float
    """How long it lasts; a kill is over at once."""
    waits: bool
    """Whether the next one waits until all answers again."""
    pause_seconds: float
    """And then so long."""

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}{lasting}"


def plan(
    seed: str,
    victims: tuple[str, ...],
    wires: tuple[str, ...],
    *,
    longest_freeze_seconds: float = 20.0,
) -> Iterator[Fault]:
    """Faults without an end, the same for the same arguments."""
    chance = random.Random(f"{seed} faults")
    kinds, weights = zip(*KINDS.items(), strict=True)
    while True:
        kind = chance.choices(kinds, weights)[0]
        victim = chance.choices(victims, [1 if each in RARELY else 2 for each in victims])[0]
        wire = chance.choice(wires)
        # Short ones more often: from half a second to the longest.
        freeze = 0.5 * (longest_freeze_seconds / 0.5) ** (chance.random() ** 1.5)
        trouble = chance.uniform(0.3, 3)
        waits = chance.random() < 0.65
        # What waits leaves the others some time to work in; what does not hits them together.
        pause = chance.uniform(0.1, 1.2) if waits else chance.uniform(0, 0.3)
        if kind == KILL:
            yield Fault(kind, victim, 0.0, waits, pause)
        elif kind == FREEZE:
            yield Fault(kind, victim, freeze, waits, pause)
        else:
            yield Fault(kind, wire, 0.0 if kind == CUT else trouble, waits, pause)


class Saboteur(threading.Thread):
    """Does what is planned until the round is over, and then sets everything right."""

    def __init__(
        self,
        layout: Layout,
        seed: str,
        over: threading.Event,
        *,
        longest_freeze_seconds: float = 20.0,
        most_faults: int | None = None,
    ) -> None:
        super().__init__(name="saboteur", daemon=True)
        self.layout = layout
        self.done: Counter[tuple[str, str]] = Counter()
        """By kind and target."""
        self.log: list[str] = []
        self.slow: list[str] = []
        """What did not answer in time."""
        self._chance = random.Random(f"{seed} bytes")
        self._plan = plan(
            seed,
            layout.victims,
            tuple(layout.wires),
            longest_freeze_seconds=longest_freeze_seconds,
        )
        self._over = over
        self._most = most_faults
        self._lasting: list[threading.Thread] = []
        self._begun = time.monotonic()

    @property
    def kills(self) -> int:
        return sum(count for (kind, _), count in self.done.items() if kind == KILL)

    def run(self) -> None:
        self._begun = time.monotonic()
        for fault in self._plan:
            if self._over.is_set() or self._most == sum(self.done.values()):
                break
            if not self._do(fault):
                self._over.wait(0.05)
                continue
            self.done[fault.kind, fault.target] += 1
            self.log.append(f"{time.monotonic() - self._begun:7.2f} {fault}")
            if fault.waits:
                self._await_answers(str(fault))
            self._over.wait(fault.pause_seconds)
        for thread in self._lasting:
            thread.join()

    def _await_answers(self, after: str) -> None:
        patience = time.monotonic() + PATIENCE_SECONDS
        while not self._over.is_set() and not self.layout.answers():
            if time.monotonic() > patience:
                self.slow.append(f"no answer of everything within {PATIENCE_SECONDS} s: {after}")
                return
            time.sleep(0.1)

    def _do(self, fault: Fault) -> bool:
        """Whether it could be done."""
        if fault.kind == KILL:
            return self.layout.kill(fault.target)
        if fault.kind == FREEZE:
            pids = self.layout.processes(fault.target)
            if not pids:
                return False
            self._last(fault, lambda: signalled(pids, signal.SIGSTOP), lambda: go_on(pids))
            return True
        wire = self.layout.wires[fault.target]
        if fault.kind == CUT:
            wire.cut()
        elif fault.kind == CUT_SOON:
            most = SOON_BYTES[fault.target]
            self._last(
                fault,
                lambda: wire.cut_after(most, self._chance),
                lambda: wire.cut_after(0, self._chance),
            )
        elif fault.kind == REFUSE:

            def refuse() -> None:
                wire.refuse(True)
                wire.cut()

            self._last(fault, refuse, lambda: wire.refuse(False))
        else:
            piece_seconds = self._chance.uniform(0.02, 0.4)
            self._last(fault, lambda: wire.delay(piece_seconds), lambda: wire.delay(0))
        return True

    def _last(self, fault: Fault, begin: Callable[[], None], finish: Callable[[], None]) -> None:
        """Begin it now, and end it later, or with the round."""
        begin()

        def wait() -> None:
            self._over.wait(fault.seconds)
            finish()

        self._lasting = [each for each in self._lasting if each.is_alive()]
        thread = threading.Thread(target=wait, name=str(fault), daemon=True)
        thread.start()
        self._lasting.append(thread)


def signalled(pids: list[int], number: signal.Signals) -> None:
    """Send it to each that is still there."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def go_on(pids: list[int]) -> None:
    """SIGCONT."""
    signalled(pids, signal.SIGCONT)
