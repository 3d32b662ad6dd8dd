"""The embedded Postgres: reached by a Unix socket alone, which only its user and root can use."""

import os
import re
import shutil
import signal
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg2

from shub.quickstart.binaries import Programs
from shub.quickstart.children import ChildSpec
from shub.quickstart.failures import CannotRun
from shub.quickstart.identity import Identity

NAME = "postgres"
DATABASE = ROLE = "shub"
PORT = 5432  # Only a part of the socket's name.
START_SECONDS = 300.0  # After a loss of power it reads its journal first.

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    # Eight threads of the web server, the sweep's, and commands by hand.
    "max_connections": "60",
    "max_wal_size": "256MB",
    "log_checkpoints": "off",
}

MAKING_OPTIONS = (
    *("--username", ROLE, "--encoding", "UTF8", "--no-instructions"),
    *("--auth-local=trust", "--auth-host=reject"),
    # Postgres' own: the same order on each system, today and after its next update.
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)


class Postgres:
    """One database server on the files below `folder`, with its socket in `socket_folder`.

    `apart` is for root in a place that `identity` cannot enter: the files are then named through a
    descriptor that root has opened, instead of by their path (Linux).
    """

    def __init__(
        self,
        *,
        folder: Path,
        socket_folder: Path,
        log_folder: Path,
        programs: Programs,
        identity: Identity | None,
        apart: bool = False,
    ) -> None:
        self.files = folder / "data"
        self.socket_folder = socket_folder
        self._folder = folder
        self._logs = log_folder
        self._programs = programs
        self._identity = identity
        self._descriptor: int | None = None
        if apart:
            self._descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    @property
    def url(self) -> str:
        """The DATABASE_URL by which this machine's processes reach it."""
        return f"postgresql:///{DATABASE}?host={quote(str(self.socket_folder))}&user={ROLE}"

    @property
    def is_made(self) -> bool:
        """Whether its files are there, whole."""
        return self.files.exists()

    def making(self) -> ChildSpec:
        """The passing process that makes the files, under another name until `made`."""
        shutil.rmtree(self._folder / "data.new", ignore_errors=True)
        return self._spec(
            "initdb",
            ("-D", self._named("data.new"), *MAKING_OPTIONS),
        )

    def made(self) -> None:
        """Give the new files their name, since initdb that was cut short leaves half of them."""
        (self._folder / "data.new").rename(self.files)

    def child(self) -> ChildSpec:
        """The server. SIGINT is its fast stop: sessions are ended, and nothing is left to redo."""
        # A loss of power leaves it behind, and another process may have that number by now. No
        # server of an earlier run lives: the data folder's locks say so.
        (self.files / "postmaster.pid").unlink(missing_ok=True)
        folder = str(self.socket_folder)
        settings = {**SETTINGS, "unix_socket_directories": f'"{folder}"'}
        arguments = ["-D", self._named("data")]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        return self._spec(NAME, tuple(arguments), stop_signal=signal.SIGINT)

    def accepts(self) -> bool:
        """Whether it takes connections."""
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def make_database(self) -> None:
        """Make the database where it is missing."""
        with closing(self._connect()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {DATABASE}")

    def _connect(self) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=str(self.socket_folder), port=PORT, user=ROLE, dbname="postgres", connect_timeout=2
        )

    def _named(self, name: str) -> str:
        if self._descriptor is None:
            return str(self._folder / name)
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def _spec(
        self,
        name: str,
        arguments: tuple[str, ...],
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(str(self._programs.path("postgres" if name == NAME else name)), *arguments),
            # initdb looks through all time zones for the system's, unless it is told one.
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            folder=Path("/"),
            log=self._logs / f"{name}.log",
            identity=self._identity,
            inherited=() if self._descriptor is None else (self._descriptor,),
            stop_signal=stop_signal,
            orphan_signal=stop_signal,
            stop_seconds=30.0,
        )


def major_version(programs: Programs) -> int:
    """The major version of the server program; CannotRun where it does not run at all."""
    program = programs.path("postgres")
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise CannotRun(
            f"The embedded Postgres does not run on this machine ({error}); "
            "name a Postgres by DATABASE_URL instead."
        ) from None
    found = re.search(r"\d+", said)
    if found is None:
        raise CannotRun(f"{program} says {said.strip()!r} where its version was expected.")
    return int(found.group())
