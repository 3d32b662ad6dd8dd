"""What it costs a request to be counted and written down, and what a scrape costs.

    python -m benchmarks.watching [--seconds N] [--repeats N]

The same request, by tag and bearer on 100,000 images, is asked of four web servers in turn: one
without the middleware, one that counts in memory of its own, one whose workers count together as
/metrics needs it, and one that writes JSON lines besides. What is compared is the time that a
request takes on a core: it does not move with what else the machine does as the rate does.

Then /metrics is asked: with what is stored counted anew, and with what is known.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import filling, loading, registry
from benchmarks.loading import Task
from tests.clients.live import PROJECT, Live
from tests.quickstart.running import free_port

CONNECTIONS = 8
URLS = 500
START_SECONDS = 30
TOKEN = "only-for-benchmarks"

# Counting and writing may take so much of a request, at most.
GOAL = 1.15

VARIANTS = {
    "nothing is watched": {"DJANGO_SETTINGS_MODULE": "benchmarks.unwatched"},
    "counted in each worker": {},
    "counted together": {"METRICS_TOKEN": TOKEN},
    "and written as JSON": {
        "METRICS_TOKEN": TOKEN,
        "ACCESS_LOG": "true",
        "LOG_FORMAT": "json",
    },
}


@dataclass(frozen=True)
class Served:
    """A web server of one variant."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """What its workers have used of the cores."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        ticks = 0
        for child in children:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when the goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching")
    parser.add_argument("--seconds", type=int, default=4, help="of each repeat (default: 4)")
    parser.add_argument("--repeats", type=int, default=3, help="of each variant (default: 3)")
    options = parser.parse_args(arguments)
    with registry.registry(None) as live, contextlib.ExitStack() as held:
        print(f"Machine: {registry.machine()}", flush=True)
        print(f"Rows: {filling.fill(live).images} images", flush=True)
        servers = {
            name: held.enter_context(served(live, settings)) for name, settings in VARIANTS.items()
        }
        spent = measured(live, servers, options)
        scrape(live, servers["counted together"])
    if not all(spent.values()):
        print("Failed: a web server has answered nothing.", file=sys.stderr)
        return 2
    base = statistics.median(spent["nothing is watched"])
    worst = 0.0
    for name, found in spent.items():
        ratio = statistics.median(found) / base
        worst = max(worst, ratio)
        print(f"{name:<26}{statistics.median(found):>7.2f} ms on a core{ratio:>7.2f}")
    print("met" if worst <= GOAL else f"MISSED: {worst:.2f}, at most {GOAL}")
    return 0 if worst <= GOAL else 1


def measured(
    live: Live, servers: dict[str, Served], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Milliseconds on a core for each request, of each repeat."""
    refs = filling.references(live, URLS)
    paths = [f"/v1/images/{ref}?arch=amd64" for ref in refs]
    spent: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(options.repeats + 1):
        for name, server in servers.items():
            seconds = options.seconds if turn else 1
            before = server.cpu_seconds()
            found = loading.load(Task(server.url, paths, live.token, CONNECTIONS, seconds, 200))
            assert not found.errors
            # The first turn warms up; and a machine that is busy may answer nothing for seconds.
            if turn and found.requests:
                spent[name].append((server.cpu_seconds() - before) / found.requests * 1e3)
    return spent


def scrape(live: Live, server: Served) -> None:
    """Print how long a scrape takes."""
    anew = []
    for _ in range(3):
        live.change("DELETE FROM cache_entry")
        anew.append(scraped(server))
    known = [scraped(server) for _ in range(5)]
    print(f"scrape, all counted anew  {statistics.median(anew):>7.0f} ms")
    print(f"scrape, counted before    {statistics.median(known):>7.0f} ms")


def scraped(server: Served) -> float:
    """Milliseconds of one scrape."""
    request = urllib.request.Request(
        f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    begun = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        answer.read()
    return (time.perf_counter() - begun) * 1e3


@contextlib.contextmanager
def served(live: Live, settings: dict[str, str]) -> Iterator[Served]:
    """A web server on the registry's rows, with these settings."""
    port = free_port()
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "--config", "python:shub.web_server"),
            *("--bind", f"127.0.0.1:{port}"),
        ],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": live.database,
            "SECRET_KEY": "only-for-benchmarks",
            "ACCESS_LOG": "false",
            "WEB_STOP_SECONDS": "1",
            **settings,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{url}/healthz", timeout=5).close()
                break
            if time.monotonic() > give_up_at:
                raise OSError("The web server did not start.")
            time.sleep(0.2)
        time.sleep(1)
        yield Served(url, server.pid)
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    sys.exit(main())
