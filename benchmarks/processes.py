"""What a registry's processes take of the machine, as Linux tells it in /proc."""

import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path

from tests.clients.live import Live

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Group:
    """Processes that are counted as one."""

    name: str
    pids: tuple[int, ...]

    @property
    def resident_bytes(self) -> int:
        """What is in memory now; of several processes, shared pages counted once (Pss)."""
        if len(self.pids) == 1:
            return kib_field(self.pids[0], "status", "VmRSS") * 1024
        return sum(kib_field(pid, "smaps_rollup", "Pss") for pid in self.pids) * 1024

    @property
    def peak_bytes(self) -> int | None:
        """The most that was ever in memory; None for several, whose peaks do not add up."""
        if len(self.pids) == 1:
            return kib_field(self.pids[0], "status", "VmHWM") * 1024
        return None

    @property
    def cpu_seconds(self) -> float:
        """Time on a core, of all that run now."""
        return sum(cpu_seconds(pid) for pid in self.pids)


def groups(live: Live) -> list[Group]:
    """Each web worker, the sweep, all of Postgres, the store."""
    found = [
        Group(f"web worker {number}", (pid,))
        for number, pid in enumerate(children(live.pids["web"]), 1)
    ]
    found.append(Group("sweep", (live.pids["sweep"],)))
    if live.pids.get("postgres"):
        postmaster = live.pids["postgres"]
        found.append(Group("postgres", (postmaster, *children(postmaster))))
    if live.pids.get("store"):
        found.append(Group("store", (live.pids["store"],)))
    return found


def cpu_by_kind(live: Live) -> dict[str, float]:
    """Seconds on a core so far: the web workers together, and each other group."""
    spent: dict[str, float] = {}
    for group in groups(live):
        kind = "web" if group.name.startswith("web") else group.name
        spent[kind] = spent.get(kind, 0.0) + group.cpu_seconds
    return spent


class Others:
    """What processes that are neither the registry's nor ours took of the machine's cores.

    Used as a context; `cores` is known afterwards. Above QUIET_CORES, what was measured meanwhile
    says as much of them as of the registry.
    """

    QUIET_CORES = 0.25

    def __init__(self, live: Live) -> None:
        self.cores = 0.0
        self._live = live

    def __enter__(self) -> "Others":
        self._begun = time.monotonic(), busy_seconds(), self._own_seconds()
        return self

    def __exit__(self, *_: object) -> None:
        begun, busy, own = self._begun
        spent = busy_seconds() - busy - (self._own_seconds() - own)
        self.cores = max(0.0, spent / (time.monotonic() - begun))

    @property
    def were_quiet(self) -> bool:
        """Whether they left the machine to what was measured."""
        return self.cores <= self.QUIET_CORES

    def _own_seconds(self) -> float:
        """The registry's, and of this process with the children that have ended."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        own = sum(usage.ru_utime + usage.ru_stime for usage in used)
        return own + sum(cpu_by_kind(self._live).values())


def wait_for_quiet(live: Live, patience_seconds: float) -> None:
    """Return once the others leave the machine alone for a second, or patience is at its end."""
    give_up_at = time.monotonic() + patience_seconds
    while time.monotonic() < give_up_at:
        with Others(live) as others:
            time.sleep(1)
        if others.were_quiet:
            return


def busy_seconds() -> float:
    """What all cores together have worked so far, the time that a host took from them included."""
    first = (PROC / "stat").read_text().splitlines()[0].split()
    user, nice, system, _idle, _waiting, *interrupts_and_stolen = map(int, first[1:9])
    return (user + nice + system + sum(interrupts_and_stolen)) / TICKS_PER_SECOND


def children(parent: int) -> list[int]:
    """The process ids of its children, in order."""
    found = []
    for entry in PROC.glob("[0-9]*/stat"):
        try:
            fields = stat_fields(int(entry.parent.name))
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(entry.parent.name))
    return sorted(found)


def cpu_seconds(pid: int) -> float:
    """Time on a core so far, 0 for a process that has ended."""
    try:
        fields = stat_fields(pid)
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on, since the name may hold anything."""
    return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def kib_field(pid: int, file: str, name: str) -> int:
    """The field of that name, in KiB; 0 for a process that has ended."""
    try:
        lines = (PROC / str(pid) / file).read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
