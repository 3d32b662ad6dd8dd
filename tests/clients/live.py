"""A registry as its users start it: `manage.py quickstart`, on free ports of this machine."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from minio import Minio

from tests.clients.outcome import without_secrets

PROJECT = Path(__file__).resolve().parents[2]

# It has a token's beginning and length, so that a client takes it; it is nobody's.
WRONG_TOKEN = "shub_" + "0" * 219

# A first start makes a database and a store; a machine that is busy takes its time over it.
START_SECONDS = 90
STOP_SECONDS = 30


@dataclass(frozen=True, repr=False)
class Live:
    """A registry that runs. `token` belongs to the user who owns `entity`."""

    url: str
    entity: str
    username: str
    token: str
    database: str
    store: Mapping[str, str]
    pids: Mapping[str, int]

    def __repr__(self) -> str:
        return f"<registry at {self.url}>"

    @property
    def library(self) -> str:
        """The base address of the library, as clients are told it."""
        with urllib.request.urlopen(f"{self.url}/assets/config/config.prod.json") as answer:
            services = json.load(answer)
        address: str = services["libraryAPI"]["uri"]
        return address

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the registry's own database."""
        with (
            contextlib.closing(psycopg2.connect(self.database)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(query, values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
        return found

    def change(self, statement: str, *values: Any) -> int:
        """Change what has no other way in yet; the number of rows that it met."""
        with contextlib.closing(psycopg2.connect(self.database)) as connection:
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                met: int = cursor.rowcount
            connection.commit()
        return met

    def uploads(self, digest: str) -> list[tuple[str, str, int]]:
        """Kind, state and number of parts of each upload of these bytes, in order."""
        return self.rows(
            "SELECT kind, state, jsonb_array_length(parts) FROM uploads_upload"
            " WHERE digest = %s ORDER BY id",
            digest,
        )

    def stored(self, digest: str) -> list[str]:
        """The keys under which the store holds these bytes, asked past the registry."""
        store = urlsplit(self.store["endpoint"])
        client = Minio(
            endpoint=store.netloc,
            access_key=self.store["access_key"],
            secret_key=self.store["secret_key"],
            secure=store.scheme == "https",
        )
        prefix = f"blobs/{digest[:2]}/{digest}"
        found = client.list_objects(bucket_name=self.store["bucket"], prefix=prefix, recursive=True)
        # JuiceFS also lists the folder that a removed object lay in.
        return [str(each.object_name) for each in found if not each.is_dir]

    def tags(self, digest: str) -> list[str]:
        """The names of the tags that mean these bytes, sorted."""
        found = self.rows(
            "SELECT tag.name FROM containers_tag tag"
            " JOIN containers_image image ON image.id = tag.image_id"
            " WHERE image.digest = %s ORDER BY tag.name",
            digest,
        )
        return [name for (name,) in found]

    def set_quota(self, entity: str, size: int | None) -> None:
        """Allow the entity so many bytes; None is what the site allows everybody."""
        met = self.change(
            "UPDATE accounts_entity SET quota_bytes = %s WHERE name = %s", size, entity
        )
        assert met == 1, f"{met} entities are named {entity}"

    def make_private(self, collection: str) -> None:
        """Hide one collection of `entity` from all but those who may push there."""
        met = self.change(
            "UPDATE containers_collection SET visibility = 'private' WHERE name = %s"
            " AND entity_id = (SELECT id FROM accounts_entity WHERE name = %s)",
            collection,
            self.entity,
        )
        assert met == 1, f"{met} collections are named {collection}"

    def register(self, username: str) -> str:
        """Make a user with an entity of the same name; a token of theirs."""
        code = (
            "import sys; from shub.accounts import tokens; "
            "from shub.accounts.registration import create_user; "
            f"user = create_user(username={username!r}, password=None); "
            "sys.stdout.write(tokens.issue(user=user, name='tests')[1])"
        )
        done = subprocess.run(
            [sys.executable, PROJECT / "manage.py", "shell", "--verbosity=0", "--command", code],
            env={**_environment(), "DATABASE_URL": self.database, "SECRET_KEY": "unused"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, without_secrets(done.stderr)
        return done.stdout.strip()


@contextlib.contextmanager
def started(**settings: str) -> Iterator[Live]:
    """A fresh registry with these settings in its environment; gone at the end, data and all."""
    # Not below pytest's own folder: started by root, the database runs as somebody who may not
    # pass through a folder that is only root's; and a socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="shub-live-"))
    folder.chmod(0o711)
    ready, log = folder / "ready.json", folder / "log"
    try:
        with log.open("w") as output:
            process = subprocess.Popen(
                [
                    *(sys.executable, PROJECT / "manage.py", "quickstart"),
                    *("--data-dir", folder / "data", "--ready-file", ready),
                    *("--bind", f"127.0.0.1:{_free_port()}"),
                    *("--store-bind", f"127.0.0.1:{_free_port()}"),
                ],
                env={**_environment(), **settings},
                stdout=output,
                stderr=output,
            )
        try:
            said = _wait(process, ready, log)
            yield Live(
                url=said["url"],
                entity=said["entity"],
                username=said["username"],
                token=said["token"],
                database=said["database"],
                store=said["store"],
                pids=said["pids"],
            )
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], ready: Path, log: Path) -> dict[str, Any]:
    """What the ready file says, once it is there."""
    give_up_at = time.monotonic() + START_SECONDS
    while not (said := _content(ready)):
        if process.poll() is not None:
            raise AssertionError(f"quickstart ended ({process.returncode}):\n{_last_words(log)}")
        if time.monotonic() > give_up_at:
            raise AssertionError(f"Not ready after {START_SECONDS} s:\n{_last_words(log)}")
        time.sleep(0.05)
    return said


def _content(ready: Path) -> dict[str, Any]:
    """Empty as long as there is no file; quickstart also tries early whether it can write one."""
    try:
        said: dict[str, Any] = json.loads(ready.read_text())
    except FileNotFoundError:
        return {}
    return said


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-30:]
    return without_secrets("\n".join(lines))


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"quickstart did not stop within {STOP_SECONDS} s.") from None


def _environment() -> dict[str, str]:
    """What a shell needs, and no setting: those of the test run are not the live registry's."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
