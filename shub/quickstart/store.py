"""The embedded store: JuiceFS' S3 gateway, which is MinIO's front end, over files and SQLite."""

import os
import signal
from pathlib import Path

from shub.quickstart.addresses import Address
from shub.quickstart.binaries import STORE_PROGRAM, Programs
from shub.quickstart.children import ChildSpec
from shub.quickstart.identity import Identity
from shub.quickstart.probing import answers_200

NAME = "store"
VOLUME = "shub"
REGION = "us-east-1"
START_SECONDS = 60.0

# How long after the start the store looks for blocks that no object has, and how often after that.
# It reads the name of each block once.
FIRST_COLLECTION_SECONDS = 5.0
COLLECTION_EVERY_SECONDS = 24 * 3600.0

# A block that comes at this moment belongs to no object yet. None takes so long.
YOUNG_SECONDS = 24 * 3600

# Relative to the store's folder, in which it runs: an odd character in the path is then no matter.
# FULL: what was acknowledged is on disk, for some 15 % of the rate of writing.
METADATA = "sqlite3://meta.db?_synchronous=FULL"

# Without the last, what is deleted would be kept for a day.
MAKING_OPTIONS = ("--no-update", "--storage", "file", "--trash-days", "0")

GATEWAY_OPTIONS = (
    # It would report to its makers every hour, and serve its profile on a fixed port.
    *("--no-usage-report", "--no-agent", "--no-banner"),
    # Else it lays a copy of all names in a common folder, and into the store, every hour.
    *("--backup-meta", "0"),
    # What makes it behave as S3 does.
    *("--multi-buckets", "--keep-etag", "--object-meta"),
    # Of the names inside: as whomever it runs later, it must be able to read what it wrote before.
    # The files outside are for their owner only, by the process' own umask.
    *("--umask", "000"),
    # A full disk is an error now, not after ten rounds of waiting.
    *("--io-retries", "1", "--put-timeout", "20s"),
    # Measured: without the bound on reading ahead, ranges read at a third of this speed.
    *("--buffer-size", "64M", "--max-readahead", "4", "--cache-size", "0", "--cache-dir", "cache"),
    # Its own default is below /var; port 0, since a second instance would collide on a fixed one.
    *("--log", "gateway.log", "--metrics", "127.0.0.1:0"),
)


class Store:
    """One S3 server on the files in `folder`; the first user's keys are given by environment."""

    def __init__(
        self,
        *,
        folder: Path,
        log_folder: Path,
        address: Address,
        programs: Programs,
        identity: Identity | None,
        access_key: str,
        secret_key: str,
    ) -> None:
        self.folder = folder
        self.address = address
        self._logs = log_folder
        self._programs = programs
        self._identity = identity
        self._keys = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}

    def making(self) -> ChildSpec:
        """The passing process that makes the volume; harmless where it is made already."""
        return self._spec(
            "format",
            ("format", *MAKING_OPTIONS, *self._bucket(), METADATA, VOLUME),
            {},
        )

    def placing(self) -> ChildSpec:
        """The passing process that has the volume know where it lies now.

        The server is told at each start. What collects is not: in a copy of a data folder it would
        take the blocks of the original for what belongs to nothing.
        """
        return self._spec("place", ("config", METADATA, *self._bucket(), "--yes"), {})

    def collecting(self) -> ChildSpec:
        """The passing process that removes blocks which no object has, beside the server.

        The store leaves some when it is killed while a part arrives; S3 does not show them.
        """
        return self._spec(
            "collect", ("gc", "--delete", METADATA), {"JFS_GC_SKIPPEDTIME": str(YOUNG_SECONDS)}
        )

    def child(self) -> ChildSpec:
        """The server."""
        return self._spec(
            NAME,
            ("gateway", *self._bucket(), *GATEWAY_OPTIONS, METADATA, str(self.address)),
            # Half the garbage: collecting more often keeps a third less memory.
            {**self._keys, "MINIO_BROWSER": "off", "GOGC": "50"},
        )

    def accepts(self) -> bool:
        """Whether it takes requests."""
        return answers_200(self.address.from_here, "/minio/health/ready")

    def _bucket(self) -> tuple[str, str]:
        return ("--bucket", f"{self.folder}/objects/")

    def _spec(self, name: str, arguments: tuple[str, ...], more: dict[str, str]) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(str(self._programs.path(STORE_PROGRAM)), *arguments),
            environment={"PATH": os.defpath, "HOME": str(self.folder), "TZ": "UTC", **more},
            folder=self.folder,
            log=self._logs / f"{name}.log",
            identity=self._identity,
            stop_signal=signal.SIGTERM,
        )
