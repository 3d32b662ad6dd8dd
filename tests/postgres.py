"""A real Postgres for the tests: the quickstart's own, or the one TEST_DATABASE_URL names."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from shub.quickstart import binaries
from shub.quickstart.children import ChildSpec, spawn
from shub.quickstart.identity import give, service_identity
from shub.quickstart.postgres import Postgres
from tests.folders import unforced_folder

READY_SECONDS = 30.0


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a database server that runs until the context ends."""
    named = os.environ.get("TEST_DATABASE_URL")
    if named:
        yield named
        return
    identity = service_identity()
    # The programs may have to be copied, and from a file system in memory they may not start.
    with TemporaryDirectory(prefix="shub-pg-") as top, unforced_folder() as files:
        Path(top).chmod(0o711)
        folders = [files, Path(top, "socket")]
        folders[1].mkdir(mode=0o700)
        for folder in folders:
            give(folder, identity)
        programs = binaries.find_postgres()
        if binaries.are_closed(programs, ("postgres", "initdb"), identity):
            programs = programs.copy_below(Path(top, "programs"))
        server = Postgres(
            folder=folders[0],
            socket_folder=folders[1],
            log_folder=Path(top),
            programs=programs,
            identity=identity,
        )
        with _running(server.making()) as making:
            if making.wait(READY_SECONDS):
                raise RuntimeError(Path(top, "initdb.log").read_text())
        server.made()
        with _running(server.child()):
            give_up_at = time.monotonic() + READY_SECONDS
            while not server.accepts():
                if time.monotonic() > give_up_at:
                    raise RuntimeError(Path(top, "postgres.log").read_text())
                time.sleep(0.05)
            yield server.url


@contextmanager
def _running(spec: ChildSpec) -> Iterator[subprocess.Popen[bytes]]:
    process = spawn(spec)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(spec.stop_signal)
            process.wait(spec.stop_seconds)
