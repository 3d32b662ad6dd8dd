"""How long a push and a pull take, against what the store alone takes for the same bytes.

    python -m benchmarks.push_pull [--mib N | --size BYTES] [--runs N] [--ready-file FILE]

benchmarks/README.md says what is compared, and how to read it. The exit status is 0 when every goal
is met, 1 when one is missed, 2 when something failed.
"""

import argparse
import contextlib
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from benchmarks import processes, registry, transfers
from benchmarks.processes import Others
from benchmarks.transfers import Failed, Library, Sender, part_ranges
from shub.storage.presign import presign_v4
from tests.clients.live import Live
from tests.sif_files import write_sif

MIB = 1024**2
PART_BYTES = 64 * MIB

COLLECTION = "benchmarks"
CONTAINER = "push"
ARCH = "amd64"

PUSH_GOAL = 1.10
PULL_GOAL = 1.05
WEB_GOAL_BYTES = 120 * MIB
SWEEP_GOAL_BYTES = 150 * MIB

REGION = "us-east-1"
EXPIRES_SECONDS = 3600
PROVEN_WITHIN_SECONDS = 600

# Programs that hash what comes to them, and where in their answer the digest stands. The first is
# the limit that a goal is set by; the second is faster where the processor helps with SHA-256.
HASHERS = {"sha256sum": ("sha256sum",), "openssl": ("openssl", "dgst", "-sha256", "-r")}

READER = (
    "import shutil, sys, urllib.request;"
    "shutil.copyfileobj(urllib.request.urlopen(sys.stdin.read()), sys.stdout.buffer, 1 << 20)"
)


# ── what is sent ──
@dataclass(frozen=True)
class Content:
    """A SIF file, and the hashes that a client computes before it sends anything."""

    path: Path
    size: int
    digest: str
    parts: list[tuple[int, int, int, str]]
    """Number, start, length and SHA-256 of each part."""


def write_content(path: Path, size: int, seed: int) -> Content:
    """Other bytes for each seed: nothing that was there before spares a push anything."""
    digest = write_sif(path, size=size, seed=seed)
    parts = []
    with path.open("rb") as file:
        for number, start, length in part_ranges(size, PART_BYTES):
            sha256 = hashlib.sha256()
            for _, _, piece in part_ranges(length, MIB):
                sha256.update(file.read(piece))
            parts.append((number, start, length, sha256.hexdigest()))
    return Content(path, size, digest, parts)


class Clock:
    """Seconds by name of what they went by on; one name at a time, and may come back to it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count what happens within."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    @property
    def total(self) -> float:
        """All that was counted."""
        return sum(self.seconds.values())


# ── ours ──
@dataclass(frozen=True)
class Pushed:
    """An image that is proven, and where the store has it."""

    image_id: str
    key: str
    tag: str


def push_ours(live: Live, content: Content, *, tag: str) -> tuple[Pushed, Clock]:
    """Push as the Go clients do, until the image can be had by its tag."""
    library = Library(live.url, live.token)
    clock = Clock()
    path = f"{live.entity}/{COLLECTION}/{CONTAINER}"
    with clock.on("announcing"):
        image_id, container_id = announce(library, live.entity, content)
        upload = library.ask(
            "POST", f"/v2/imagefile/{image_id}/_multipart", {"filesize": content.size}
        )
    if upload["partSize"] != PART_BYTES or upload["totalParts"] != len(content.parts):
        raise Failed(f"Expected parts of {PART_BYTES} bytes: the limit is measured with those.")
    completed = []
    with content.path.open("rb") as file:
        sender = Sender(file, live.store["external_endpoint"])
        for number, start, length, sha256 in content.parts:
            with clock.on("asking addresses"):
                address = library.ask(
                    "PUT",
                    f"/v2/imagefile/{image_id}/_multipart",
                    {
                        "partSize": length,
                        "uploadID": upload["uploadID"],
                        "partNumber": number,
                        "sha256sum": sha256,
                    },
                )["presignedURL"]
            with clock.on("sending parts"):
                etag = sender.put(address, start=start, length=length, sha256=sha256)
            completed.append({"partNumber": number, "token": etag})
        sender.close()
    sent_at = datetime.now(UTC)
    with clock.on("completing"):
        library.ask(
            "PUT",
            f"/v2/imagefile/{image_id}/_multipart_complete",
            {"uploadID": upload["uploadID"], "completedParts": completed},
        )
    with clock.on("tagging, until proven"):
        library.ask(
            "POST", f"/v2/tags/{container_id}", {"Arch": ARCH, "Tag": tag, "ImageID": image_id}
        )
        await_proven(library, f"/v1/images/{path}:{tag}?arch={ARCH}")
    split_completion(live, image_id, sent_at, clock)
    key = live.rows(
        "SELECT blob.key FROM containers_image image JOIN containers_blob blob"
        " ON blob.id = image.blob_id WHERE image.public_id = %s",
        image_id,
    )[0][0]
    return Pushed(image_id, key, tag), clock


def announce(library: Library, entity: str, content: Content) -> tuple[str, str]:
    """Walk or make entity, collection and container, and announce: ids of image and container."""
    library.ask("GET", "/version")
    entity_id = library.find_or_make("entities", entity, {"name": entity})
    collection_id = library.find_or_make(
        "collections",
        f"{entity}/{COLLECTION}",
        {"name": COLLECTION, "entity": entity_id, "description": "No description"},
    )
    path = f"{entity}/{COLLECTION}/{CONTAINER}"
    container_id = library.find_or_make(
        "containers",
        path,
        {"name": CONTAINER, "collection": collection_id, "description": "No description"},
    )
    hash_ref = f"sha256.{content.digest}"
    status, _, image = library.call("GET", f"/v1/images/{path}:{hash_ref}?arch={ARCH}")
    if status == 404:
        image = library.ask(
            "POST",
            "/v1/images",
            {"hash": hash_ref, "container": container_id, "description": ""},
        )
    if image["uploaded"]:
        raise Failed("The registry has these bytes already: choose another --seed.")
    return image["id"], container_id


def await_proven(library: Library, path: str) -> None:
    """Return once the tag means the image."""
    give_up_at = time.monotonic() + PROVEN_WITHIN_SECONDS
    while library.call("GET", path)[0] != 200:
        if time.monotonic() > give_up_at:
            raise Failed(f"The image was not proven within {PROVEN_WITHIN_SECONDS} seconds.")
        time.sleep(0.02)


def split_completion(live: Live, image_id: str, sent_at: datetime, clock: Clock) -> None:
    """Tell joining from verifying, by the moments at which the registry wrote each down.

    The blob's row is made when the parts are joined, the event when the image is proven.
    """
    joined_at, proven_at = live.rows(
        "SELECT blob.created_at, event.at FROM containers_image image"
        " JOIN containers_blob blob ON blob.id = image.blob_id"
        " JOIN audit_event event ON event.kind = 'image' AND event.action = 'image.pushed'"
        " AND event.public_id = image.public_id WHERE image.public_id = %s",
        image_id,
    )[0]
    whole = clock.seconds.pop("completing")
    joining = (joined_at - sent_at).total_seconds()
    verifying = (proven_at - joined_at).total_seconds()
    rest = whole - joining - verifying
    if rest < 0:
        # The client was told before the verdict, and waited by asking for the tag.
        clock.seconds["tagging, until proven"] += rest
        rest = 0.0
    clock.seconds |= {"joining": joining, "verifying": verifying, "hearing of it": rest}


def remove_ours(live: Live, store: Any, pushed: Pushed) -> None:
    """Take the image away, rows and bytes; the sweep writes the blob down as gone."""
    of_image = "(SELECT id FROM containers_image WHERE public_id = %s)"
    blob_of_image = "(SELECT blob_id FROM containers_image WHERE public_id = %s)"
    for statement in (
        f"DELETE FROM containers_tag WHERE image_id = {of_image}",
        f"DELETE FROM containers_pendingtag WHERE image_id = {of_image}",
        f"DELETE FROM containers_download WHERE image_id = {of_image}",
        f"DELETE FROM containers_downloadcount WHERE image_id = {of_image}",
        f"UPDATE containers_blob SET state = 'condemned' WHERE id = {blob_of_image}",
        f"UPDATE uploads_upload SET image_id = NULL WHERE image_id = {of_image}",
        "DELETE FROM containers_image WHERE public_id = %s",
    ):
        live.change(statement, pushed.image_id)
    store.delete_object(Bucket=live.store["bucket"], Key=pushed.key)


# ── the limit ──
def s3_client(live: Live) -> Any:
    """The store as anybody with its keys reaches it, without the registry."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=live.store["endpoint"],
        aws_access_key_id=live.store["access_key"],
        aws_secret_access_key=live.store["secret_key"],
        region_name=REGION,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            read_timeout=transfers.PATIENCE_SECONDS,
            retries={"total_max_attempts": 1},
        ),
    )


def presigned(
    live: Live, method: str, key: str, query: dict[str, str] | None = None, sha256: str = ""
) -> str:
    """An address of the store, made here."""
    return presign_v4(
        method=method,
        endpoint=live.store["external_endpoint"],
        path=f"/{live.store['bucket']}/{key}",
        access_key=live.store["access_key"],
        secret_key=live.store["secret_key"],
        region=REGION,
        moment=datetime.now(UTC),
        expires_seconds=EXPIRES_SECONDS,
        query=query,
        payload_sha256=sha256,
    )


def push_limit(live: Live, store: Any, content: Content, *, key: str) -> Clock:
    """The same parts to the store alone, joined, and read once by each of the hashers."""
    bucket = live.store["bucket"]
    clock = Clock()
    with clock.on("announcing"):
        upload_id = store.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    completed = []
    with content.path.open("rb") as file:
        sender = Sender(file, live.store["external_endpoint"])
        for number, start, length, sha256 in content.parts:
            with clock.on("asking addresses"):
                query = {"partNumber": str(number), "uploadId": upload_id}
                address = presigned(live, "PUT", key, query, sha256)
            with clock.on("sending parts"):
                etag = sender.put(address, start=start, length=length, sha256=sha256)
            completed.append({"PartNumber": number, "ETag": etag})
        sender.close()
    with clock.on("joining"):
        store.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": completed}
        )
    for name, command in hashers().items():
        with clock.on(f"reading: {name}"):
            found = read_and_hash(presigned(live, "GET", key), command)
        if found != content.digest:
            raise Failed(f"The store gave bytes with the digest {found}.")
    return clock


def hashers() -> dict[str, tuple[str, ...]]:
    """Those of HASHERS that are installed."""
    found = {name: command for name, command in HASHERS.items() if shutil.which(command[0])}
    if "sha256sum" not in found:
        raise Failed("The program sha256sum is needed (GNU coreutils).")
    return found


def read_and_hash(address: str, hasher: Sequence[str]) -> str:
    """`curl ADDRESS | HASHER`. The address is written to curl, not shown in its command line."""
    if shutil.which("curl"):
        command = ["curl", "--silent", "--show-error", "--fail", "--config", "-"]
        wanted = f'url = "{address}"'
    else:
        command = [sys.executable, "-c", READER]
        wanted = address
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reading,
        subprocess.Popen(hasher, stdin=reading.stdout, stdout=subprocess.PIPE) as hashing,
    ):
        if reading.stdin is None or reading.stdout is None or hashing.stdout is None:
            raise Failed("No pipes.")
        reading.stdout.close()  # The hasher's alone now.
        reading.stdin.write(wanted.encode())
        reading.stdin.close()
        digest = hashing.stdout.read().decode().split()[0]
    if reading.returncode or hashing.returncode:
        raise Failed("The stored object could not be read to its end.")
    return digest


# ── pulls ──
def pull_ours(live: Live, content: Content, pushed: Pushed, *, compare: bool) -> float:
    """Pull by tag: ask for the image, follow the 303, fetch by ranges; the seconds of it all."""
    library = Library(live.url, live.token)
    ref = f"{live.entity}/{COLLECTION}/{CONTAINER}:{pushed.tag}?arch={ARCH}"
    begun = time.perf_counter()
    library.ask("GET", "/version")
    image = library.ask("GET", f"/v1/images/{ref}")
    status, headers, _ = library.call("GET", f"/v1/imagefile/{ref}")
    if status != 303:
        raise Failed(f"The image file was answered {status} where 303 was expected.")
    original = content.path if compare else None
    transfers.fetch_ranges(headers["Location"], size=image["size"], original=original)
    return time.perf_counter() - begun


def pull_limit(live: Live, content: Content, key: str) -> float:
    """The same ranges of the same object, from an address made here."""
    begun = time.perf_counter()
    address = presigned(live, "GET", key)
    transfers.fetch_ranges(address, size=content.size)
    return time.perf_counter() - begun


# ── one run, and all of them ──
@dataclass
class Measured:
    """What each pair of pushes, and each pair of pulls, took."""

    ours: list[Clock] = field(default_factory=list)
    limit: list[Clock] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    pulls_ours: list[float] = field(default_factory=list)
    pulls_limit: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)


def run_once(
    live: Live, store: Any, content: Content, *, number: int, pulls: int, compare: bool
) -> Measured:
    """A pair of pushes, then pairs of pulls; what was stored is gone afterwards."""
    measured = Measured()
    other_key = f"benchmarks/{content.digest}"
    pushed: list[Pushed] = []

    def ours() -> None:
        settle()
        before = processes.cpu_by_kind(live)
        done, clock = push_ours(live, content, tag=f"run-{content.digest[:12]}")
        after = processes.cpu_by_kind(live)
        measured.cpu.append({name: after[name] - before[name] for name in after})
        measured.ours.append(clock)
        pushed.append(done)

    def limit() -> None:
        settle()
        measured.limit.append(push_limit(live, store, content, key=other_key))

    try:
        # Each goes first in turn, should what one leaves behind slow the other.
        with Others(live) as others:
            in_turn(number, ours, limit)
        measured.others.append(others.cores)
        for pull in range(pulls):
            in_turn(
                pull,
                lambda: measured.pulls_ours.append(
                    pull_ours(live, content, pushed[0], compare=compare)
                ),
                lambda: measured.pulls_limit.append(pull_limit(live, content, pushed[0].key)),
            )
    finally:
        for done in pushed:
            remove_ours(live, store, done)
        store.delete_object(Bucket=live.store["bucket"], Key=other_key)
    return measured


def in_turn(number: int, *acts: Callable[[], None]) -> None:
    """Do them, in the other order every other time."""
    for act in acts if number % 2 == 0 else reversed(acts):
        act()


def settle() -> None:
    """Let what was written before reach the disk now, and not during what is measured next."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(["sync"], check=True, timeout=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report."""
    options = parse(arguments)
    try:
        with (
            registry.registry(options.ready_file) as live,
            tempfile.TemporaryDirectory(prefix="shub-benchmark-") as folder,
        ):
            return measure(live, Path(folder), options)
    except (Failed, OSError) as failure:
        print(f"Failed: {failure}", file=sys.stderr)
        return 2


def measure(live: Live, folder: Path, options: argparse.Namespace) -> int:
    """All runs against this registry."""
    if shutil.disk_usage(folder).free < 5 * options.size:
        raise Failed(f"There is no room: {5 * options.size} bytes are needed in {folder}.")
    print(f"Machine: {registry.machine()}", flush=True)
    store = s3_client(live)
    idle = {group.name: group.resident_bytes for group in processes.groups(live)}
    whole = Measured()
    for number in range(options.runs + 1):
        path = folder / "image.sif"
        processes.wait_for_quiet(live, options.patience)
        content = write_content(path, options.size, seed=options.seed + number)
        is_warm_up = number == 0
        measured = run_once(
            live,
            store,
            content,
            number=number,
            pulls=1 if is_warm_up else options.pulls,
            compare=is_warm_up,
        )
        name = "warm-up" if is_warm_up else f"run {number}"
        print(
            f"  {name}: push {measured.ours[0].total:.2f} s, "
            f"limit {limit_seconds(measured.limit[0]):.2f} s; "
            f"others took {measured.others[0]:.2f} cores",
            flush=True,
        )
        if not is_warm_up:
            for field_name, values in vars(measured).items():
                getattr(whole, field_name).extend(values)
    return report(live, whole, idle, options.size)


# ── the report ──
def limit_seconds(clock: Clock, hasher: str = "sha256sum") -> float:
    """What the limit took when its object is read by this hasher alone."""
    return sum(
        seconds
        for name, seconds in clock.seconds.items()
        if not name.startswith("reading") or name == f"reading: {hasher}"
    )


def report(live: Live, measured: Measured, idle: dict[str, int], size: int) -> int:
    """Print it all; 1 when a goal is missed, else 0."""
    goals: list[tuple[str, bool]] = []
    ours = [clock.total for clock in measured.ours]
    print(f"\nPush of {size / MIB:.0f} MiB in parts of {PART_BYTES // MIB} MiB, until proven")
    heading()
    line("ours", ours, size)
    for hasher in hashers():
        limit = [limit_seconds(clock, hasher) for clock in measured.limit]
        line(f"limit, read by {hasher}", limit, size)
        ratio = ratio_line(ours, limit)
        if hasher == "sha256sum":
            goals.append(
                (f"push {ratio:.3f} of the limit, at most {PUSH_GOAL}", ratio <= PUSH_GOAL)
            )
    where_time_goes(measured)

    print(f"\nPull of {size / MIB:.0f} MiB, {transfers.PULL_WORKERS} workers, ranges of 5 MiB")
    heading()
    line("ours", measured.pulls_ours, size)
    line("limit", measured.pulls_limit, size)
    ratio = ratio_line(measured.pulls_ours, measured.pulls_limit)
    goals.append((f"pull {ratio:.3f} of the limit, at most {PULL_GOAL}", ratio <= PULL_GOAL))

    goals += memory(live, idle)
    print("\nGoals")
    for goal, is_met in goals:
        print(f"  {'met   ' if is_met else 'MISSED'}  {goal}")
    return 0 if all(is_met for _, is_met in goals) else 1


def heading() -> None:
    print(f"  {'seconds':<28}{'median':>8}{'min':>8}{'max':>8}{'MiB/s':>8}")


def line(name: str, seconds: list[float], size: int) -> None:
    middle = statistics.median(seconds)
    print(
        f"  {name:<28}{middle:>8.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
        f"{size / MIB / middle:>8.0f}"
    )


def ratio_line(ours: list[float], limit: list[float]) -> float:
    """Print ours / limit pair by pair; their median."""
    ratios = [one / other for one, other in zip(ours, limit, strict=True)]
    middle = statistics.median(ratios)
    pairs = " ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"    ours / that: median {middle:.3f}  (pairs: {pairs})")
    return middle


def where_time_goes(measured: Measured) -> None:
    """The medians of each phase, ours beside the limit's."""
    print(f"\n  {'where the time goes, median s':<32}{'ours':>8}{'limit':>8}")
    for name in measured.ours[0].seconds:
        own = statistics.median(clock.seconds[name] for clock in measured.ours)
        theirs = [clock.seconds.get(name) for clock in measured.limit]
        shown = [seconds for seconds in theirs if seconds is not None]
        limit = f"{statistics.median(shown):>8.3f}" if shown else f"{'-':>8}"
        print(f"  {name:<32}{own:>8.3f}{limit}")
    for name in measured.limit[0].seconds:
        if name not in measured.ours[0].seconds:
            limit = f"{statistics.median(clock.seconds[name] for clock in measured.limit):>8.3f}"
            print(f"  {name:<32}{'-':>8}{limit}")
    spent = "  ".join(
        f"{name} {statistics.median(cpu[name] for cpu in measured.cpu):.2f}"
        for name in measured.cpu[0]
    )
    print(f"  on a core during a push of ours, median s: {spent}")


def memory(live: Live, idle: dict[str, int]) -> list[tuple[str, bool]]:
    """Print what each process holds; the goals for it."""
    print(f"\n  {'memory, MiB':<28}{'idle':>8}{'peak':>8}{'now':>8}")
    goals = []
    for group in processes.groups(live):
        peak = group.peak_bytes
        before = f"{idle[group.name] / MIB:>8.0f}" if group.name in idle else f"{'-':>8}"
        shown = f"{peak / MIB:>8.0f}" if peak is not None else f"{'-':>8}"
        print(f"  {group.name:<28}{before}{shown}{group.resident_bytes / MIB:>8.0f}")
        goal = WEB_GOAL_BYTES if group.name.startswith("web") else SWEEP_GOAL_BYTES
        if peak is not None and group.name != "store":
            words = f"{group.name} {peak / MIB:.0f} MiB, at most {goal // MIB}"
            goals.append((words, peak <= goal))
    return goals


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.push_pull",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", type=int, help="of the image, in bytes (default: 1 GiB)")
    size.add_argument("--mib", type=int, help="the same in MiB")
    parser.add_argument(
        "--runs", type=int, default=5, help="pairs of pushes after the warm-up (default: 5)"
    )
    parser.add_argument(
        "--pulls", type=int, default=8, help="pairs of pulls in each run (default: 8)"
    )
    parser.add_argument(
        "--patience",
        type=int,
        default=0,
        help="seconds to wait, before each run, for others to leave the machine alone (default: 0)",
    )
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="makes the bytes (default: the time)"
    )
    parser.add_argument(
        "--ready-file", type=Path, help="of a running quickstart (default: one is started)"
    )
    options = parser.parse_args(arguments)
    if options.size is None:
        options.size = (options.mib or 1024) * MIB
    if options.size < MIB or options.runs < 1 or options.pulls < 1:
        parser.error("At least 1 MiB, one run and one pull.")
    return options


if __name__ == "__main__":
    sys.exit(main())
