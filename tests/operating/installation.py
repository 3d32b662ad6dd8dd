"""A registry without the quickstart: a database and a store, and any number of web servers and
sweeps on them, of this version or of another."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
from minio import Minio

from tests import servers
from tests.servers import free_hosts

PROJECT = Path(__file__).resolve().parents[2]

# As versions can be started that do not say so themselves.
GUNICORN = (
    *("--worker-class", "shub.web_worker.PatientWorker", "--workers", "2", "--threads", "6"),
    *("--no-control-socket", "--forwarded-allow-ips", "", "--timeout", "60"),
    *("--graceful-timeout", "8", "shub.wsgi:application"),
)

START_SECONDS = 60
STOP_SECONDS = 30


@dataclass
class Running:
    """A process of a registry."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """End it, and what it has started, as the kernel does: at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Installation:
    """A registry's database, store and settings. Its folder goes with the test."""

    database: str
    store_host: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    bucket: str = field(default_factory=lambda: f"site-{secrets.token_hex(6)}")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SECRET_KEY": "only-for-tests",
            "DATABASE_URL": self.database,
            "MINIO_SERVER": self.store_host,
            "MINIO_EXTERNAL_SERVER": self.store_host,
            "MINIO_ACCESS_KEY": servers.ACCESS_KEY,
            "MINIO_SECRET_KEY": servers.SECRET_KEY,
            "MINIO_BUCKET": self.bucket,
            **self.settings,
        }

    # ── commands ──
    def manage(
        self, *words: str | Path, code: Path = PROJECT, typed: str = "", seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run manage.py to its end."""
        return subprocess.run(
            [sys.executable, "manage.py", *map(str, words)],
            cwd=code,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def done(self, *words: str | Path, code: Path = PROJECT) -> str:
        """Run manage.py, which has to succeed; what it says."""
        done = self.manage(*words, code=code)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def prepare(self, code: Path = PROJECT) -> None:
        """Database and bucket, as before a first start."""
        self.done("prepare", code=code)

    def register(self, username: str, *, administrator: bool = False) -> str:
        """Make a user; a token of theirs."""
        made = self.done(
            "shell",
            "--verbosity=0",
            "--command",
            "import sys; from shub.accounts import tokens; "
            "from shub.accounts.registration import create_user; "
            f"user = create_user(username={username!r}, password='only-for-tests', "
            f"is_administrator={administrator}); "
            "sys.stdout.write(tokens.issue(user=user, name='tests')[1])",
        )
        return made.strip()

    # ── processes ──
    @contextlib.contextmanager
    def started(self, name: str, *command: str, code: Path = PROJECT) -> Iterator[Running]:
        """A process of the registry, until the context ends."""
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=code,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Of its own, so that a test can end it with all that it has started.
                start_new_session=True,
            )
        try:
            yield Running(process, log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    @contextlib.contextmanager
    def web(
        self, host: str, *options: str, name: str = "web", code: Path = PROJECT
    ) -> Iterator[Running]:
        """A web server at HOST:PORT that answers."""
        own = ("--config", "python:shub.web_server")
        says = (code / "shub/web_server.py").exists()
        words = ("-m", "gunicorn", "--bind", host, *options, *(own if says else GUNICORN))
        with self.started(name, *words, code=code) as running:
            wait_for_answer(f"http://{host}/version", running)
            yield running

    @contextlib.contextmanager
    def sweep(self, *, name: str = "sweep", code: Path = PROJECT) -> Iterator[Running]:
        """A sweep process."""
        with self.started(name, "manage.py", "sweep", code=code) as running:
            yield running

    @contextlib.contextmanager
    def serving(self, code: Path = PROJECT) -> Iterator[str]:
        """A web server and a sweep; the address. PUBLIC_URL is that."""
        (host,) = free_hosts(1)
        self.settings["PUBLIC_URL"] = f"http://{host}"
        with self.sweep(code=code), self.web(host, code=code):
            yield f"http://{host}"

    # ── what is there ──
    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with (
            contextlib.closing(psycopg2.connect(self.database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def change(self, statement: str, *values: Any) -> None:
        """Change rows past the product."""
        with contextlib.closing(psycopg2.connect(self.database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)

    def store(self) -> Minio:
        """A client of the store, past the product."""
        return Minio(
            endpoint=self.store_host,
            access_key=servers.ACCESS_KEY,
            secret_key=servers.SECRET_KEY,
            secure=False,
        )

    def stored_keys(self) -> set[str]:
        """The keys of the bucket's objects."""
        found = self.store().list_objects(bucket_name=self.bucket, recursive=True)
        return {str(each.object_name) for each in found if not each.is_dir}


def wait_for_answer(address: str, running: Running | None = None) -> None:
    """Return when it is answered with 200."""
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        assert running is None or running.process.poll() is None, running.said()[-4000:]
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{address} does not answer: {running.said()[-4000:] if running else ''}")


def eventually(condition: Any, what: str, seconds: float = 60) -> None:
    """Wait until the condition holds; fail with what did not come to be."""
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at, f"not within {seconds} seconds: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def new_database(server: str, *, template: str = "") -> Iterator[str]:
    """The address of an empty database on the server, or of a copy of another one; dropped at the
    end."""
    name = f"site_{secrets.token_hex(6)}"
    given: Mapping[str, str] = psycopg2.extensions.parse_dsn(server)
    with contextlib.closing(psycopg2.connect(**{**given, "dbname": "postgres"})) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            source = psycopg2.extensions.parse_dsn(template)["dbname"] if template else "template1"
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {source}")
            try:
                yield psycopg2.extensions.make_dsn(**{**given, "dbname": name})
            finally:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
