"""A desk: one page is read at it, and its commands are typed in order, beside a registry."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from shub.quickstart import binaries
from tests import sif_files
from tests.docs.door import Door, opened
from tests.docs.fences import ROOT, Command
from tests.quickstart.running import Quickstart, clean_environment, free_port, running

# The names that pages give to a registry.
HOSTS = ["registry.example.org", "registry.lab"]
URL = f"https://{HOSTS[0]}"

# Where pages have the web server listen.
BOUND = "127.0.0.1:8080"

# Folders of a page that are made below the desk instead of on this machine.
PLACES = (
    "/srv/shub",
    "/srv/backups",
    "/srv/mirror",
    "/run/secrets",
    "/etc/shub",
    "/etc/registry",
    "/somewhere",
    "/data/images",
)

# What runs until it is stopped: it has to come up, and to end well when told.
SERVERS = ("gunicorn ", "./manage.py sweep")
SERVER_SECONDS = 40.0

COMMAND_SECONDS = 60

numbers = itertools.count(1)


@dataclass(frozen=True)
class Registry:
    """A registry that runs as PUBLIC_URL, and what its administrator knows."""

    facts: Mapping[str, Any]
    data: Path
    port: int
    door: Door
    tokens: Mapping[str, str]

    @property
    def settings(self) -> dict[str, str]:
        """What its processes have in their environment, for commands beside them."""
        store = self.facts["store"]
        return {
            "PUBLIC_URL": URL,
            "SECRET_KEY": "only-for-tests" * 5,
            "DATABASE_URL": self.facts["database"],
            "MINIO_SERVER": urlsplit(store["endpoint"]).netloc,
            "MINIO_EXTERNAL_SERVER": urlsplit(store["external_endpoint"]).netloc,
            "MINIO_BUCKET": store["bucket"],
            "MINIO_ACCESS_KEY": store["access_key"],
            "MINIO_SECRET_KEY": store["secret_key"],
            "MINIO_UPLOAD_ACCESS_KEY": "upload-of-the-pages",
            "MINIO_UPLOAD_SECRET_KEY": "upload-of-the-pages-secret",
            "TRUSTED_PROXIES": "127.0.0.1",
            "SECURE_HSTS_SECONDS": "3600",
        }


@contextmanager
def registry() -> Iterator[Registry]:
    """A fresh one, with the people that pages speak of: mara, otto, and the team lab."""
    top = Path(tempfile.mkdtemp(prefix="shub-docs-", dir="/tmp"))
    top.chmod(0o755)
    quickstart = Quickstart(
        top / "data",
        environment=clean_environment(
            PUBLIC_URL=URL,
            ALLOWED_HOSTS=",".join(HOSTS),
            METRICS_ALLOWED_NETWORKS="127.0.0.1",
        ),
    )
    try:
        with running(quickstart), opened(HOSTS, quickstart.port, top) as door:
            found = Registry(quickstart.facts(), top / "data", quickstart.port, door, {})
            yield Registry(found.facts, found.data, found.port, door, _people(found))
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _people(registry: Registry) -> dict[str, str]:
    """Make them; a token of each."""
    code = (
        "import json, sys\n"
        "from shub.accounts import registration, teams, tokens\n"
        "from shub.accounts.callers import Caller\n"
        "mara, otto = (registration.create_user(username=each, password='correct horse battery')"
        " for each in ('mara', 'otto'))\n"
        "teams.create(name='lab', description='', by=Caller(mara))\n"
        "sys.stdout.write(json.dumps({each.username: tokens.issue(user=each, name='pages')[1]"
        " for each in (mara, otto)}))\n"
    )
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", "shell", "--verbosity=0", "--command", code],
        env={"PATH": os.environ["PATH"], **registry.settings},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    command: Command
    status: int
    said: str

    def __str__(self) -> str:
        return f"{self.command}\n  exit {self.status}: {self.said[-1500:]}"


@dataclass
class Desk:
    """Where one page's commands are typed. What they export stays until the page's end."""

    registry: Registry
    apptainer: Path
    folder: Path
    swapped: dict[str, str] = field(default_factory=dict)
    """Words of the page, and what is typed instead."""
    typed: dict[str, str] = field(default_factory=dict)
    """Beginnings of commands, and what they are given on standard input."""

    def __post_init__(self) -> None:
        for name in ("home/.apptainer", "work", "bin", "places"):
            (self.folder / name).mkdir(parents=True)
        work = self.folder / "work"
        self._program("apptainer", f'exec "{self.apptainer}" "$@"')
        (work / "manage.py").write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/manage.py" "$@"\n'
        )
        (work / "manage.py").chmod(0o755)
        (work / "data").symlink_to(self.registry.data)
        sif_files.write_sif(work / "image.sif", size=1 << 20, seed=next(numbers))
        for place in PLACES:
            here = self.folder / "places" / place.strip("/")
            here.mkdir(parents=True)
            self.swapped[place] = str(here)
        paths = [
            self.folder / "bin",
            Path(sysconfig.get_path("scripts")),
            binaries.find_postgres().folder,
        ]
        self.environment = {
            **self.registry.settings,
            # The page's reader stands in the folder of the repository.
            "PYTHONPATH": str(ROOT),
            "PATH": ":".join([*map(str, paths), os.environ["PATH"]]),
            "HOME": str(self.folder / "home"),
            "APPTAINER_CONFIGDIR": str(self.folder / "home/.apptainer"),
            "LC_ALL": "C.UTF-8",
            "https_proxy": self.registry.door.url,
            "http_proxy": self.registry.door.url,
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": str(self.registry.door.authority),
            "CURL_CA_BUNDLE": str(self.registry.door.authority),
            "REGISTRY_TOKEN": self.registry.tokens["mara"],
        }
        self.at = work

    def _program(self, name: str, script: str) -> None:
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def type(self, command: Command) -> Done:
        """Run it as a shell would, and keep what it exports and where it goes."""
        text = command.text
        for word, instead in self.swapped.items():
            text = text.replace(word, instead)
        if command.key.startswith(SERVERS):
            return self._serve(command, text)
        text = text.replace(BOUND, f"127.0.0.1:{self.registry.port}")
        given = next(
            (typed for start, typed in self.typed.items() if command.key.startswith(start)), ""
        )
        state = self.folder / "state"
        script = f"set -a\n{text}\nstatus=$?\n{{ pwd; env -0; }} >{state}\nexit $status\n"
        try:
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self.at,
                env=self.environment,
                input=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as late:
            return Done(command, -1, f"not done in {late.timeout} s: {late.output!r}")
        if done.returncode == 0 and state.exists():
            at, _, exported = state.read_text().partition("\n")
            self.at = Path(at)
            pairs = (pair.partition("=") for pair in exported.split("\0") if "=" in pair)
            self.environment = {name: value for name, _, value in pairs if name != "status"}
        return Done(command, done.returncode, done.stdout)

    def _serve(self, command: Command, text: str) -> Done:
        port = free_port()
        text = text.replace(BOUND, f"127.0.0.1:{port}")
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {text}"],
                cwd=self.at,
                env={**self.environment, "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}"},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            try:
                ready = _is_there(process, said, port if text.startswith("gunicorn") else 0)
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                status = process.wait(COMMAND_SECONDS)
            said.seek(0)
            return Done(command, status if ready else -1, said.read())


def _is_there(process: subprocess.Popen[bytes], said: IO[str], port: int) -> bool:
    """Whether it runs, and has something to say: an answer where it has a port, else a line."""
    give_up_at = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        if port:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/version")
            with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=2) as answer:
                return bool(answer.status == 200)
        elif os.fstat(said.fileno()).st_size:
            return True
        time.sleep(0.1)
    return False
