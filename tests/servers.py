"""Real object stores for tests: each a process on loopback, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.folders import unforced_folder

ACCESS_KEY = "only-for-tests"
SECRET_KEY = "only-for-tests-secret"  # MinIO's front end wants eight characters or more
UPLOAD_ACCESS_KEY = "only-for-parts"
UPLOAD_SECRET_KEY = "only-for-parts-secret"

READY_SECONDS = 60
STOP_SECONDS = 20

# Where it is asked for objects, then where its parts talk to each other.
SEAWEEDFS_PORTS = (
    "s3.port",
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "admin.port",
    "admin.port.grpc",
)


@dataclass(frozen=True)
class Server:
    """An object store that runs, and how it is reached."""

    name: str
    host: str
    process_id: int


class ServerMissing(Exception):
    """The program is not installed on this machine."""


@contextmanager
def juicefs_gateway() -> Iterator[Server]:
    """JuiceFS' gateway on a folder, with the flags that the quickstart gives it."""
    program = find_program("juicefs")
    with tempfile.TemporaryDirectory(prefix="shub-juicefs-") as folder, unforced_folder() as names:
        environment = {
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": SECRET_KEY,
            "MINIO_BROWSER": "off",
            "GOGC": "50",
        }
        meta = f"sqlite3://{names}/meta.db?_synchronous=FULL"
        objects = f"{folder}/objects/"
        (host,) = free_hosts(1)
        options = "--no-update --storage file --trash-days 0"
        command = [program, "format", *options.split(), "--bucket", objects, meta, "registry"]
        with process(command, folder, {}) as formatted:
            if formatted.wait(READY_SECONDS):
                raise RuntimeError(f"juicefs format failed:\n{log_of(folder)}")
        Path(folder, "cache").mkdir(mode=0o700)
        options = (
            "--no-usage-report --no-agent --no-banner --multi-buckets --keep-etag --object-meta "
            "--umask 000 --io-retries 1 --put-timeout 20s --buffer-size 64M --max-readahead 4 "
            "--cache-size 0 --metrics 127.0.0.1:0 --backup-meta 0"
        )
        command = [
            *[program, "gateway", *options.split()],
            *["--cache-dir", f"{folder}/cache", "--log", f"{folder}/gateway.log", meta, host],
        ]
        with process(command, folder, environment) as started:
            wait_until_ready(started, f"http://{host}/minio/health/ready", folder)
            yield Server("juicefs", host, started.pid)


@contextmanager
def seaweedfs() -> Iterator[Server]:
    """SeaweedFS, all its parts in one process, bound to loopback and reporting to nobody.

    By default it deletes buckets that are not empty, makes those that are missing, and tells its
    makers of itself.
    """
    program = find_program("weed")
    with tempfile.TemporaryDirectory(prefix="shub-weed-") as folder:
        environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        hosts = free_hosts(len(SEAWEEDFS_PORTS))
        ports = [
            f"-{name}={host.rpartition(':')[2]}"
            for name, host in zip(SEAWEEDFS_PORTS, hosts, strict=True)
        ]
        options = (
            "-ip=127.0.0.1 -ip.bind=127.0.0.1 -metricsIp=127.0.0.1 -master.telemetry=false "
            "-s3.allowDeleteBucketNotEmpty=false -s3.autoCreateBucket=false -webdav=false "
            "-admin.ui=false -s3.port.iceberg=0 -s3.port.lance=0 -volume.preStopSeconds=0 "
            "-s3.localSocket=s3.sock -filer.localSocket=filer.sock -dir=."
        )
        with process([program, "mini", *options.split(), *ports], folder, environment) as started:
            wait_until_ready(started, f"http://{hosts[0]}/", folder)
            yield Server("seaweedfs", hosts[0], started.pid)


def find_program(name: str) -> str:
    """Where it is: beside this Python, or on the path. ServerMissing."""
    beside = Path(sysconfig.get_path("scripts"), name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise ServerMissing(f"{name} is not installed; requirements-dev.txt brings it.")
    return found


def free_hosts(count: int) -> list[str]:
    """Loopback addresses with ports that nothing listens on at this moment."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@contextmanager
def process(
    command: list[str], folder: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running in the folder and logging there; ended with the context."""
    with Path(folder, "log").open("ab") as log:
        started = subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder, "LC_ALL": "C.UTF-8", **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            umask=0o077,
        )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGTERM)
            try:
                started.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()


def wait_until_ready(started: subprocess.Popen[bytes], address: str, folder: str) -> None:
    """Return when something answers there, even if it answers no."""
    give_up_at = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up_at:
        if started.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except urllib.error.HTTPError as refusal:
            refusal.close()
            if refusal.code < 500:
                return
        except OSError:
            pass  # not yet
        time.sleep(0.05)
    raise RuntimeError(f"{started.args!r} did not become ready:\n{log_of(folder)}")


def log_of(folder: str) -> str:
    """The end of what the process said."""
    return Path(folder, "log").read_text(errors="replace")[-4000:]
