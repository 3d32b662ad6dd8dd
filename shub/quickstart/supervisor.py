"""The supervisor: starts children, starts them again when they die, and leaves none behind.

One thread, one place to wait in (`_wait`): every wait notices a stop signal and a child's death.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import FrameType

from shub.quickstart import children
from shub.quickstart.children import ChildSpec
from shub.quickstart.failures import CannotRun

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A child that dies so often in so short a time will not get well by being started again.
DEATHS = 5
DEATHS_WITHIN_SECONDS = 60.0

POLL_SECONDS = 0.03
IDLE_SECONDS = 5.0
KILL_SECONDS = 5.0


class Stopped(Exception):
    """A person or the system has asked for the end."""


class Child:
    """A child that is to be kept running, and its recent deaths."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths: deque[float] = deque(maxlen=DEATHS)
        self.due_at = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id; None between a death and the next start."""
        return self.process.pid if self.process else None

    def note_death(self, now: float) -> None:
        """Write a death down, and when the next start is due.

        At once after a single death; a growing pause gives what is in the way time to go. Deaths of
        long ago are no reason to wait.
        """
        self.deaths.append(now)
        recent = sum(now - death <= DEATHS_WITHIN_SECONDS for death in self.deaths)
        self.due_at = now + 0.5 * (recent - 1)

    def dies_too_often(self) -> bool:
        """Whether it has died as often as is borne."""
        return (
            len(self.deaths) == DEATHS and self.deaths[-1] - self.deaths[0] <= DEATHS_WITHIN_SECONDS
        )


class Chore:
    """A passing process that is run now and then, and whose failure stops nothing."""

    def __init__(self, spec: ChildSpec, due_at: float, every_seconds: float) -> None:
        self.spec = spec
        self.due_at = due_at
        self.every_seconds = every_seconds
        self.process: subprocess.Popen[bytes] | None = None


class Supervisor:
    """A context: on the way in it takes the stop signals, on the way out it stops what runs.

    Children stop in the reverse of the order in which they were started; those started together
    stop together.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.inherited: tuple[int, ...] = ()
        self.restarted: Callable[[], None] = lambda: None
        self._groups: list[list[Child]] = []
        self._passing: list[subprocess.Popen[bytes]] = []
        self._chores: list[Chore] = []
        self._stop_asked = False

    # ── signals ──
    def __enter__(self) -> "Supervisor":
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._former_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._former = {}
        for number in STOP_SIGNALS:
            # nohup has SIGHUP ignored, and means it.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._former[number] = signal.signal(number, self._note_stop)
        self._former[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
        # What this process has started before is not the supervisor's to end.
        self._strangers = set(children.orphans(set()))
        children.adopt_orphans()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for number, handler in self._former.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(self._former_wakeup)
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _note_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True

    # ── starting ──
    def run(self, *specs: ChildSpec) -> None:
        """Run passing processes side by side to their end; CannotRun when one fails."""
        with self._started(specs) as processes:
            while any(process.poll() is None for process in processes):
                self._wait(POLL_SECONDS)
            for spec, process in zip(specs, processes, strict=True):
                _check_success(spec, process)

    def ask(self, spec: ChildSpec) -> str:
        """Run one passing process to its end; what it wrote to standard output (a few lines)."""
        with self._started([spec], answers=True) as (process,):
            while process.poll() is None:
                self._wait(POLL_SECONDS)
            _check_success(spec, process)
            return process.stdout.read().decode() if process.stdout else ""

    def start(self, *specs: ChildSpec) -> None:
        """Start children that are kept running from now on."""
        group = [Child(spec) for spec in specs]
        self._groups.append(group)
        for child in group:
            self._launch(child)

    def repeat(self, spec: ChildSpec, *, first_seconds: float, every_seconds: float) -> None:
        """Run a passing process so many seconds from now, and again so long after each end."""
        self._chores.append(Chore(spec, time.monotonic() + first_seconds, every_seconds))

    def pids(self) -> dict[str, int | None]:
        """The kept children's process ids by name."""
        return {child.spec.name: child.pid for child in self._kept()}

    @contextlib.contextmanager
    def _started(
        self, specs: Sequence[ChildSpec], *, answers: bool = False
    ) -> Iterator[list[subprocess.Popen[bytes]]]:
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for spec in specs:
                process = children.spawn(spec, inherited=self.inherited, answers=answers)
                processes.append(process)
                self._passing.append(process)
            yield processes
        finally:
            for process in processes:
                if process.poll() is None:
                    _kill(process)
                if process.stdout:
                    process.stdout.close()
                self._passing.remove(process)
            self._end_orphans()

    def _launch(self, child: Child) -> None:
        child.process = children.spawn(child.spec, inherited=self.inherited)

    # ── waiting ──
    def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds, at most so long; whether it came to hold."""
        patience = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > patience:
                return False
            self._wait(POLL_SECONDS)
        return True

    def watch(self) -> None:
        """Keep the children running until a stop signal comes (Stopped)."""
        while True:
            self._wait(IDLE_SECONDS)

    def _wait(self, seconds: float) -> None:
        now = time.monotonic()
        due = [child.due_at - now for child in self._kept() if child.process is None]
        due += [chore.due_at - now for chore in self._chores if chore.process is None]
        select.select([self._wake_read], [], [], max(0.0, min([seconds, *due])))
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake_read, 512):
                pass
        if self._stop_asked:
            self.say("Stopping.")
            raise Stopped
        for child in self._kept():
            if child.process is not None and child.process.poll() is not None:
                self._bury(child, child.process)
        for child in self._kept():
            if child.process is None and child.due_at <= time.monotonic():
                self._launch(child)
                self.restarted()
        for chore in self._chores:
            self._go_on_with(chore)

    def _go_on_with(self, chore: Chore) -> None:
        """Begin with a chore that is due, or note that it has ended."""
        if chore.process is None:
            if chore.due_at <= time.monotonic():
                chore.process = children.spawn(chore.spec, inherited=self.inherited)
                self._passing.append(chore.process)
        elif chore.process.poll() is not None:
            self._passing.remove(chore.process)
            if chore.process.returncode != 0:
                end = children.describe_end(chore.process.returncode)
                self.say(f"{chore.spec.name} {end}, and is tried again (log: {chore.spec.log}).")
            chore.process = None
            chore.due_at = time.monotonic() + chore.every_seconds

    def _bury(self, child: Child, process: subprocess.Popen[bytes]) -> None:
        """Note the death, end what the dead child left running, and say so."""
        child.process = None
        _kill_group(process.pid)
        self._end_orphans()
        child.note_death(time.monotonic())
        name, end = child.spec.name, children.describe_end(process.returncode)
        said = children.last_line(child.spec.log)
        where = f" The last line of {child.spec.log}: {said}" if said else ""
        if child.dies_too_often():
            raise CannotRun(
                f"{name} {end}, for the {DEATHS}th time within a minute: everything stops.{where}"
            )
        self.say(f"{name} (pid {process.pid}) {end} and is started again.{where}")

    def _end_orphans(self) -> None:
        """Kill what our dead children left behind: a Postgres that is started again must wait for
        each of the old one's processes, and they may be busy for long."""
        known = self._strangers | {process.pid for process in self._passing}
        known |= {child.process.pid for child in self._kept() if child.process}
        patience = time.monotonic() + KILL_SECONDS
        while found := children.orphans(known):
            for pid in found:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            if time.monotonic() > patience:
                return
            time.sleep(0.005)

    def _kept(self) -> Iterable[Child]:
        return (child for group in self._groups for child in group)

    # ── stopping ──
    def stop(self) -> None:
        """Stop everything that runs; nothing happens where nothing does."""
        for chore in self._chores:
            if chore.process is not None:
                _kill(chore.process)
                self._passing.remove(chore.process)
        self._chores.clear()
        for group in reversed(self._groups):
            running = [
                (child.spec, child.process)
                for child in group
                if child.process is not None and child.process.poll() is None
            ]
            for spec, process in running:
                process.send_signal(spec.stop_signal)
            began = time.monotonic()
            for spec, process in running:
                try:
                    process.wait(max(0.0, began + spec.stop_seconds - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _kill(process)
            for child in group:
                if child.process is not None:
                    _kill_group(child.process.pid)
                    child.process = None
        self._groups.clear()
        self._end_orphans()


def _check_success(spec: ChildSpec, process: subprocess.Popen[bytes]) -> None:
    if process.returncode != 0:
        said = children.last_line(spec.log)
        raise CannotRun(
            f"{spec.name} {children.describe_end(process.returncode)} (log: {spec.log})"
            + (f": {said}" if said else ".")
        )


def _kill(process: subprocess.Popen[bytes]) -> None:
    _kill_group(process.pid)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)


def _kill_group(pid: int) -> None:
    # A child leads its session, so its group has its number; gone is what is wanted.
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
