"""One registry behind TLS for the session, as an administrator runs it, and doctor within it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache

from shub.operations.doctor.checks import CHECKS
from shub.operations.doctor.examining import examined
from shub.operations.doctor.finding import Finding, State
from shub.operations.doctor.options import Options
from shub.operations.doctor.probe import COMPARED
from shub.uploads.models import SweepBeat
from tests.clients import live as registry
from tests.clients.live import PROJECT, Live
from tests.clients.mistakes import _parent_of
from tests.doctor import proxies
from tests.servers import free_hosts

# Read from the registry that runs, so that doctor has the same in this process.
READ = (*COMPARED, "SECRET_KEY", "MINIO_FOLDER", "STATIC_ROOT", "REGISTRY_CA_FILE", "STORAGES")


@dataclass(frozen=True, repr=False)
class Patient:
    """A registry that runs behind nginx, healthy in all."""

    live: Live
    port: int
    environment: Mapping[str, str]
    settings: Mapping[str, Any]
    supervisor: int
    """The process that starts the others anew."""

    def command(self, *words: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """`manage.py doctor` in the registry's own environment, with some of it changed."""
        return subprocess.run(
            [sys.executable, PROJECT / "manage.py", "doctor", *words],
            env={**self.environment, **changed},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


@pytest.fixture(scope="session")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    with running(tmp_path_factory.mktemp("certificates")) as found:
        yield found


@contextmanager
def running(folder: Path) -> Iterator[Patient]:
    """The registry behind its proxies; certificates are made in the folder."""
    known = proxies.make_certificates(folder)
    port = int(free_hosts(1)[0].rpartition(":")[2])
    settings = {
        "PUBLIC_URL": f"https://{proxies.HOST}:{port}",
        "MINIO_EXTERNAL_SERVER": f"{proxies.HOST}:{port}",
        "MINIO_EXTERNAL_SSL": "true",
        "MINIO_EXTERNAL_STRIPS_AUTHORIZATION": "true",
        "TRUSTED_PROXIES": "127.0.0.1",
        "SECURE_HSTS_SECONDS": "3600",
        "VERIFY_WAIT_SECONDS": "2",
        "REGISTRY_CA_FILE": str(known.file),
    }
    with registry.started(**settings) as live, proxies.in_front(live, port, folder):
        environment = environment_of(live.pids["web"])
        yield Patient(live, port, environment, _settings(environment), _parent_of(live.pids["web"]))


def environment_of(pid: int) -> dict[str, str]:
    """What a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


def _settings(environment: Mapping[str, str]) -> dict[str, Any]:
    code = (
        "import json, sys; from django.conf import settings; "
        f"sys.stdout.write(json.dumps({{n: getattr(settings, n) for n in {READ!r}}}))"
    )
    done = subprocess.run(
        [sys.executable, PROJECT / "manage.py", "shell", "--verbosity=0", "--command", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    read: dict[str, Any] = json.loads(done.stdout)
    return read


@pytest.fixture
def within(patient: Patient, settings: Any, db: None) -> Patient:
    """This process has the registry's settings, and a sweep of its own that is alive."""
    for name, value in patient.settings.items():
        setattr(settings, name, value)
    settings.SERVED_BY_TLS = True
    cache.clear()
    return patient


Look = Callable[..., list[Finding]]


@pytest.fixture
def look(within: Patient) -> Look:
    """What one check finds, where the registry's name leads to the proxy with this fault."""
    by_name = {check.name: check for check in CHECKS}

    def look(check: str, proxy: str = "well", **options: Any) -> list[Finding]:
        given = {
            "resolve": {proxies.HOST: proxies.address_of(proxy)},
            "answer_seconds": 3,
            "body_bytes": 2 * 1024**2,
            **options,
        }
        return examined(by_name[check], Options(**given))

    return look


@pytest.fixture
def beating(db: None) -> SweepBeat:
    """A sweep that was seen just now."""
    from django.utils import timezone

    now = timezone.now()
    return SweepBeat.objects.create(host="sweep.test", pid=1, started_at=now, seen_at=now)


def codes(findings: list[Finding]) -> list[str]:
    """What is wrong; what is well and what was skipped apart."""
    return [each.code for each in findings if each.state in {State.WARNING, State.FAULT}]
