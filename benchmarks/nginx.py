"""What nginx in front costs: bytes through the deployed containers, against the store directly.

    python -m benchmarks.nginx [--mib N] [--runs N]

Needs a Docker engine, port 443 of the loopback, curl, and root or user namespaces. A site is set up
from a fresh clone of this commit, as tests/deployment does it, and taken away again. The exit
status is 0 when the goals are met, 1 when one is missed, 2 when something failed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.registry import machine
from shub.storage.presign import presign_v4
from tests.deployment import site as sites
from tests.deployment.site import HOST, Site

MIB = 1024**2
PART_BYTES = 64 * MIB
# All but the last of the 24 letters of an upload: it tells one object from another.
KEY = "blobs/5f/" + "5f" * 32 + ".0123456789abcdef0123456"

# Through nginx is by TLS, which the client pays for on the same cores.
PUSH_GOAL = 2.0
PULL_GOAL = 3.0
NGINX_GOAL_BYTES = 128 * MIB
PARALLEL = 20


class Store:
    """The store of a site, asked through nginx or past it, with its own keys."""

    def __init__(self, site: Site) -> None:
        self.site = site
        words = site.secrets()
        self.keys = {
            "access_key": words["minio_root_user"],
            "secret_key": words["minio_root_password"],
        }
        self.endpoints = {
            "nginx": f"https://{HOST}",
            "direct": f"http://{address_of(site, 'minio')}:9000",
        }
        # Past the engine's own proxy, which carries what this machine sends to its own loopback.
        self.nginx = f"{HOST}:443:{address_of(site, 'nginx')}:8443"

    def address(self, way: str, method: str, key: str, query: dict[str, str] | None = None) -> str:
        """A presigned address of the object, for one of the two ways."""
        return presign_v4(
            method=method,
            endpoint=self.endpoints[way],
            path=f"/sregistry/{key}",
            region="us-east-1",
            moment=datetime.now(UTC),
            expires_seconds=3600,
            query=query,
            **self.keys,
        )

    def curl(self, address: str, *words: str) -> list[str]:
        """The command that asks for the address."""
        trusted = ["--cacert", str(self.site.authority), "--connect-to", self.nginx]
        return ["curl", "--silent", "--show-error", "--fail", *trusted, *words, address]

    def put(self, way: str, key: str, source: Path, parts: int) -> float:
        """Send the parts one after the other, each as an object; the seconds."""
        begun = time.perf_counter()
        for number in range(parts):
            address = self.address(way, "PUT", f"{key}{number % 10}")
            subprocess.run(self.curl(address, "--upload-file", str(source)), check=True)
        return time.perf_counter() - begun

    def get(self, way: str, key: str, times: int) -> float:
        """Fetch an object of one part so many times, on one connection; the seconds."""
        addresses = [self.address(way, "GET", f"{key}{number % 10}") for number in range(times)]
        words = [word for address in addresses for word in ("--output", "/dev/null", address)]
        begun = time.perf_counter()
        command = self.curl(words[-1], *words[:-1])
        subprocess.run(command, check=True)
        return time.perf_counter() - begun


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if lack := sites.engine_missing():
        print(lack, file=sys.stderr)
        return 2
    print(machine())
    with tempfile.TemporaryDirectory(prefix="shub-nginx-") as folder:
        place = Path(folder)
        source = place / "part"
        with source.open("wb") as file, Path("/dev/urandom").open("rb") as random:
            for _ in range(PART_BYTES // MIB):
                file.write(random.read(MIB))
        with sites.site(place, "bench") as site:
            site.up("--build")
            goals = measure(Store(site), source, options)
    print("\ngoals")
    for words, met in goals:
        print(f"  {'met   ' if met else 'MISSED'}  {words}")
    return 0 if all(met for _, met in goals) else 1


def measure(store: Store, source: Path, options: argparse.Namespace) -> list[tuple[str, bool]]:
    """Pairs of pushes and pulls, then many pulls at once; the goals."""
    parts = options.mib * MIB // PART_BYTES
    key = KEY
    ratios: dict[str, list[float]] = {"push": [], "pull": []}
    for run in range(options.runs + 1):
        order = ("nginx", "direct") if run % 2 else ("direct", "nginx")
        pushes = {way: store.put(way, key, source, parts) for way in order}
        pulls = {way: store.get(way, key, parts) for way in order}
        if run == 0:
            continue  # a warm-up
        for name, seconds in (("push", pushes), ("pull", pulls)):
            ratios[name].append(seconds["nginx"] / seconds["direct"])
            rates = {way: options.mib / seconds[way] for way in order}
            print(
                f"  {name} {run}: through nginx {seconds['nginx']:.2f} s"
                f" ({rates['nginx']:.0f} MiB/s),"
                f" directly {seconds['direct']:.2f} s ({rates['direct']:.0f} MiB/s),"
                f" ratio {ratios[name][-1]:.2f}"
            )
    idle = memory(store.site)
    peak = under_load(store, key)
    print(f"\n  memory, MiB           idle   with {PARALLEL} pulls at once")
    for service in sorted(peak):
        print(f"  {service:<20}{idle[service] / MIB:>7.0f}{peak[service] / MIB:>7.0f}")
    kept = store.site.compose("exec", "-T", "nginx", "find", "/tmp", "-type", "f").split()
    written = block_writes(store.site, "nginx")
    print(f"  files in nginx' /tmp: {kept}; bytes it wrote to a disk: {written}")
    push, pull = (statistics.median(ratios[name]) for name in ("push", "pull"))
    return [
        (f"push through nginx {push:.2f} of directly, at most {PUSH_GOAL}", push <= PUSH_GOAL),
        (f"pull through nginx {pull:.2f} of directly, at most {PULL_GOAL}", pull <= PULL_GOAL),
        (
            f"nginx {peak['nginx'] / MIB:.0f} MiB, at most {NGINX_GOAL_BYTES // MIB}",
            peak["nginx"] <= NGINX_GOAL_BYTES,
        ),
        ("nothing kept by nginx", set(kept) <= {"/tmp/nginx.pid"} and written == 0),
    ]


def under_load(store: Store, key: str) -> dict[str, int]:
    """The most that each container held while many pull at once, half of them slowly."""
    highest: dict[str, int] = {}
    with pulling(store, key) as clients:
        while any(client.poll() is None for client in clients[: PARALLEL // 2]):
            for service, held in memory(store.site).items():
                highest[service] = max(held, highest.get(service, 0))
    return highest


@contextmanager
def pulling(store: Store, key: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Clients that pull four parts each; the second half of them takes 4 MiB a second."""
    clients = []
    for number in range(PARALLEL):
        words = [
            word
            for part in range(4)
            for word in ("--output", "/dev/null", store.address("nginx", "GET", f"{key}{part}"))
        ]
        slow = ["--limit-rate", "4M"] if number >= PARALLEL // 2 else []
        clients.append(subprocess.Popen(store.curl(words[-1], *slow, *words[:-1])))
    try:
        yield clients
    finally:
        for client in clients:
            client.kill()
            client.wait()


def memory(site: Site) -> dict[str, int]:
    """What each container holds now, in bytes, without the files that are only cached."""
    words = ("docker", "stats", "--no-stream", "--format", "json")
    running = [each["Id"] for each in site.inspected().values() if each["State"]["Running"]]
    found = {}
    for line in site.run(*words, *running).splitlines():
        said = json.loads(line)
        service = said["Name"].removeprefix(f"{site.name}-").rpartition("-")[0]
        found[service] = to_bytes(said["MemUsage"].partition(" / ")[0])
    return found


def address_of(site: Site, service: str) -> str:
    """By which this machine reaches the container."""
    networks = site.inspected()[service]["NetworkSettings"]["Networks"]
    return str(networks[f"{site.name}_back"]["IPAddress"])


def block_writes(site: Site, service: str) -> int:
    """What the container has written to disks, in bytes."""
    container = site.inspected()[service]["Id"]
    said = json.loads(site.run("docker", "stats", "--no-stream", "--format", "json", container))
    return to_bytes(said["BlockIO"].partition(" / ")[2])


def to_bytes(written: str) -> int:
    """
    >>> to_bytes("1.5MiB"), to_bytes("0B"), to_bytes("2kB")
    (1572864, 0, 2000)
    """
    units = {"GiB": 1024**3, "MiB": MIB, "KiB": 1024, "GB": 10**9, "MB": 10**6, "kB": 1000, "B": 1}
    unit = next(each for each in units if written.endswith(each))
    return int(float(written.removesuffix(unit)) * units[unit])


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nginx",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mib", type=int, default=1024, help="of each transfer (default: 1024)")
    parser.add_argument("--runs", type=int, default=3, help="pairs after the warm-up (default: 3)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
