"""How fast stored bytes are read and hashed, and what web clients notice of it.

    python -m benchmarks.verification [--mib N] [--runs N] [--images N]

benchmarks/README.md says what is compared, and how to read it. The exit status is 0 when every goal
is met, 1 when one is missed, 2 when something failed.
"""

import argparse
import contextlib
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

from benchmarks import processes, push_pull, registry
from benchmarks.processes import Others
from benchmarks.push_pull import MIB, hashers
from benchmarks.transfers import Failed, Library, Sender
from tests import servers
from tests.clients.live import Live
from tests.sif_files import write_sif

READ_GOAL = 0.8
# What nobody notices. The ratio to idle is reported; on two cores it says how full they are.
LATENCY_GOAL_SECONDS = 0.05
SWEEP_GOAL_BYTES = push_pull.SWEEP_GOAL_BYTES

# The latency is that of one client who asks at this pace, whatever the server does.
ASKED_EVERY_SECONDS = 0.02
IDLE_SECONDS = 12
PROVEN_WITHIN_SECONDS = 600

Store = Mapping[str, str]


# ── reading and hashing ──
def compare(name: str, store: Store, path: Path, digest: str, runs: int) -> list[tuple[str, bool]]:
    """Read an object of this store by each of the ways, in turns; the goals."""
    from django.conf import settings

    key = f"benchmarks/{digest}"
    client = s3_client(store)
    # Read by this very process, as the sweep does: by the settings that it has.
    settings.MINIO_SERVER = urlsplit(store["endpoint"]).netloc
    settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY = store["access_key"], store["secret_key"]
    settings.MINIO_BUCKET = store["bucket"]
    parts = TransferConfig(multipart_chunksize=64 * MIB, max_concurrency=1, use_threads=False)
    client.upload_file(str(path), store["bucket"], key, Config=parts)
    push_pull.settle()
    address = client.generate_presigned_url(
        "get_object", Params={"Bucket": store["bucket"], "Key": key}, ExpiresIn=3600
    )
    ways = {"ours": ours(key, 1), "ours, 3 connections": ours(key, 3)}
    for program, command in hashers().items():
        ways[f"cat FILE | {program}"] = piped(path, command)
        ways[f"curl ADDRESS | {program}"] = fetched(address, command)
    try:
        taken = in_turns(ways, runs, digest)
    finally:
        client.delete_object(Bucket=store["bucket"], Key=key)
    size = path.stat().st_size
    print(f"\n{name}: reading {size / MIB:.0f} MiB and hashing it, {runs} times each")
    push_pull.heading()
    goals = []
    for way, seconds in taken.items():
        push_pull.line(way, seconds, size)
        if way == "ours":
            continue
        ratio = statistics.median(
            other / own for other, own in zip(seconds, taken["ours"], strict=True)
        )
        print(f"    the rate of ours is {ratio:.2f} of that (median of pairs)")
        if way == "cat FILE | sha256sum":
            words = f"{name}: {ratio:.2f} of sha256sum in a pipe, at least {READ_GOAL}"
            goals.append((words, ratio >= READ_GOAL))
    return goals


def in_turns(
    ways: Mapping[str, Callable[[], str]], runs: int, digest: str
) -> dict[str, list[float]]:
    """The seconds of each way, after a round that warms up; each round in the other order."""
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(runs + 1):
        for way, read in ways.items() if number % 2 == 0 else reversed(ways.items()):
            begun = time.perf_counter()
            found = read()
            seconds = time.perf_counter() - begun
            if found != digest:
                raise Failed(f"{way}: another digest, {found}.")
            if number:
                taken[way].append(seconds)
    return taken


def ours(key: str, connections: int) -> Callable[[], str]:
    """As the sweep reads, by so many connections."""

    def read() -> str:
        from django.conf import settings

        from shub.storage.reading import read_and_hash

        settings.MINIO_READ_CONNECTIONS = connections
        return read_and_hash(key, prefix_bytes=MIB).digest

    return read


def piped(path: Path, command: Sequence[str]) -> Callable[[], str]:
    """`cat FILE | HASHER`: a file that is in the page cache, and no store at all."""

    def read() -> str:
        with (
            subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE) as cat,
            subprocess.Popen(command, stdin=cat.stdout, stdout=subprocess.PIPE) as hashing,
        ):
            if cat.stdout is None or hashing.stdout is None:
                raise Failed("No pipes.")
            cat.stdout.close()  # The hasher's alone now.
            return hashing.stdout.read().decode().split()[0]

    return read


def fetched(address: str, command: Sequence[str]) -> Callable[[], str]:
    """`curl ADDRESS | HASHER`: what an administrator can do."""
    return lambda: push_pull.read_and_hash(address, command)


def s3_client(store: Store) -> "boto3.client":
    """The store as anybody with its keys reaches it."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=store["endpoint"],
        aws_access_key_id=store["access_key"],
        aws_secret_access_key=store["secret_key"],
        region_name=push_pull.REGION,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextlib.contextmanager
def other_store() -> Iterator[Store | None]:
    """SeaweedFS, with a bucket; None where it is not installed."""
    try:
        servers.find_program("weed")
    except servers.ServerMissing:
        yield None
        return
    with servers.seaweedfs() as server:
        store = {
            "endpoint": f"http://{server.host}",
            "access_key": servers.ACCESS_KEY,
            "secret_key": servers.SECRET_KEY,
            "bucket": "images",
        }
        s3_client(store).create_bucket(Bucket=store["bucket"])
        yield store


# ── what clients notice ──
class Asking(threading.Thread):
    """One client who asks for an image by its tag at a steady pace; `seconds` of each answer."""

    def __init__(self, live: Live, path: str) -> None:
        super().__init__(daemon=True)
        self.seconds: list[float] = []
        self.faults = 0
        self._url = urlsplit(live.url)
        self._path = path
        self._headers = {"Authorization": f"Bearer {live.token}"}
        self._over = threading.Event()

    def __enter__(self) -> "Asking":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=60)
        due = time.perf_counter()
        while not self._over.is_set():
            time.sleep(max(due - time.perf_counter(), 0))
            # From when it was due: a server that stands still does not spare itself requests.
            try:
                connection.request("GET", self._path, headers=self._headers)
                answer = connection.getresponse()
                answer.read()
                self.faults += answer.status != 200
            except (http.client.HTTPException, OSError):
                connection.close()
                continue
            self.seconds.append(time.perf_counter() - due)
            due = max(due + ASKED_EVERY_SECONDS, time.perf_counter())
        connection.close()

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of them was answered."""
        return sorted(self.seconds)[int(share * (len(self.seconds) - 1))] * 1000


def notice(live: Live, folder: Path, options: argparse.Namespace) -> list[tuple[str, bool]]:
    """Ask for a proven image while nothing is verified, and while many large ones are."""
    small = folder / "small.sif"
    push(live, small, 64 * 1024, options.seed, tag="small")
    await_verified(live)
    path = f"/v1/images/{live.entity}/{push_pull.COLLECTION}/{push_pull.CONTAINER}:small?arch=amd64"
    await_answer(live, path)
    # The images arrive while nobody reads them, so that all are there at once.
    sweep = live.pids["sweep"]
    before_all = next(
        each.resident_bytes for each in processes.groups(live) if each.name == "sweep"
    )
    stop_between_transactions(live, sweep)
    try:
        for number in range(1, options.images + 1):
            push(live, folder / "large.sif", options.size, options.seed + number, tag="")
    finally:
        push_pull.settle()
        idle = asked_for(live, path)
        before = processes.cpu_by_kind(live)
        begun = time.perf_counter()
        os.kill(sweep, signal.SIGCONT)
    with Others(live) as others, Asking(live, path) as busy:
        await_verified(live)
    took = time.perf_counter() - begun
    after = processes.cpu_by_kind(live)
    spent = "  ".join(f"{name} {after[name] - before[name]:.1f}" for name in after)
    idle_again = asked_for(live, path)
    size = options.images * options.size
    print(
        f"\n{options.images} images of {options.size / MIB:.0f} MiB, verified at once by the sweep"
    )
    print(f"  {took:.1f} s, {size / MIB / took:.0f} MiB/s; others took {others.cores:.2f} cores")
    print(f"  on a core meanwhile, s: {spent}")
    print(f"  {'GET image, ms':<28}{'p50':>8}{'p99':>8}{'most':>8}{'asked':>8}{'faults':>8}")
    for name, asking in (("idle", idle), ("verifying", busy), ("idle again", idle_again)):
        figures = "".join(f"{asking.percentile(share):>8.1f}" for share in (0.5, 0.99, 1.0))
        print(f"  {name:<28}{figures}{len(asking.seconds):>8}{asking.faults:>8}")
    peak = next(group.peak_bytes or 0 for group in processes.groups(live) if group.name == "sweep")
    print(f"  sweep: {before_all / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at its peak")
    quiet = statistics.mean([idle.percentile(0.99), idle_again.percentile(0.99)])
    slowest = busy.percentile(0.99)
    print(f"  p99 while verifying: {slowest / quiet:.1f} times that of idle")
    return [
        (
            f"p99 {slowest:.0f} ms while verifying, at most {LATENCY_GOAL_SECONDS * 1000:.0f}",
            slowest <= LATENCY_GOAL_SECONDS * 1000,
        ),
        ("no answer but 200", not busy.faults),
        (
            f"sweep {peak / MIB:.0f} MiB, at most {SWEEP_GOAL_BYTES // MIB}",
            peak <= SWEEP_GOAL_BYTES,
        ),
    ]


def stop_between_transactions(live: Live, sweep: int) -> None:
    """Make the sweep stand still while it holds nothing that others wait for."""
    held = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%'"
    for _ in range(50):
        os.kill(sweep, signal.SIGSTOP)
        time.sleep(0.2)
        if not live.rows(held)[0][0]:
            return
        os.kill(sweep, signal.SIGCONT)
        time.sleep(0.2)
    raise Failed("The sweep is always in the middle of something.")


def asked_for(live: Live, path: str) -> Asking:
    """Ask for a while."""
    with Asking(live, path) as asking:
        time.sleep(IDLE_SECONDS)
    return asking


def push(live: Live, path: Path, size: int, seed: int, *, tag: str) -> None:
    """Send an image in parts, as clients do, and do not wait for its verification."""
    content = push_pull.write_content(path, size, seed)
    library = Library(live.url, live.token)
    image_id, container_id = push_pull.announce(library, live.entity, content)
    of_image = f"/v2/imagefile/{image_id}"
    upload = library.ask("POST", f"{of_image}/_multipart", {"filesize": content.size})
    completed = []
    with content.path.open("rb") as file:
        sender = Sender(file, live.store["external_endpoint"])
        for number, start, length, sha256 in content.parts:
            asked = {
                "partSize": length,
                "uploadID": upload["uploadID"],
                "partNumber": number,
                "sha256sum": sha256,
            }
            address = library.ask("PUT", f"{of_image}/_multipart", asked)["presignedURL"]
            etag = sender.put(address, start=start, length=length, sha256=sha256)
            completed.append({"partNumber": number, "token": etag})
        sender.close()
    sent = {"uploadID": upload["uploadID"], "completedParts": completed}
    library.ask("PUT", f"{of_image}/_multipart_complete", sent)
    if tag:
        asked = {"Arch": push_pull.ARCH, "Tag": tag, "ImageID": image_id}
        library.ask("POST", f"/v2/tags/{container_id}", asked)


def await_verified(live: Live) -> None:
    """Return once nothing waits for its verification; Failed where something was refused."""
    give_up_at = time.monotonic() + PROVEN_WITHIN_SECONDS
    waiting = "SELECT count(*) FROM uploads_upload WHERE state IN ('open', 'joining', 'verifying')"
    while live.rows(waiting)[0][0]:
        if time.monotonic() > give_up_at:
            raise Failed(f"Not all was verified within {PROVEN_WITHIN_SECONDS} seconds.")
        time.sleep(0.25)
    if refused := live.rows("SELECT reason FROM uploads_upload WHERE state <> 'done'"):
        raise Failed(f"An image was refused: {refused[0][0]}")


def await_answer(live: Live, path: str) -> None:
    push_pull.await_proven(Library(live.url, live.token), path)


# ── all of it ──
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    options = parse(arguments)
    try:
        with (
            registry.registry(None, VERIFY_WAIT_SECONDS="0") as live,
            tempfile.TemporaryDirectory(prefix="shub-benchmark-") as folder,
        ):
            return measure(live, Path(folder), options)
    except (Failed, OSError) as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 2


def measure(live: Live, folder: Path, options: argparse.Namespace) -> int:
    """Reading first, then what clients notice."""
    needed = (options.images + 4) * options.size
    if shutil.disk_usage(folder).free < needed:
        raise Failed(f"There is no room: {needed} bytes are needed in {folder}.")
    os.environ.update(
        DATABASE_URL=live.database, SECRET_KEY="x", DJANGO_SETTINGS_MODULE="shub.settings"
    )
    import django

    django.setup()
    print(f"Machine: {registry.machine()}", flush=True)
    path = folder / "image.sif"
    digest = write_sif(path, size=options.size, seed=options.seed)
    goals = compare("the quickstart's store", live.store, path, digest, options.runs)
    sys.stdout.flush()
    with other_store() as store:
        if store is not None:
            goals += compare("SeaweedFS", store, path, digest, options.runs)
    sys.stdout.flush()
    path.unlink()
    if options.images:
        goals += notice(live, folder, options)
    print("\nGoals")
    for goal, is_met in goals:
        print(f"  {'met   ' if is_met else 'MISSED'}  {goal}")
    return 0 if all(is_met for _, is_met in goals) else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verification",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mib", type=int, default=1024, help="of each image (default: 1024)")
    parser.add_argument("--runs", type=int, default=4, help="of each way to read (default: 4)")
    parser.add_argument(
        "--images", type=int, default=10, help="verified at once (default: 10; 0: not that part)"
    )
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="makes the bytes (default: the time)"
    )
    options = parser.parse_args(arguments)
    options.size = options.mib * MIB
    if options.mib < 1 or options.runs < 1 or options.images < 0:
        parser.error("At least 1 MiB and one run.")
    return options


if __name__ == "__main__":
    sys.exit(main())
