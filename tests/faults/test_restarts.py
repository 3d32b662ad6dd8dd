"""No push is cut by a restart: web server and sweep are told to end, and others take over."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import sif_files
from tests.clients.live import PROJECT
from tests.clients.outcome import Outcome, assert_done
from tests.faults.conftest import MakeBench
from tests.faults.course import Bench
from tests.faults.registry import Registry, Victim
from tests.quickstart.running import eventually

# The first test of a session may have to fetch its client.
pytestmark = pytest.mark.timeout(600)

MIB = 1024**2

METRICS_TOKEN = "only-for-tests-metrics"

SETTINGS = {
    # From 64 MiB on clients send parts: with so small ones there are many requests between them.
    "UPLOAD_PART_BYTES": str(5 * MIB),
    "METRICS_TOKEN": METRICS_TOKEN,
    "LOG_FORMAT": "json",
    "ACCESS_LOG": "true",
    "WEB_STOP_SECONDS": "10",
    "SWEEP_STOP_SECONDS": "0",
}


class Pushing:
    """A client that pushes one image after the other, until it is enough."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.outcomes: list[Outcome] = []
        self.digests: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._push, daemon=True)

    def __enter__(self) -> "Pushing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(120)

    def _push(self) -> None:
        bench = self.bench
        while not self._over.is_set():
            number = len(self.outcomes)
            self.digests.append(sif_files.write_sif(bench.image, size=70 * MIB, seed=number))
            self.outcomes.append(
                bench.cli.run("push", "-U", bench.image, f"{bench.ref}.{number}", seconds=120)
            )


@contextlib.contextmanager
def another_web_server(registry: Registry) -> Iterator[int]:
    """A second one on the same address, as an administrator starts the next release; its number."""
    pid = registry.pid(Victim.WEB)
    environment = dict(
        line.partition("=")[::2]
        for line in Path(f"/proc/{pid}/environ").read_text().split("\0")
        if line
    )
    command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[1:-1]
    server = subprocess.Popen([sys.executable, *command], cwd=PROJECT, env=environment)
    try:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        eventually(lambda: len(children.read_text().split()) == 2, "two more workers")
        time.sleep(1)
        yield server.pid
    finally:
        server.terminate()
        assert server.wait(30) == 0


def restart(registry: Registry, victim: Victim) -> None:
    """Tell it to end as an administrator does; the supervisor starts it again."""
    pid = registry.pid(victim)
    os.kill(pid, signal.SIGTERM)
    registry.await_restart(victim, pid)


def scraped(registry: Registry) -> dict[str, float]:
    """The sums over all labels of what the metrics say, by name."""
    request = urllib.request.Request(f"{registry.live.url}/metrics")
    request.add_header("Authorization", f"Bearer {METRICS_TOKEN}")
    found: dict[str, float] = {}
    with urllib.request.urlopen(request, timeout=10) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def counting_folders(pid: int) -> list[Path]:
    """Where the workers of this server count together."""
    return list(Path(tempfile.gettempdir()).glob(f"shub-metrics-{pid}-*"))


def test_no_push_is_cut_while_web_server_and_sweep_are_restarted(make_bench: MakeBench) -> None:
    bench = make_bench(size=70 * MIB, **SETTINGS)
    registry = bench.registry
    first = registry.pid(Victim.WEB)
    assert len(counting_folders(first)) == 1
    with Pushing(bench) as pushing:
        eventually(lambda: len(pushing.outcomes) >= 1, "a first push", 60)
        with another_web_server(registry):
            restart(registry, Victim.WEB)
            restart(registry, Victim.SWEEP)
            eventually(lambda: registry.pid(Victim.WEB) != first, "a new web server")
            time.sleep(2)
        restart(registry, Victim.SWEEP)
        known = len(pushing.outcomes)
        eventually(lambda: len(pushing.outcomes) > known, "one more push", 60)
    for outcome in pushing.outcomes:
        assert_done(outcome)
    live = registry.live
    assert len(pushing.outcomes) >= 3
    for digest in pushing.digests:
        eventually(
            lambda digest=digest: [row[1] for row in live.uploads(digest)] == ["done"],  # type: ignore[misc]
            "one upload, and done",
        )
    # By labels that no web server has counted: the sweeps' own, which they add now and then.
    eventually(
        lambda: scraped(registry).get("shub_verified_uploads_total", 0) >= len(pushing.digests),
        "all verdicts in the metrics",
    )
    found = scraped(registry)
    assert found["shub_sweeps_alive"] == 1
    assert found["shub_uploads_waiting"] == 0
    assert found["shub_requests_total"] > 0
    assert found["shub_verified_bytes_total"] >= len(pushing.digests) * 70 * MIB
    assert found["shub_database_up"] == 1
    assert registry.traces() == []
    assert counting_folders(first) == []
    assert lines_of_a_push(registry, pushing.digests[-1])


def lines_of_a_push(registry: Registry, digest: str) -> list[str]:
    """The routes and messages of its last push; every line of both logs is an object."""
    ((push,),) = registry.live.rows(
        "SELECT public_id FROM uploads_upload WHERE digest = %s", digest
    )
    lines = [
        json.loads(line)
        for name in ("web", "sweep")
        for line in logged(registry.logs / f"{name}.log")
    ]
    own = [line for line in lines if line.get("push") == push]
    assert {"library-multipart", "library-multipart-completion"} <= {
        line.get("route") for line in own
    }
    assert any(line["logger"] == "shub.uploads.verification" for line in own)
    return [line["message"] for line in own]


def logged(log: Path) -> list[str]:
    """What has been logged since the copied folder was started with a log of JSON lines."""
    lines = log.read_text().splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("{"))
    return lines[first:]
