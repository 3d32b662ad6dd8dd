"""The data folder: what lies where in it, who holds it, and which version laid it out.

lock            held by the one quickstart that uses the folder; has its process id in it
children.lock   held by everything that quickstart started, for as long as any of it lives
version.json    the layout's version
secrets.json    the keys and first words (`shub.quickstart.credentials`)
postgres/       the embedded Postgres' files
store/          the embedded store's files
socket          Postgres' socket: a folder, or a link to a short-named one in /tmp
binaries/       copies of the two servers' programs, where root runs this from a closed folder
client/         a configuration folder for Apptainer and Singularity
manage          manage.py for this registry (`shub.quickstart.terminal`)
logs/           one log per process
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shub.quickstart.failures import CannotRun
from shub.quickstart.identity import Identity, give

LAYOUT = 1
LOG_BYTES = 10 * 1024**2
LEFTOVER_SECONDS = 15.0

# Waits until the condition holds, at most so many seconds; whether it came to hold.
Until = Callable[[Callable[[], bool], float], bool]

# A Unix socket's path has at most 107 bytes on Linux, 103 elsewhere; Postgres adds its own name.
SOCKET_FOLDER_BYTES = 103 - len("/.s.PGSQL.5432.lock")
RUNTIME_PREFIX = "shub-"


class DataFolder:
    """The folder's places. Nothing is touched before `create` is called."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.postgres = path / "postgres"
        self.store = path / "store"
        self.logs = path / "logs"
        self.client = path / "client"
        self.static = path / "static"
        self.binaries = path / "binaries"
        self.socket = path / "socket"
        self.secrets = path / "secrets.json"
        self.version = path / "version.json"
        self.lock = path / "lock"
        self.children_lock = path / "children.lock"

    def create(self) -> None:
        """Make the folder where it is missing; refuse one that holds other things."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            names = set(os.listdir(self.path))  # noqa: PTH208  names are all that is asked
        except FileExistsError:
            raise CannotRun(f"--data-dir: {self.path} is a file, not a folder.") from None
        except OSError as error:
            raise CannotRun(
                f"--data-dir: {error.filename} cannot be made or read: {error.strerror}."
            ) from None
        known = {self.lock.name, self.children_lock.name, "lost+found"}
        if self.version.name not in names and names - known:
            raise CannotRun(
                f"--data-dir: {self.path} holds files of something else; name a new folder."
            )
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise CannotRun(f"--data-dir: {self.path} cannot be written to by this user.")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: one quickstart at a time."""
        descriptor = _open_lock(self.lock)
        try:
            if not _try_lock(self.lock, descriptor):
                pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
                raise CannotRun(
                    f"Another quickstart (pid {pid or 'unknown'}) already uses {self.path}: "
                    "stop it, or name another folder by --data-dir."
                )
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
            os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def tied_to_children(self, until: Until) -> Iterator[int]:
        """A locked descriptor for children to inherit: the lock lasts as long as any of them.

        A quickstart that was killed leaves children that are still ending: they are waited for,
        since they hold ports and files. Once this is had, no process of an earlier run lives.
        """
        descriptor = _open_lock(self.children_lock)
        try:
            if not until(lambda: _try_lock(self.children_lock, descriptor), LEFTOVER_SECONDS):
                raise CannotRun(
                    f"Processes of an earlier run still use {self.path}"
                    f"{_holders(self.children_lock)}: end them first."
                )
            yield descriptor
        finally:
            os.close(descriptor)

    def check_layout(self, postgres_major: int | None) -> None:
        """Refuse a folder that another version laid out, or whose owner is somebody else.

        `postgres_major` is that of the embedded Postgres, None where it is not used.
        """
        if self.version.exists():
            found = read_json(self.version).get("layout")
            if found != LAYOUT:
                raise CannotRun(
                    f"{self.path} has layout version {found}, and this release reads {LAYOUT}: "
                    "use the release that made it, or name a new folder by --data-dir."
                )
            if self.path.stat().st_uid != os.geteuid():
                raise CannotRun(
                    f"{self.path} belongs to another user (uid {self.path.stat().st_uid}): "
                    "start this as that user, or name another folder by --data-dir."
                )
        written = self.postgres / "data" / "PG_VERSION"
        if postgres_major is None or not written.exists():
            return
        major = written.read_text().strip()
        if major != str(postgres_major):
            raise CannotRun(
                f"{self.postgres} is a database of Postgres {major}, and this release brings "
                f"Postgres {postgres_major}: dump it with the release that made it "
                "(docs/how-to/quickstart.md), or name a new folder by --data-dir."
            )

    def lay_out(self, identity: Identity | None) -> None:
        """Make what is missing and set the rights: nobody but this user sees anything.

        Where root lets `identity` run the servers, that user may pass through to its own folders.
        """
        # The rights first: a folder that stands open for a moment could be entered in it.
        self.path.chmod(0o711 if identity else 0o700)
        write_json(self.version, {"layout": LAYOUT})
        for folder in (self.postgres, self.store, self.logs, self.client):
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))

    @contextlib.contextmanager
    def runtime(self, identity: Identity | None, *, apart: bool) -> Iterator[Path]:
        """The folder of Postgres' socket, owned by whom it runs as, 0700; `apart` forces /tmp.

        It lies in the data folder where a socket can: a long path, an odd character and some file
        systems forbid it. Then it lies in a new folder below /tmp, which `socket` links to, and
        which goes at the end (or at the next start, if this one is killed).
        """
        if self.socket.is_symlink():
            _remove_runtime(Path(os.readlink(self.socket)))  # noqa: PTH115  not to be resolved
            self.socket.unlink()
        if not apart and can_hold_sockets(self.path):
            self.socket.mkdir(mode=0o700, exist_ok=True)
            give(self.socket, identity)
            yield self.socket
            return
        if self.socket.is_dir():
            shutil.rmtree(self.socket)
        # TMPDIR is not asked: it is what can be too long.
        parent = Path(tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir="/tmp"))
        try:
            self.socket.symlink_to(parent)
            parent.chmod(0o711 if identity else 0o700)
            folder = parent / "socket"
            folder.mkdir(mode=0o700)
            give(folder, identity)
            yield folder
        finally:
            _remove_runtime(parent)
            self.socket.unlink(missing_ok=True)


def can_hold_sockets(folder: Path) -> bool:
    """Whether Postgres can have its socket in a folder of this one, and libpq can name it."""
    path = str(folder / "socket")
    # A comma would make two hosts of it for libpq, and two folders for Postgres.
    if len(os.fsencode(path)) > SOCKET_FOLDER_BYTES or any(mark in path for mark in ',"\\'):
        return False
    trial = folder / ".trial"
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(trial))
    except OSError:
        return False
    finally:
        trial.unlink(missing_ok=True)
    return True


def read_json(path: Path) -> dict[str, Any]:
    """The object that the file holds; CannotRun where it holds none."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} cannot be read: {error}.") from None
    if not isinstance(found, dict):
        raise CannotRun(f"{path} does not hold what quickstart writes there.")
    return found


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the object, for this user only, whole or not at all."""
    write_whole(path, json.dumps(content, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file for this user only, whole or not at all, kept through a loss of power."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}.") from None


def _try_lock(path: Path, descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise CannotRun(f"{path} cannot be locked: {error.strerror}.") from None
    return True


def _holders(lock: Path) -> str:
    """The processes that have the file open, where the system tells: ` (pids 7, 8)`, or nothing."""
    pids = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.samefile(lock) and link.parts[2] != str(os.getpid()):
                pids.add(int(link.parts[2]))
    return f" (pids {', '.join(map(str, sorted(pids)))})" if pids else ""


def _remove_runtime(folder: Path) -> None:
    # Only what looks like ours: the link in the data folder may have been changed by somebody.
    if folder.parent == Path("/tmp") and folder.name.startswith(RUNTIME_PREFIX):  # noqa: S108
        shutil.rmtree(folder, ignore_errors=True)
