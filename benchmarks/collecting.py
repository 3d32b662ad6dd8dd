"""What it takes to get rid of very many images: to remove, expire, drop and collect them.

    python -m benchmarks.collecting [--images N] [--objects N]

Rows are written by SQL into a fresh Postgres, as a push and an upload leave them; of the images, so
many have a real object in a store (JuiceFS' gateway, as the quickstart runs it). Then the sweeps'
own functions run in this process, turn by turn, until nothing is due: seconds, rows and queries of
each, and the most memory that this process had meanwhile.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.filling import DIGEST, PUBLIC_ID
from benchmarks.registry import machine
from tests import postgres, servers
from tests.operating.installation import new_database

COLLECTION_IMAGES = 10_000
OBJECT_BYTES = 1_000
BUCKET = "collecting"

# Goals: what a person waits for, and what makes 100,000 a matter of minutes and not of hours.
REMOVAL_SECONDS = 2.0
LEAST_ROWS_PER_SECOND = 50
MOST_MIB = 300

KEY = (
    f"'blobs/' || substr({DIGEST}, 1, 2) || '/' || {DIGEST} || '.' || substr(md5('up' || n), 1, 24)"
)

COLLECTIONS = f"""
INSERT INTO containers_collection
    (public_id, entity_id, name, description, visibility, created_at)
SELECT {PUBLIC_ID.format(kind="collection")}, entity.id, 'c' || n, '', 'public', now()
FROM generate_series(0, (%(images)s - 1) / {COLLECTION_IMAGES}) AS n
JOIN accounts_entity entity ON entity.name = 'bench'
"""
CONTAINERS = f"""
INSERT INTO containers_container
    (public_id, collection_id, name, description, download_count, created_at)
SELECT {PUBLIC_ID.format(kind="container")}, collection.id, 'k' || n, '', 0, now()
FROM generate_series(0, (%(images)s - 1) / 100) AS n
JOIN containers_collection collection ON collection.name = 'c' || n / {COLLECTION_IMAGES // 100}
"""
BLOBS = f"""
INSERT INTO containers_blob
    (public_id, algorithm, digest, size, media_type, state, key, created_at)
SELECT {PUBLIC_ID.format(kind="blob")}, 'sha256', {DIGEST}, {OBJECT_BYTES}, '', 'proven',
    {KEY}, now()
FROM generate_series(0, %(images)s - 1) AS n
"""
IMAGES = f"""
INSERT INTO containers_image
    (public_id, container_id, digest, blob_id, description, arch, signed, fingerprints, encrypted,
     download_count, created_at)
SELECT {PUBLIC_ID.format(kind="image")}, container.id, {DIGEST}, blob.id, '', 'amd64', false,
    ARRAY[]::varchar[], false, 0, now()
FROM generate_series(0, %(images)s - 1) AS n
JOIN containers_container container ON container.name = 'k' || n / 100
JOIN containers_blob blob ON blob.digest = {DIGEST}
"""
TAGS = """
INSERT INTO containers_tag (container_id, name, arch, image_id, moved_at)
SELECT container_id, 't' || id, 'amd64', id, now() FROM containers_image
"""
MOVES = """
INSERT INTO containers_tagmove
    (container_id, name, arch, from_digest, to_digest, moved_at, moved_by, token)
SELECT tag.container_id, tag.name, tag.arch, '', image.digest, now(), 'bench', ''
FROM containers_tag tag JOIN containers_image image ON image.id = tag.image_id
"""
UPLOADS = f"""
INSERT INTO uploads_upload
    (public_id, container_id, image_id, kind, announced_id, state, digest, size, part_bytes, key,
     store_id, parts, reason, created_at, active_at, lease)
SELECT {PUBLIC_ID.format(kind="upload")}, image.container_id, image.id, 'multipart',
    image.public_id, 'open', image.digest, {OBJECT_BYTES}, 67108864,
    'blobs/' || substr(image.digest, 1, 2) || '/' || image.digest || '.'
        || substr(md5('open' || n), 1, 24),
    md5('store' || n), '[]', '', now() - interval '2 days', now() - interval '2 days', ''
FROM generate_series(0, %(images)s - 1) AS n
JOIN containers_image image ON image.digest = {DIGEST}
"""
IN_ORDER = (COLLECTIONS, CONTAINERS, BLOBS, IMAGES, TAGS, MOVES)


@dataclass
class Spent:
    """What one step took."""

    rows: int = 0
    seconds: float = 0.0
    queries: int = 0
    asked: int = 0
    """Requests to the store."""
    peak_mib: float = 0.0

    def __str__(self) -> str:
        rate = self.rows / self.seconds if self.seconds else 0
        return (
            f"{self.rows:>8}{self.seconds:>10.2f}{rate:>10.0f}{self.queries:>10}{self.asked:>10}"
            f"{self.peak_mib:>9.0f}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; 0 when the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.collecting")
    parser.add_argument("--images", type=int, default=100_000, help="(default: 100000)")
    parser.add_argument(
        "--objects", type=int, default=5_000, help="of which so many are stored (default: 5000)"
    )
    parser.add_argument(
        "--uploads", type=int, help="that nobody went on with (default: one for each image)"
    )
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not options.inside:
        return in_a_site(options)
    return report(options)


def in_a_site(options: argparse.Namespace) -> int:
    """The same in a process whose settings are those of a fresh database and store."""
    with ExitStack() as held:
        database = held.enter_context(new_database(held.enter_context(postgres.postgres())))
        store = held.enter_context(servers.juicefs_gateway())
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "shub.settings",
            "DATABASE_URL": database,
            "SECRET_KEY": "only-for-benchmarks",
            "MINIO_SERVER": store.host,
            "MINIO_ACCESS_KEY": servers.ACCESS_KEY,
            "MINIO_SECRET_KEY": servers.SECRET_KEY,
            "MINIO_BUCKET": BUCKET,
            "LOG_LEVEL": "ERROR",
        }
        words = [
            *("--inside", f"--images={options.images}", f"--objects={options.objects}"),
            f"--uploads={options.uploads or options.images}",
        ]
        command = [sys.executable, "-m", "benchmarks.collecting", *words]
        return subprocess.run(command, env=environment, check=False).returncode


def report(options: argparse.Namespace) -> int:
    """Measure and say whether the goals are met."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("prepare", verbosity=0)
    print(f"Machine: {machine()}", flush=True)
    print(
        f"{'':<34}{'rows':>8}{'seconds':>10}{'rows/s':>10}{'queries':>10}{'store':>10}{'MiB':>9}",
        flush=True,
    )
    missed = measured(
        options.images, min(options.objects, options.images), min(options.uploads, options.images)
    )
    for line in missed:
        print(f"MISSED: {line}")
    if not missed:
        print("met")
    return 1 if missed else 0


def measured(images: int, objects: int, uploads: int) -> list[str]:
    """Do each step, print what it took, and say which goals were missed."""
    from shub.accounts.callers import Caller
    from shub.accounts.registration import create_user
    from shub.containers import removal
    from shub.containers.models import Blob, Collection, Image
    from shub.uploads import sweeps
    from shub.uploads.models import Upload

    user = create_user(username="bench", password=None)
    by = Caller(user)
    execute(*IN_ORDER, images=images)
    execute(UPLOADS, images=uploads)
    settle()
    missed = []

    def step(name: str, act: Callable[[], int]) -> Spent:
        spent = watched(act)
        print(f"{name:<34}{spent}", flush=True)
        if spent.peak_mib > MOST_MIB:
            missed.append(f"{name}: {spent.peak_mib:.0f} MiB, at most {MOST_MIB}")
        if spent.rows >= 1000 and spent.rows / spent.seconds < LEAST_ROWS_PER_SECOND:
            missed.append(f"{name}: fewer than {LEAST_ROWS_PER_SECOND} rows a second")
        return spent

    step("uploads expire", until_done(sweeps.expire_idle))
    # The store has none of these: what is measured is that it is asked, and the row written.
    step("their parts are dropped", until_done(sweeps.drop_left_parts))
    assert not Upload.objects.exclude(state="expired", store_id="").exists()
    store_objects(list(Blob.objects.order_by("id").values_list("key", flat=True)[:objects]))

    def remove(collection: Collection) -> Callable[[], int]:
        def act() -> int:
            removal.remove_collection(collection, by=by)
            return 1

        return act

    for collection in Collection.objects.filter(entity__name="bench").order_by("id"):
        spent = step(f"{collection.name} is removed, with all in it", remove(collection))
        if spent.seconds > REMOVAL_SECONDS:
            missed.append(f"a removal took {spent.seconds:.1f} s, at most {REMOVAL_SECONDS}")
    execute("UPDATE containers_collection SET kept_until = now() WHERE removed_at IS NOT NULL")
    step("removed images are dropped", until_done(sweeps.drop_removed))
    assert not Image.objects.exists()
    settle()
    stored, missing = objects, images - objects
    step("condemned bytes are collected", until_done(sweeps.collect_condemned))
    assert not Blob.objects.exclude(state="gone").exists()
    print(f"  of which {stored} were in the store, and {missing} were not")
    step("places are dropped", until_done(sweeps.drop_removed))
    assert not Collection.objects.filter(entity__name="bench").exists()
    return missed


def until_done(sweep: Callable[[], int]) -> Callable[[], int]:
    """Turn after turn, as housekeeping gives them, until nothing is due; how many rows."""

    def act() -> int:
        total = 0
        while count := sweep():
            total += count
        return total

    return act


def watched(act: Callable[[], int]) -> Spent:
    """Do it, and say what it took."""
    from django.db import connection

    from shub import metrics

    spent = Spent()

    def count(execute: Callable[..., Any], *args: Any) -> Any:
        spent.queries += 1
        return execute(*args)

    before = asked_of_store(metrics)
    # From now on, what is told as the peak is the peak since now.
    Path("/proc/self/clear_refs").write_text("5")
    begun = time.monotonic()
    with connection.execute_wrapper(count):
        spent.rows = act()
    spent.seconds = time.monotonic() - begun
    spent.asked = asked_of_store(metrics) - before
    spent.peak_mib = peak_mib()
    return spent


def asked_of_store(metrics: Any) -> int:
    """How often the store was asked so far."""
    return int(
        sum(
            sample.value
            for family in metrics.REGISTRY.collect()
            for sample in family.samples
            if sample.name == "shub_store_requests_total"
        )
    )


def peak_mib() -> float:
    """The most memory that this process had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def store_objects(keys: list[str]) -> None:
    """Small objects under these keys."""
    from shub.storage.clients import minio_client

    client = minio_client()

    def put(key: str) -> None:
        client.put_object(BUCKET, key, BytesIO(bytes(OBJECT_BYTES)), OBJECT_BYTES)

    begun = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, keys))
    print(f"  {len(keys)} objects stored in {time.monotonic() - begun:.0f} s", flush=True)


def execute(*statements: str, **values: int) -> None:
    """Write rows past the product."""
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement, values or None)


def settle() -> None:
    """As a site's database is: its statistics are those of what is in it."""
    execute("VACUUM ANALYZE")


if __name__ == "__main__":
    sys.exit(main())
