"""How many "image by tag" requests a registry with 100,000 images answers, and how evenly.

    python -m benchmarks.requests_per_second [--seconds N] [--repeats N]

benchmarks/README.md says what is asked, and how to read it. The exit status is 0 when every goal is
met, 1 when one is missed, 2 when something failed.
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import filling, loading, processes, registry
from benchmarks.loading import Found, Task
from benchmarks.processes import Others
from benchmarks.transfers import Library
from tests.clients.live import Live

URLS = 500
CONNECTIONS = (8, 32)
WARM_UP_SECONDS = 2

RATE_GOAL = 500
EVENNESS_GOAL = 3.0


@dataclass(frozen=True)
class Kind:
    """One kind of request."""

    name: str
    path: str
    has_token: bool
    status: int
    has_goal: bool


KINDS = (
    Kind("image by tag, with a bearer token", "/v1/images/{ref}?arch=amd64", True, 200, True),
    Kind("image by tag, by nobody", "/v1/images/{ref}?arch=amd64", False, 200, False),
    Kind(
        "image file, by nobody: see the store", "/v1/imagefile/{ref}?arch=amd64", False, 303, False
    ),
)


@dataclass(frozen=True)
class Row:
    """One repeat: what the load found, and the time that each request took on a core."""

    found: Found
    web_ms: float
    database_ms: float
    others: Others


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    options = parse(arguments)
    try:
        with registry.registry(options.ready_file) as live:
            return measure(live, options)
    except (
        OSError,
        http.client.HTTPException,
        subprocess.SubprocessError,
    ) as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 2


def measure(live: Live, options: argparse.Namespace) -> int:
    """All rows against this registry."""
    print(f"Machine: {registry.machine()}", flush=True)
    filled = filling.fill(live)
    print(
        f"Rows: {filled.images} images, {filled.tags} tags, {filled.containers} containers; "
        f"load by {loading.generator()}, {URLS} URLs in turn",
        flush=True,
    )
    url = options.url or live.url
    refs = filling.references(live, URLS)
    is_met = True
    for kind in KINDS[: options.kinds]:
        paths = [kind.path.format(ref=ref) for ref in refs]
        token = live.token if kind.has_token else ""
        check(url, kind, paths[0], token)
        print(f"\n{kind.name}")
        print(
            f"  {'connections':<12}{'req/s':>8}{'p50 ms':>8}{'p90 ms':>8}{'p99 ms':>8}{'max ms':>8}"
            f"{'p99/p50':>9}{'errors':>8}{'web ms':>8}{'db ms':>8}{'others':>8}",
            flush=True,
        )
        for connections in CONNECTIONS:
            task = Task(url, paths, token, connections, options.seconds, kind.status)
            rows = repeat(live, task, options.repeats, options.patience)
            if kind.has_goal:
                is_met = meets_goals(connections, rows) and is_met
    print(f"\n{'resident memory, MiB':<24}")
    for group in processes.groups(live):
        print(f"  {group.name:<24}{group.resident_bytes / 1024**2:>6.0f}")
    return 0 if is_met else 1


def check(url: str, kind: Kind, path: str, token: str) -> None:
    """Ask once, and look at the answer: a load of refusals would be fast."""
    status, _, said = Library(url, token).call("GET", path)
    if status != kind.status:
        raise OSError(f"GET {path} was answered {status} where {kind.status} was expected: {said}")


def repeat(live: Live, task: Task, repeats: int, patience: float) -> list[Row]:
    """A warm-up, then the repeats, each printed as it comes."""
    loading.load(Task(**{**vars(task), "seconds": WARM_UP_SECONDS}))
    rows = []
    for _ in range(repeats):
        processes.wait_for_quiet(live, patience)
        before = processes.cpu_by_kind(live)
        with Others(live) as others:
            found = loading.load(task)
        after = processes.cpu_by_kind(live)
        spent = {
            name: (after[name] - before.get(name, 0)) / max(found.requests, 1) for name in after
        }
        row = Row(found, spent["web"] * 1e3, spent.get("postgres", 0.0) * 1e3, others)
        rows.append(row)
        print(
            f"  {task.connections:<12}{found.per_second:>8.0f}{found.p50:>8.1f}{found.p90:>8.1f}"
            f"{found.p99:>8.1f}{found.longest:>8.1f}{found.p99 / found.p50:>9.2f}"
            f"{found.errors:>8}{row.web_ms:>8.2f}{row.database_ms:>8.2f}{others.cores:>8.2f}"
            f"{'' if others.were_quiet else ' *'}",
            flush=True,
        )
        time.sleep(0.5)
    return rows


def meets_goals(connections: int, rows: list[Row]) -> bool:
    """Print the medians, and whether they are what is wanted; without what others disturbed."""
    quiet = [row for row in rows if row.others.were_quiet]
    rows = quiet or rows
    rate = statistics.median(row.found.per_second for row in rows)
    evenness = statistics.median(row.found.p99 / row.found.p50 for row in rows)
    errors = sum(row.found.errors for row in rows)
    is_met = rate >= RATE_GOAL and evenness <= EVENNESS_GOAL and not errors
    print(
        f"  {'met' if is_met else 'MISSED'} at {connections}: median {rate:.0f} req/s (at least "
        f"{RATE_GOAL}), p99/p50 {evenness:.2f} (at most {EVENNESS_GOAL:g}), errors {errors} (0)"
        f"{'' if quiet else '; the machine was never left alone'}",
        flush=True,
    )
    return is_met


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.requests_per_second",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=int, default=5, help="of each repeat (default: 5)")
    parser.add_argument("--repeats", type=int, default=3, help="of each row (default: 3)")
    parser.add_argument(
        "--patience",
        type=int,
        default=0,
        help="seconds to wait, before each repeat, for others to leave the machine alone "
        "(default: 0)",
    )
    parser.add_argument(
        "--kinds", type=int, default=len(KINDS), help="only the first so many kinds of request"
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        help="of a running quickstart that can be thrown away: it stays full of rows without bytes "
        "(default: one is started)",
    )
    parser.add_argument(
        "--url", default="", help="of another web server on the same database (default: its own)"
    )
    options = parser.parse_args(arguments)
    if options.seconds < 1 or options.repeats < 1:
        parser.error("At least one second and one repeat.")
    return options


if __name__ == "__main__":
    sys.exit(main())
