"""Two ways of running a registry whose processes can be hit at any moment.

The quickstart, whose supervisor starts again what dies; and two web servers and two sweeps on one
database and store, which the test starts again.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from shub.quickstart import binaries
from shub.quickstart import store as embedded
from shub.quickstart.addresses import parse_address
from shub.quickstart.children import ChildSpec, spawn
from shub.quickstart.identity import give, service_identity
from shub.quickstart.postgres import Postgres
from shub.quickstart.store import Store
from tests import servers
from tests.clients.live import PROJECT, Live
from tests.faults.registry import Registry, Victim
from tests.faults.wires import Exchange, Wire
from tests.operating.installation import Installation
from tests.quickstart.running import Quickstart, clean_environment, end, is_alive
from tests.servers import free_hosts

START_SECONDS = 60.0

# What stands still is noticed soon, and parts are small: many requests for a large image.
SETTINGS = {
    "UPLOAD_PART_BYTES": str(5 << 20),
    "DATABASE_PATIENCE_SECONDS": "5",
    "MINIO_CONNECT_TIMEOUT_SECONDS": "2",
    "MINIO_ANSWER_TIMEOUT_SECONDS": "5",
    "MINIO_READ_TIMEOUT_SECONDS": "10",
    "VERIFY_WAIT_SECONDS": "5",
    "WEB_STOP_SECONDS": "2",
    "SWEEP_STOP_SECONDS": "0",
    "LIMIT_BAD_TOKENS": "0",
    "LIMIT_SIGN_INS": "0",
}

# The supervisor gives up on a process that dies five times within a minute.
DEATHS_BORNE = 4
DEATHS_WITHIN_SECONDS = 62.0

WORKERS = 2


class Layout(Protocol):
    """A registry, its processes by name, and the wires between them."""

    name: str
    victims: tuple[str, ...]
    wires: Mapping[str, Wire]
    """front (clients to web servers), sending (clients to the store), store, database."""

    @property
    def live(self) -> Live:
        """It, past all wires but the front."""

    @property
    def password(self) -> str:
        """By which the user signs in."""

    def kill(self, victim: str) -> bool:
        """kill -9; False where it is not there just now, or may not die once more."""

    def processes(self, victim: str) -> list[int]:
        """It, and what it has started: what stands still together."""

    def answers(self) -> bool:
        """Whether all that died runs again, and answers."""

    def logs(self) -> list[Path]:
        """Of web servers and sweeps."""

    def manage(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run manage.py on it, past all wires."""

    def store_folder(self) -> Path:
        """Where the store keeps its files."""


# ── the quickstart ──
class Embedded:
    """`manage.py quickstart`, on a data folder that was used before."""

    name = "quickstart"
    victims = tuple(Victim)

    def __init__(self, held: ExitStack, exchange: Exchange, place: Path, used: Path) -> None:
        # cp keeps the owners, which shutil does not.
        subprocess.run(["cp", "-a", str(used), str(place / "data")], check=True)
        self._deaths: dict[str, deque[float]] = {name: deque() for name in self.victims}
        socket = place / "socket"
        quickstart = Quickstart(place / "data")
        self._quickstart = quickstart
        store = [f"127.0.0.1:{quickstart.store_port}"]
        self.wires = {
            "front": exchange.wire("front", lambda: [f"127.0.0.1:{quickstart.port}"]),
            "sending": exchange.wire("sending", lambda: store),
            "store": exchange.wire("store", lambda: store),
            "database": exchange.wire("database", lambda: [socket.read_text()]),
        }
        front = self.wires["front"].host
        quickstart.environment = clean_environment(
            **SETTINGS,
            DJANGO_SETTINGS_MODULE="tests.faults.proxied",
            FAULTS_DATABASE=self.wires["database"].host,
            FAULTS_STORE=self.wires["store"].host,
            FAULTS_SOCKET=str(socket),
            MINIO_EXTERNAL_SERVER=self.wires["sending"].host,
            PUBLIC_URL=f"http://{front}",
        )
        held.callback(end, quickstart)
        quickstart.start()
        self._registry = Registry(quickstart)
        self.password = str(quickstart.facts()["password"])

    @property
    def live(self) -> Live:
        return self._registry.live

    def kill(self, victim: str) -> bool:
        is_worker = victim == Victim.WORKER
        deaths = self._deaths[victim]
        now = time.monotonic()
        while deaths and now - deaths[0] > DEATHS_WITHIN_SECONDS:
            deaths.popleft()
        if not is_worker and len(deaths) >= DEATHS_BORNE:
            return False
        try:
            pid = self._registry.pid(Victim(victim))
            if not is_alive(pid):
                return False
            os.kill(pid, signal.SIGKILL)
        except (OSError, TypeError, IndexError):
            return False  # dead already
        deaths.append(now)
        return True

    def processes(self, victim: str) -> list[int]:
        try:
            pid = self._registry.pid(Victim(victim))
        except (OSError, TypeError, IndexError):
            return []
        return [pid] if victim == Victim.WORKER else with_children(pid)

    def answers(self) -> bool:
        try:
            pids = [self._quickstart.pid(name) for name in ("web", "sweep", "postgres", "store")]
            alive = all(map(is_alive, pids)) and len(self._registry.workers()) == WORKERS
        except (OSError, TypeError):
            return False
        return alive and self._quickstart.works()

    def logs(self) -> list[Path]:
        return [self._registry.logs / "web.log", self._registry.logs / "sweep.log"]

    def manage(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        live = self.live
        return manage(
            {
                **SETTINGS,
                "DATABASE_URL": live.database,
                "MINIO_SERVER": live.store["endpoint"].removeprefix("http://"),
                "MINIO_ACCESS_KEY": live.store["access_key"],
                "MINIO_SECRET_KEY": live.store["secret_key"],
                "MINIO_BUCKET": live.store["bucket"],
            },
            words,
            seconds,
        )

    def store_folder(self) -> Path:
        return self._quickstart.data_dir / "store"


# ── two of each ──
@dataclass
class Kept:
    """A process that is started again when it dies."""

    name: str
    start: Callable[[], "subprocess.Popen[bytes]"]
    process: "subprocess.Popen[bytes] | None" = None
    children: list[int] = field(default_factory=list)
    """Those that it had when it was killed."""


class Keeper:
    """A thread that starts again what dies, as a service manager does: with all that it had left
    running ended before."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper")
        self._lock = threading.Lock()

    def __enter__(self) -> "Keeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def add(self, name: str, start: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        """Keep it running from now on."""
        with self._lock:
            self.kept[name] = Kept(name, start)

    def pid(self, name: str) -> int | None:
        """Its number; None while it is dead."""
        process = self.kept[name].process
        return process.pid if process is not None and process.poll() is None else None

    def kill(self, name: str) -> bool:
        """kill -9 of it alone."""
        with self._lock:
            kept = self.kept[name]
            if kept.process is None or kept.process.poll() is not None:
                return False
            kept.children = with_children(kept.process.pid)[1:]
            kept.process.kill()
            return True

    def _keep(self) -> None:
        while not self._over.wait(0.02):
            with self._lock:
                for kept in self.kept.values():
                    if kept.process is None or kept.process.poll() is not None:
                        self._bury(kept)
                        kept.process = kept.start()
        with self._lock:
            for kept in reversed(self.kept.values()):
                if kept.process is not None:
                    kept.children = with_children(kept.process.pid)[1:]
                    kept.process.kill()
                    self._bury(kept)

    def _bury(self, kept: Kept) -> None:
        if kept.process is None:
            return
        kept.process.wait()
        patience = time.monotonic() + 5
        while left := [pid for pid in kept.children if is_alive(pid)]:
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > patience:
                return
            time.sleep(0.005)


class Replicas:
    """Two web servers and two sweeps on one database and one store."""

    name = "two of each"
    victims = (
        *("web-1", "web-2", "web-1 worker", "web-2 worker"),
        *("sweep-1", "sweep-2", "postgres", "store"),
    )
    password = "only-for-tests"

    def __init__(self, held: ExitStack, exchange: Exchange, place: Path) -> None:
        self._place = place
        identity = service_identity()
        for name in ("files", "socket"):
            (place / name).mkdir(mode=0o700)
            give(place / name, identity)
        (place / "store").mkdir(mode=0o700)
        # Before anybody is started again by it, what makes the files.
        database = self._database(identity)
        store = self._store()
        finish(database.making())
        database.made()
        finish(store.making())
        keeper = held.enter_context(Keeper())
        self._keeper = keeper
        keeper.add("postgres", lambda: spawn(database.child()))
        keeper.add("store", lambda: spawn(store.child()))
        wait_until(database.accepts, "a database")
        database.make_database()
        wait_until(store.accepts, "a store")
        self._hosts = dict(zip(("web-1", "web-2"), free_hosts(2), strict=True))
        self._store_host = str(store.address)
        hosts = [self._store_host]
        self.wires = {
            "front": exchange.wire("front", lambda: list(self._hosts.values())),
            "sending": exchange.wire("sending", lambda: hosts),
            "store": exchange.wire("store", lambda: hosts),
            "database": exchange.wire("database", lambda: [f"{place / 'socket'}/.s.PGSQL.{5432}"]),
        }
        site = Installation(
            database.url,
            self._store_host,
            place,
            {**SETTINGS, "PUBLIC_URL": f"http://{self.wires['front'].host}"},
        )
        site.prepare()
        self._token = site.register("mara")
        self._site = site
        self._direct = dict(site.environment)
        bound = {
            **self._direct,
            "DATABASE_URL": f"postgresql://shub@{self.wires['database'].host}/shub",
            "MINIO_SERVER": self.wires["store"].host,
            "MINIO_EXTERNAL_SERVER": self.wires["sending"].host,
        }
        for name, host in self._hosts.items():
            words = ("-m", "gunicorn", "--bind", host, "--config", "python:shub.web_server")
            keeper.add(name, self._starter(name, words, bound))
        for name in ("sweep-1", "sweep-2"):
            keeper.add(name, self._starter(name, ("manage.py", "sweep"), bound))
        wait_until(self.answers, "an answer")

    def _database(self, identity: Any) -> Postgres:
        programs = binaries.find_postgres()
        if binaries.are_closed(programs, ("postgres", "initdb"), identity):
            programs = programs.copy_below(self._place / "programs")
        return Postgres(
            folder=self._place / "files",
            socket_folder=self._place / "socket",
            log_folder=self._place,
            programs=programs,
            identity=identity,
        )

    def _store(self) -> Store:
        return Store(
            folder=self._place / "store",
            log_folder=self._place,
            address=parse_address(free_hosts(1)[0]),
            programs=binaries.find_store(),
            identity=None,
            access_key=servers.ACCESS_KEY,
            secret_key=servers.SECRET_KEY,
        )

    def _starter(
        self, name: str, words: tuple[str, ...], environment: Mapping[str, str]
    ) -> Callable[[], "subprocess.Popen[bytes]"]:
        spec = ChildSpec(
            name=name,
            command=(sys.executable, *words),
            environment={**environment, "PGAPPNAME": name},
            folder=PROJECT,
            log=self._place / f"{name}.log",
            # Should the test itself be killed.
            orphan_signal=signal.SIGKILL,
        )
        return lambda: spawn(spec)

    @property
    def live(self) -> Live:
        site = self._site
        return Live(
            url=f"http://{self.wires['front'].host}",
            entity="mara",
            username="mara",
            token=self._token,
            database=site.database,
            store={
                "endpoint": f"http://{self._store_host}",
                "bucket": site.bucket,
                "access_key": servers.ACCESS_KEY,
                "secret_key": servers.SECRET_KEY,
            },
            pids={name: self._keeper.pid(name) or 0 for name in self._keeper.kept},
        )

    def kill(self, victim: str) -> bool:
        server, _, part = victim.partition(" ")
        if not part:
            return self._keeper.kill(server)
        try:
            os.kill(self.processes(victim)[0], signal.SIGKILL)
        except (OSError, IndexError):
            return False
        return True

    def processes(self, victim: str) -> list[int]:
        server, _, part = victim.partition(" ")
        pid = self._keeper.pid(server)
        if pid is None:
            return []
        found = with_children(pid)
        return found[1:2] if part else found

    def answers(self) -> bool:
        kept = self._keeper.kept
        pids = {name: self._keeper.pid(name) for name in kept}
        if None in pids.values():
            return False
        if any(len(with_children(pids[name] or 0)) <= WORKERS for name in self._hosts):
            return False
        addresses = [f"http://{host}/v1/token-status" for host in self._hosts.values()]
        ready = f"http://{self._store_host}/minio/health/ready"
        return answers(ready) and all(answers(address, self._token) for address in addresses)

    def logs(self) -> list[Path]:
        names = (*self._hosts, "sweep-1", "sweep-2")
        return [self._place / f"{name}.log" for name in names]

    def manage(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return manage(self._direct, words, seconds)

    def store_folder(self) -> Path:
        return self._place / "store"


# ── what both need ──
@contextlib.contextmanager
def folder(parent: Path) -> Iterator[Path]:
    """A folder for one registry, that others can enter; gone afterwards."""
    path = parent / secrets.token_hex(4)
    path.mkdir(mode=0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def with_children(pid: int) -> list[int]:
    """The process, and those that it has started and that live."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(child for child in map(int, found) if is_alive(child))]


def manage(
    environment: Mapping[str, str], words: tuple[str, ...], seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run manage.py to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "SECRET_KEY": "unused", **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def finish(spec: ChildSpec) -> None:
    """Run a passing process to its end."""
    process = spawn(spec)
    assert process.wait(embedded.START_SECONDS) == 0, spec.log.read_text()[-2000:]


def answers(address: str, token: str = "") -> bool:
    """Whether it answers with 200."""
    request = urllib.request.Request(address)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status) == 200
    except (OSError, urllib.error.HTTPError):
        return False


def wait_until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until it holds; AssertionError with what did not come to be."""
    patience = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < patience, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)
