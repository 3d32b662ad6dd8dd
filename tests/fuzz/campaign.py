"""Many requests by several threads, each of which has its own chance and its own connection."""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.clients.outcome import without_secrets
from tests.fuzz import grammar, judging, mutations, sequences
from tests.fuzz.connection import Answer, Connection, CutOff, Hang, NotHTTP, Request
from tests.fuzz.world import World

THREADS = 4

# After so many different faults there is enough to mend.
MOST_FAULTS = 30

# Shares of what is begun; a push is some ten requests.
PUSHES = 0.03
WELL_FORMED = 0.35

SHOWN_BYTES = 600


@dataclass(frozen=True)
class Fault:
    """A request whose answer is not what it has to be."""

    what: str
    request: str
    answer: str

    def __str__(self) -> str:
        return f"{self.what}\n    > {self.request}\n    < {self.answer}"


@dataclass
class Campaign:
    """What was asked and what came."""

    world: World
    url: str
    seed: int
    count: int
    seconds: float
    asked: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Fault] = field(default_factory=dict)
    fault_counts: Counter[str] = field(default_factory=Counter)
    crashes: list[Exception] = field(default_factory=list)
    slowest: float = 0.0
    slowest_kind: str = ""
    took: float = 0.0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._ends_at = 0.0

    def run(self) -> None:
        """Ask until the count or the time is up, or enough is wrong."""
        begun = time.monotonic()
        self._ends_at = begun + self.seconds
        threads = [
            threading.Thread(target=self._work, args=(number,), name=f"fuzz-{number}")
            for number in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.took = time.monotonic() - begun
        if self.crashes:
            raise self.crashes[0]

    def __str__(self) -> str:
        statuses = ", ".join(f"{what}: {count}" for what, count in sorted(self.statuses.items()))
        kinds = ", ".join(f"{what}: {count}" for what, count in sorted(self.kinds.items()))
        return (
            f"{self.asked} requests in {self.took:.0f} s by {THREADS} threads ({kinds}); "
            f"slowest answer {self.slowest:.1f} s ({self.slowest_kind}); {statuses}"
        )

    def report(self) -> str:
        """The faults, for people."""
        return "\n\n".join(
            f"{number}. ({self.fault_counts[key]} times) {fault}"
            for number, (key, fault) in enumerate(self.faults.items(), 1)
        )

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self.seed} {number}")
        address = urlsplit(self.url)
        connection = Connection(address.hostname or "", address.port or 80)
        try:
            for each in self._begun(chance):
                answer = None
                # A generator of one push, or of one request.
                try:
                    request = next(each)
                    while self._may_go_on():
                        answer = self._ask(connection, request)
                        request = each.send(answer)
                except StopIteration:
                    pass
        except Exception as crash:  # noqa: BLE001  raised again by `run`, in the test's own thread
            self.crashes.append(crash)
        finally:
            connection.close()

    def _begun(self, chance: random.Random) -> Iterator[sequences.Steps]:
        while self._may_go_on():
            kind = chance.random()
            if kind < PUSHES:
                yield sequences.push(chance, self.world)
            else:
                request = grammar.well_formed(chance, self.world)
                request.kind = "well-formed"
                if kind > PUSHES + WELL_FORMED:
                    request.kind = mutations.mutate(chance, self.world, request)
                yield (each for each in (request,))

    def _may_go_on(self) -> bool:
        return (
            self.asked < self.count
            and time.monotonic() < self._ends_at
            and len(self.faults) < MOST_FAULTS
            and not self.crashes
        )

    def _ask(self, connection: Connection, request: Request) -> Answer | None:
        begun = time.monotonic()
        answer: Answer | None = None
        try:
            answer = connection.ask(request)
            what = judging.find_fault(self.world, request, answer) if answer else ""
        except (Hang, CutOff, NotHTTP) as error:
            what = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - begun
        with self._lock:
            self.asked += 1
            kind = request.kind or "step of a push"
            self.kinds[kind if kind in {"well-formed", "step of a push"} else "mutated"] += 1
            self.statuses[str(answer.status) if answer else "none owed"] += 1
            if not request.waits and seconds > self.slowest:
                self.slowest = seconds
                self.slowest_kind = f"{kind}: {_shown(request.pack()[:120])}"
            if what:
                self._keep(what, request, answer)
        return answer

    def _keep(self, what: str, request: Request, answer: Answer | None) -> None:
        path = judging.path_of(request.target)
        # One of each: where it was asked, and the words without what varies in them. What the web
        # server refuses by itself, which then has no Server header, it refuses everywhere.
        place = b"/".join(path.split(b"/")[:3])[:30]
        if answer and not answer.header("Server"):
            place = b"%d" % answer.status
        method = request.method if answer and answer.header("Server") else b""
        key = f"{method!r} {place!r} {re.sub(r'[^a-zA-Z ]+', '', what)[:60]}"
        self.fault_counts[key] += 1
        sent = request.pack()
        came = answer.head + b"\r\n\r\n" + answer.body if answer else b""
        self.faults.setdefault(
            key, Fault(f"{what} [{request.kind or 'step of a push'}]", _shown(sent), _shown(came))
        )


def _shown(content: bytes) -> str:
    more = f"… ({len(content)} bytes)" if len(content) > SHOWN_BYTES else ""
    return without_secrets(repr(content[:SHOWN_BYTES])) + more
