"""How long the pages of a registry with 100,000 images take, and how many queries.

    python -m benchmarks.pages [--requests N]

benchmarks/README.md says what is asked, and how to read it. The exit status is 0 when every goal is
met, 1 when one is missed, 2 when something failed.
"""

import argparse
import contextlib
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg2

from benchmarks import filling, processes, registry
from benchmarks.processes import Others
from tests.clients.live import Live

# Of the one container that has very many.
TAGS = 10_000
ARCHES = ("amd64", "arm64")

GOAL_MS = 25.0
WARM_UP = 10

BIG = "bench-e0/bench-c0/bench-k0"

# Twice as many images as names, each moved to once: a minute apart, the last one now.
BIG_ROWS = (
    f"""
INSERT INTO containers_blob
    (public_id, algorithm, digest, size, media_type, state, key, created_at)
SELECT substr(md5('big blob' || n), 1, 24), 'sha256',
    encode(sha256(convert_to('big' || n, 'UTF8')), 'hex'), 1048576 + n, '', 'proven',
    'bench/big/' || n, now()
FROM generate_series(0, {TAGS * len(ARCHES) - 1}) AS n
""",
    f"""
INSERT INTO containers_image
    (public_id, container_id, digest, blob_id, description, arch, signed, fingerprints, encrypted,
     download_count, created_at)
SELECT substr(md5('big image' || n), 1, 24), container.id, blob.digest, blob.id, '',
    (ARRAY['{"', '".join(ARCHES)}'])[n % {len(ARCHES)} + 1], n % 3 = 0, '{{}}', false, 0,
    now() - ({TAGS * len(ARCHES)} - n) * interval '1 minute'
FROM generate_series(0, {TAGS * len(ARCHES) - 1}) AS n
JOIN containers_blob blob ON blob.key = 'bench/big/' || n
JOIN containers_container container ON container.name = 'bench-k0'
""",
    f"""
INSERT INTO containers_tag (container_id, name, arch, image_id, moved_at)
SELECT image.container_id,
    CASE n / {len(ARCHES)} WHEN 0 THEN 'latest' ELSE 'big' || n / {len(ARCHES)} END,
    image.arch, image.id, image.created_at
FROM generate_series(0, {TAGS * len(ARCHES) - 1}) AS n
JOIN containers_blob blob ON blob.key = 'bench/big/' || n
JOIN containers_image image ON image.blob_id = blob.id
""",
    """
INSERT INTO containers_tagmove
    (container_id, name, arch, from_digest, to_digest, moved_at, moved_by, token)
SELECT tag.container_id, tag.name, tag.arch, '', image.digest, tag.moved_at, 'bench', ''
FROM containers_tag tag JOIN containers_image image ON image.id = tag.image_id
JOIN containers_container container ON container.id = tag.container_id
WHERE container.name = 'bench-k0' ORDER BY tag.moved_at
""",
)


@dataclass(frozen=True)
class Kind:
    """One page: the name of its address, what stands in that, and the query string."""

    name: str
    route: str
    names: Sequence[str] = ()
    query: Sequence[tuple[str, str]] = ()
    has_goal: bool = True


@dataclass(frozen=True)
class Row:
    """What one page took; milliseconds. `others`: cores that were taken by other processes."""

    p50: float
    p99: float
    kilobytes: float
    others: float


def kinds(digest: str) -> list[Kind]:
    """The pages that are measured; `digest` is of an image in the large container."""
    big = BIG.split("/")
    return [
        Kind("home", "home"),
        Kind("search, few match", "search", (), [("q", "bench-k777")]),
        Kind("search, all match", "search", (), [("q", "bench")], has_goal=False),
        Kind("search by the beginning of a hash", "search", (), [("q", digest[:10])]),
        Kind("search by arch alone", "search", (), [("arch", "arm64")], has_goal=False),
        Kind("entity", "entity", big[:1]),
        Kind("collection", "collection", big[:2]),
        Kind("container, 10,000 tags", "container", big),
        Kind("tags", "tags", big),
        Kind("tags, page 100", "tags", big, [("page", "100")], has_goal=False),
        Kind("history", "history", big),
        Kind("history, page 100", "history", big, [("page", "100")]),
        Kind("images", "images", big),
        Kind("image", "image", [*big, digest]),
        Kind("tag", "tag", [*big, "latest"]),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    options = parse(arguments)
    try:
        no_limits = {"LIMIT_PAGE_SEARCHES": "0", "LIMIT_USER_SEARCHES": "0"}
        with registry.registry(options.ready_file, **no_limits) as live:
            return measure(live, options)
    except (OSError, http.client.HTTPException, subprocess.SubprocessError) as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 2


def measure(live: Live, options: argparse.Namespace) -> int:
    """All pages of this registry."""
    print(f"Machine: {registry.machine()}", flush=True)
    filled = filling.fill(live)
    enlarge(live)
    print(f"Rows: {filled.images} images; and {TAGS} names for {len(ARCHES)} archs in {BIG}")
    site = Site(live)
    (digest,) = live.rows("SELECT digest FROM containers_blob WHERE key = 'bench/big/7'")[0]
    print(f"{options.requests} requests for each page, one at a time\n")
    print(
        f"{'page':<36}{'p50 ms':>8}{'p99 ms':>8}{'kB':>7}{'others':>8}"
        f"{'queries':>9}{'signed in':>11}{'ms':>7}",
        flush=True,
    )
    is_met = True
    for kind in kinds(digest):
        address = site.address(kind)
        if not address:
            print(f"{kind.name:<36}  there is no such page")
            continue
        processes.wait_for_quiet(live, options.patience)
        row = load(live, address, options.requests)
        queries, (of_user, user_ms) = site.queries(address), site.signed_in(address)
        misses = kind.has_goal and row.p50 > GOAL_MS
        is_met = is_met and not misses
        print(
            f"{kind.name:<36}{row.p50:>8.1f}{row.p99:>8.1f}{row.kilobytes:>7.1f}{row.others:>8.2f}"
            f"{queries:>9}{of_user:>11}{user_ms:>7.1f}{'  MISSED' if misses else ''}",
            flush=True,
        )
    print(f"\nGoal: p50 at most {GOAL_MS:g} ms: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


def enlarge(live: Live) -> None:
    """Give one container very many tags, where it has not."""
    with contextlib.closing(psycopg2.connect(live.database)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM containers_blob WHERE key = 'bench/big/0'")
            if cursor.fetchone() is None:
                for statement in BIG_ROWS:
                    cursor.execute(statement)
            cursor.execute("VACUUM ANALYZE")


# ── the times, as a browser has them ──
def load(live: Live, path: str, requests: int) -> Row:
    """Ask for the page so many times, on one connection, by nobody."""
    host = urlsplit(live.url).netloc
    connection = http.client.HTTPConnection(host, timeout=30)
    times = []
    body = b""
    try:
        with Others(live) as others:
            for number in range(-WARM_UP, requests):
                begun = time.perf_counter()
                connection.request("GET", path)
                answer = connection.getresponse()
                body = answer.read()
                if answer.status != 200:
                    raise OSError(f"GET {path} was answered {answer.status}.")
                if number >= 0:
                    times.append((time.perf_counter() - begun) * 1e3)
    finally:
        connection.close()
    times.sort()
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return Row(statistics.median(times), p99, len(body) / 1000, others.cores)


# ── the queries, counted in this process on the same database ──
class Site:
    """The same code on the same database, in this process: what a live server does not tell."""

    def __init__(self, live: Live) -> None:
        os.environ.update(
            DATABASE_URL=live.database,
            SECRET_KEY="only-counts",
            DJANGO_SETTINGS_MODULE="shub.settings",
            PUBLIC_URL=live.url,
        )
        import django

        django.setup()
        from django.test import Client

        from shub.accounts.models import User

        self.host = urlsplit(live.url).netloc
        self.nobody: Any = Client(headers={"host": self.host})
        self.member: Any = Client(headers={"host": self.host})
        self.member.force_login(
            User.objects.get(username=live.username),
            backend="django.contrib.auth.backends.ModelBackend",
        )

    def address(self, kind: Kind) -> str:
        """Where the page is; empty where this version has none."""
        from django.urls import NoReverseMatch, reverse

        try:
            path = reverse(kind.route, args=kind.names)
        except NoReverseMatch:
            return ""
        return f"{path}?{urlencode(kind.query)}" if kind.query else path

    def queries(self, address: str) -> int:
        """How many the page takes for nobody."""
        return self._counted(lambda: self.nobody.get(address))

    def signed_in(self, address: str) -> tuple[int, float]:
        """How many for the user who was made first, and the milliseconds; median of nine."""
        count = self._counted(lambda: self.member.get(address))
        times = []
        for _ in range(9):
            begun = time.perf_counter()
            self.member.get(address)
            times.append((time.perf_counter() - begun) * 1e3)
        return count, statistics.median(times)

    def _counted(self, ask: Callable[[], Any]) -> int:
        from django.db import connection

        ask()
        seen = 0

        def note(execute: Any, *given: Any) -> Any:
            nonlocal seen
            seen += 1
            return execute(*given)

        with connection.execute_wrapper(note):
            answer = ask()
        if answer.status_code != 200:
            raise OSError(f"GET {answer.request['PATH_INFO']} is answered {answer.status_code}.")
        return seen


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--requests", type=int, default=200, help="for each page (default: 200)")
    parser.add_argument(
        "--patience",
        type=int,
        default=0,
        help="seconds to wait, before each page, for others to leave the machine alone "
        "(default: 0)",
    )
    parser.add_argument(
        "--ready-file",
        type=Path,
        help="of a running quickstart that can be thrown away: it stays full of rows without bytes "
        "(default: one is started)",
    )
    options = parser.parse_args(arguments)
    if options.requests < 1:
        parser.error("At least one request.")
    return options


if __name__ == "__main__":
    sys.exit(main())
