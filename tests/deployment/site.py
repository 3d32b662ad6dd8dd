"""A deployment as an administrator makes it: a fresh clone, ./setup, docker compose up."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.clients.apptainer import Apptainer
from tests.clients.outcome import without_secrets
from tests.deployment.certificates import Authority

PROJECT = Path(__file__).resolve().parents[2]

HOST = "registry.shub.test"
STORE_HOST = "store.shub.test"
ADMINISTRATOR = "mara"

# One name for all that a test makes on the engine, which may hold a registry in use.
NAME = f"shub-tested-{os.getpid()}"


TIMES = pytest.StashKey["Times"]()


class Failed(Exception):
    """A command ended badly; says what it said."""


def engine_missing() -> str:
    """Why no container can be had here; empty where one can."""
    if not shutil.which("docker"):
        return "docker is not installed."
    for words in (["docker", "version"], ["docker", "compose", "version"]):
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 443))
        except OSError as error:
            return f"Port 443 of 127.0.0.1, which a remote needs: {error.strerror}."
    return ""


@dataclass
class Times:
    """What took how long, in the order in which it was done."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.seconds[what] = time.monotonic() - begun


@dataclass
class Site:
    """One deployment, in a clone of its own."""

    folder: Path
    name: str
    authority: Path

    def run(
        self, *words: str | Path, seconds: float = 300, check: bool = True, typed: str = ""
    ) -> str:
        """A command in the clone; what it printed. Failed where it ends badly."""
        done = subprocess.run(
            [str(word) for word in words],
            cwd=self.folder,
            env={**_bare_environment(), "COMPOSE_PROJECT_NAME": self.name, "SHUB_VERSION": NAME},
            capture_output=True,
            text=True,
            input=typed,
            timeout=seconds,
            check=False,
        )
        if check and done.returncode:
            said = without_secrets(f"{done.stdout[-3000:]}{done.stderr[-6000:]}")
            raise Failed(f"{' '.join(map(str, words))}: exit {done.returncode}\n{said}")
        return done.stdout

    def compose(self, *words: str, **options: Any) -> str:
        return self.run("docker", "compose", *words, **options)

    def up(self, *words: str) -> None:
        """`docker compose up -d --wait`; with the logs where that fails."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", "180", *words, seconds=600)
        except Failed as failed:
            logs = self.compose("logs", "--tail", "30", check=False)
            raise Failed(f"{failed}\n{without_secrets(logs)}") from None

    def containers(self) -> dict[str, str]:
        """The ids of all containers, by service and number."""
        found = self.compose("ps", "--all", "--format", "json").splitlines()
        lines = [json.loads(line) for line in found]
        return {str(line["Name"]).removeprefix(f"{self.name}-"): line["ID"] for line in lines}

    def inspected(self) -> dict[str, dict[str, Any]]:
        """What the engine says of each container, by service."""
        found = json.loads(self.run("docker", "inspect", *self.containers().values()))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in found}

    def manage(self, code: str) -> str:
        """Python in the web container, as `manage.py shell` runs it; what it printed."""
        words = ("python", "manage.py", "shell", "--verbosity=0", "--command", code)
        return self.compose("exec", "-T", "web", *words).strip()

    def token(self) -> str:
        """A token of the administrator's."""
        return self.manage(
            "import sys; from shub.accounts import tokens; from shub.accounts.models import User; "
            f"user = User.objects.get(username={ADMINISTRATOR!r}); "
            "sys.stdout.write(tokens.issue(user=user, name='tests')[1])"
        )

    def secrets(self) -> dict[str, str]:
        """The words that are nobody's, by the names of their files."""
        paths = [path for path in (self.folder / "secrets").iterdir() if path.is_file()]
        return {
            path.name: path.read_text().strip()
            for path in paths
            if not path.name.endswith((".crt", ".yml")) and path.read_text().strip()
        }

    def ask(
        self,
        method: str,
        url: str,
        headers: dict[str, str] | None = None,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request to the name, which is this machine, as whoever trusts the authority."""
        parts = urlsplit(url)
        port = parts.port or 443
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(parts.hostname or "", port, context=context)
        connection._create_connection = (  # type: ignore[attr-defined]
            lambda _address, *rest, **named: socket.create_connection(("127.0.0.1", port), 30)
        )
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer, body

    def client(self, program: Path, home: Path) -> Apptainer:
        """A user of the real CLI, logged in, to whom the two names are this machine.

        Without a line in the machine's own /etc/hosts: the client sees another file there.
        """
        home.mkdir(parents=True, exist_ok=True)
        hosts = home / "hosts"
        hosts.write_text(f"127.0.0.1 localhost {HOST} {STORE_HOST}\n")
        wrapper = home / "apptainer"
        new = "unshare --mount" if os.geteuid() == 0 else "unshare --map-root-user --mount"
        wrapper.write_text(
            f'#!/bin/sh\nexec {new} sh -c \'mount --bind "{hosts}" /etc/hosts && exec "$@"\' sh'
            f' "{program}" "$@"\n'
        )
        wrapper.chmod(0o755)
        cli = Apptainer(wrapper, home / "user", authority=self.authority)
        cli.use_remote(f"https://{HOST}", token=self.token())
        return cli


def clone(folder: Path, commit: str = "HEAD") -> None:
    """A fresh clone, as one gets it who has nothing."""
    subprocess.run(["git", "clone", "--quiet", PROJECT, folder], check=True, timeout=120)
    subprocess.run(
        ["git", "checkout", "--quiet", "--detach", commit_of(commit)], cwd=folder, check=True
    )


def commit_before() -> str:
    """The commit before this one that can be deployed; empty where there is none."""
    words = ["git", "rev-parse", "--verify", "--quiet", "HEAD~1"]
    found = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
    before = found.stdout.strip()
    words = ["git", "cat-file", "-e", f"{before}:setup"]
    can_be = subprocess.run(words, cwd=PROJECT, capture_output=True, check=False).returncode == 0
    return before if can_be else ""


def commit_of(name: str) -> str:
    words = ["git", "rev-parse", name]
    return subprocess.run(
        words, cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout.strip()


@contextlib.contextmanager
def site(folder: Path, name: str, *flags: str, commit: str = "HEAD") -> Iterator[Site]:
    """A clone that is set up, with a private authority's certificates; gone at the end."""
    made = Site(folder / "shub", f"{NAME}-{name}", folder / "ca.crt")
    clone(made.folder, commit)
    authority = Authority(made.authority)
    for host, stem in ((HOST, "tls"), (STORE_HOST, "store-tls")):
        authority.issue(host, certificate=folder / f"{stem}.crt", key=folder / f"{stem}.key")
    own = ["--certificate", folder / "tls.crt", "--key", folder / "tls.key"]
    if "store-host" in flags:
        own += ["--store-certificate", folder / "store-tls.crt"]
        own += ["--store-key", folder / "store-tls.key"]
    made.run(
        *("./setup", "--yes", "--host", HOST, "--bind", "127.0.0.1", "--tls", "own"),
        *("--ca", made.authority, "--administrator", ADMINISTRATOR, *own, *flags),
        seconds=600,
    )
    try:
        yield made
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)


def _bare_environment() -> dict[str, str]:
    """What a shell needs, and where the engine is; no setting of the test run."""
    names: Sequence[str] = (
        "PATH",
        "HOME",
        "LANG",
        "DOCKER_HOST",
        "DOCKER_CONFIG",
        "XDG_RUNTIME_DIR",
    )
    return {name: os.environ[name] for name in names if name in os.environ}
