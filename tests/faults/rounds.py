"""Rounds of faults: a registry, a crowd at work on it, a saboteur, and then a judge.

    python -m tests.faults.rounds --kills 1000 --minutes 45

goes on, round after round and layout after layout, until so many processes were killed; Ctrl-C ends
it after the round that runs. Each round has a seed of its own, by which its plan comes again:
`--seed SEED --layout LAYOUT --rounds 1`.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients import obtain
from tests.clients.live import Live
from tests.faults.crowd import (
    FINISHING_SECONDS,
    ApptainerHand,
    Client,
    Hand,
    ProgramHand,
    Quick,
    Real,
    Round,
)
from tests.faults.journal import End, Journal
from tests.faults.judge import Judge
from tests.faults.layouts import SETTINGS, Embedded, Layout, Replicas, folder
from tests.faults.saboteur import KILL, Saboteur
from tests.faults.wires import Exchange
from tests.quickstart.running import REPOSITORY, Quickstart, running

LAYOUTS = (Embedded.name, Replicas.name)

TABLE = REPOSITORY / "build" / "faults.md"

# Where the folder of a round goes that found something.
KEPT = REPOSITORY / "build" / "faults"

CLIENTS = 6

GO_LIBRARY = "apptainer-v1.4.14"


@dataclass
class Result:
    """What was seen in one round."""

    seed: str
    layout: str
    seconds: float
    faults: Counter[tuple[str, str]]
    acts: dict[str, Counter[str]]
    findings: list[str]
    notes: dict[str, str] = field(default_factory=dict)
    kept: Path | None = None
    again: str = ""
    """The options by which the same plan is played again."""

    @property
    def kills(self) -> int:
        return sum(count for (kind, _), count in self.faults.items() if kind == KILL)

    def by_kind(self) -> str:
        """The faults in a few words: `kill -9: 12 (web 3, …); cut: 2 (store 2)`."""
        kinds: dict[str, list[str]] = {}
        totals: Counter[str] = Counter()
        for (kind, target), count in sorted(self.faults.items()):
            kinds.setdefault(kind, []).append(f"{target} {count}")
            totals[kind] += count
        return "; ".join(f"{kind}: {totals[kind]} ({', '.join(kinds[kind])})" for kind in kinds)

    def acknowledged(self) -> str:
        """The acts in a few words."""
        done, cut = self.acts["done"], self.acts["cut"]
        words = ", ".join(f"{kind} {count}" for kind, count in sorted(done.items()))
        return f"{words}; never answered {sum(cut.values())}"

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}, {self.layout}, {self.seconds:.0f} s: {self.kills} kills",
            f"  faults: {self.by_kind()}",
            f"  acknowledged: {self.acknowledged()}",
            *(f"  {what}: {words}" for what, words in self.notes.items()),
            *(f"  FOUND {words}" for words in self.findings),
        ]
        if self.kept:
            lines.append(
                f"  journal, plan and logs: {self.kept}; again: "
                f"python -m tests.faults.rounds --rounds 1 {self.again}"
            )
        return "\n".join(lines)


class Ground:
    """What rounds have in common: a place, a used data folder, a client's program."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._used: Path | None = None
        self.hands: dict[str, tuple[Callable[[Path, Path, Live], Hand], Path]] = {}
        """The real clients that there are on this machine, by name."""
        with contextlib.suppress(obtain.Missing):
            self.hands["apptainer"] = (ApptainerHand, obtain.apptainer().path)
        with contextlib.suppress(obtain.Missing):
            self.hands["library"] = (ProgramHand, obtain.go_client(GO_LIBRARY).path)

    @property
    def used(self) -> Path:
        """A data folder after its first start and stop: the next start is a short one."""
        if self._used is None:
            quickstart = Quickstart(self.place / "used")
            with running(quickstart):
                pass
            self._used = quickstart.data_dir
        return self._used


@contextlib.contextmanager
def ground() -> Iterator[Ground]:
    """A place that others can enter, for databases of registries that root starts."""
    place = Path(tempfile.mkdtemp(prefix="shub-rounds-", dir="/tmp"))
    place.chmod(0o755)
    try:
        yield Ground(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def laid_out(name: str, on: Ground, place: Path) -> Iterator[Layout]:
    """A registry that runs."""
    with ExitStack() as held:
        exchange = held.enter_context(Exchange())
        if name == Embedded.name:
            yield Embedded(held, exchange, place, on.used)
        else:
            yield Replicas(held, exchange, place)


def play(
    name: str,
    seed: str,
    on: Ground,
    *,
    seconds: float,
    most_faults: int | None = None,
    longest_freeze_seconds: float = 20.0,
    clients: int = CLIENTS,
    chance_of_huge: float = 0.01,
) -> Result:
    """One round. What it leaves goes, unless something was found."""
    with folder(on.place) as place, laid_out(name, on, place) as layout:
        over = threading.Event()
        journal = Journal()
        round_ = Round(
            layout.live,
            layout.password,
            journal,
            seed,
            time.monotonic(),
            over,
            chance_of_huge=chance_of_huge,
        )
        crowd: list[Client] = [Quick(round_, f"c{number}") for number in range(1, clients + 1)]
        for who, (hand, program) in on.hands.items():
            home = place / f"home-{who}"
            crowd.append(Real(round_, who, home, hand(program, home, round_.live)))
        saboteur = Saboteur(
            layout,
            seed,
            over,
            longest_freeze_seconds=longest_freeze_seconds,
            most_faults=most_faults,
        )
        for client in crowd:
            client.start()
        saboteur.start()
        begun = time.monotonic()
        saboteur.join(seconds)
        # At a number of faults, not at a moment: the clients go on for a while after the last.
        over.wait(min(2.0, max(0.0, begun + seconds - time.monotonic())))
        round_.give_up_at = time.monotonic() + FINISHING_SECONDS
        over.set()
        saboteur.join()
        took = time.monotonic() - begun
        for client in crowd:
            client.join(FINISHING_SECONDS * 3)
            if client.is_alive():
                journal.fault(f"{client.name} waits for an answer and does not get one")
        judged = time.monotonic()
        judge = Judge(layout, journal)
        findings = judge.findings()
        judge.notes["judged in"] = f"{time.monotonic() - judged:.0f} s"
        if journal.remarks:
            judge.notes["of the clients"] = "; ".join(journal.remarks)
        if saboteur.slow:
            judge.notes["slow"] = "; ".join(saboteur.slow)
        result = Result(seed, name, took, saboteur.done, journal.count(), findings, judge.notes)
        result.again = (
            f"--seed {seed} --layout '{name}' --seconds {seconds:.0f} --clients {clients} "
            f"--longest-freeze {longest_freeze_seconds:.0f}"
        )
        if findings:
            result.kept = keep(place, name, seed, journal, saboteur, findings)
        return result


def played(name: str, seed: str, on: Ground, *, seconds: float, **options: Any) -> Result:
    """The same, so that the next round is played whatever became of this one."""
    try:
        return play(name, seed, on, seconds=seconds, **options)
    except Exception as error:  # noqa: BLE001
        said = "".join(traceback.format_exception(error))
        nothing: dict[str, Counter[str]] = {str(end): Counter() for end in End}
        return Result(seed, name, seconds, Counter(), nothing, [f"not played to its end: {said}"])


def keep(
    place: Path,
    name: str,
    seed: str,
    journal: Journal,
    saboteur: Saboteur,
    findings: list[str],
) -> Path:
    """Copy what tells of the round to where it stays."""
    target = KEPT / f"{name.replace(' ', '-')}-{seed}"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    journal.write(target / "journal.jsonl")
    (target / "faults.txt").write_text("\n".join(saboteur.log) + "\n")
    (target / "findings.txt").write_text("\n".join(findings) + "\n")
    for log in place.glob("**/*.log"):
        shutil.copy(log, target / log.name)
    return target


# ── many ──
def table(results: list[Result]) -> str:
    """All rounds as a table in Markdown."""
    rows = [
        "| seed | layout | s | kills | faults | acknowledged | of the store's death | found |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in results:
        found = (
            "<br>".join(words.replace("|", "/").replace("\n", " ")[:400] for words in each.findings)
            or "nothing"
        )
        rows.append(
            f"| {each.seed} | {each.layout} | {each.seconds:.0f} | {each.kills} | "
            f"{each.by_kind()} | {each.acknowledged()} | {each.notes.get('juicefs gc', '')} | "
            f"{found} |"
        )
    kills = sum(each.kills for each in results)
    bad = sum(bool(each.findings) for each in results)
    head = f"{len(results)} rounds, {kills} kills, {bad} rounds in which something was found."
    return "\n".join([head, "", *rows, ""])


def main() -> int:
    """Round after round; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--kills", type=int, default=1000, help="end after so many")
    parser.add_argument("--minutes", type=float, default=45, help="or so long")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("FAULTS_ROUNDS") or 0))
    parser.add_argument(
        "--seconds", type=float, default=float(os.environ.get("FAULTS_SECONDS") or 120)
    )
    parser.add_argument("--seed", default=os.environ.get("FAULTS_SEED", ""))
    parser.add_argument("--layout", choices=LAYOUTS, help="one; else by turns")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    parser.add_argument("--longest-freeze", type=float, default=20.0, metavar="SECONDS")
    given = parser.parse_args()
    first = given.seed or str(random.SystemRandom().getrandbits(32))
    stopping = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopping.set())
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    give_up_at = time.monotonic() + given.minutes * 60
    results: list[Result] = []
    say(f"FAULTS_SEED={first}, settings {SETTINGS}")
    with ground() as on:
        while not stopping.is_set() and time.monotonic() < give_up_at:
            if given.rounds and len(results) >= given.rounds:
                break
            if sum(each.kills for each in results) >= given.kills:
                break
            number = len(results)
            seed = first if number == 0 else f"{first}.{number}"
            name = given.layout or LAYOUTS[number % len(LAYOUTS)]
            result = played(
                name,
                seed,
                on,
                seconds=given.seconds,
                clients=given.clients,
                longest_freeze_seconds=given.longest_freeze,
            )
            results.append(result)
            say(f"{result}\n  kills so far: {sum(each.kills for each in results)}")
            TABLE.parent.mkdir(exist_ok=True)
            TABLE.write_text(table(results))
    say(f"{table(results).splitlines()[0]} The table: {TABLE.relative_to(REPOSITORY)}")
    return int(any(each.findings for each in results))


def say(words: str) -> None:
    """To whoever runs it, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
