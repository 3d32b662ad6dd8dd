"""This server's own clients of the object store, and the endpoint that users reach it by.

A client is made on first use, never at import: `migrate` and `collectstatic` need no store. It is
kept for as long as the settings say the same, by each process for itself: no connection is shared
after a fork.

There is no client for the external endpoint. It would only sign addresses, which takes the host and
the keys and no connection; `shub.storage.presign` does that, with the payload's digest too.
"""

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import boto3
import certifi
import urllib3
from botocore.config import Config
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from minio import Minio
from urllib3.exceptions import TimeoutError  # noqa: A004  urllib3's own

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# More than a process has threads: a connection that finds no place in the pool is made for one
# request and closed after it. Those that are not used cost nothing.
POOL_CONNECTIONS = 64

_making = threading.Lock()


class Credentials(NamedTuple):
    """What requests are signed with."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return "Credentials(…)"


def credentials() -> Credentials:
    """The store's keys. ImproperlyConfigured when they are not set.

    Without them minio would ask as nobody, and boto3 would look for others: in the home folder, and
    at an address of the cloud.
    """
    if not settings.MINIO_ACCESS_KEY or not settings.MINIO_SECRET_KEY:
        raise ImproperlyConfigured("MINIO_ACCESS_KEY and MINIO_SECRET_KEY must both be set.")
    return Credentials(settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY)


def upload_credentials() -> Credentials:
    """What the addresses of parts are signed with: the keys that can only upload.

    The store's own where the site has set neither of those; ImproperlyConfigured for only one.
    """
    keys = Credentials(settings.MINIO_UPLOAD_ACCESS_KEY, settings.MINIO_UPLOAD_SECRET_KEY)
    if not any(keys):
        return credentials()
    if not all(keys):
        raise ImproperlyConfigured(
            "MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY must both be set, or neither."
        )
    return keys


def minio_client(*, quick: bool = False) -> Minio:
    """The client for the bucket and for whole objects.

    A `quick` one is for what costs the store little: it gives up on a silent store earlier.
    """
    with _making:
        return _make_minio_client(_configured_reach(quick=quick))


def boto3_client(*, quick: bool = False) -> "S3Client":
    """The client for uploads in parts, for which minio has no public calls; `quick` as above."""
    with _making:
        return _make_boto3_client(_configured_reach(quick=quick))


def new_connections() -> urllib3.PoolManager:
    """Connections to the store of the caller's own, as patient and as trusting as our clients."""
    return _make_connections(_configured_reach())


def forget_clients() -> None:
    """Let the next use make new clients; those in use are not disturbed."""
    with _making:
        _make_minio_client.cache_clear()
        _make_boto3_client.cache_clear()


def external_endpoint(asked_host: str = "") -> str:
    """Scheme, host and port by which a client that asked us by this host reaches the store.

    `asked_host` is looked for in MINIO_EXTERNAL_SERVERS with its port, then without; it is the
    client's own word, so it only ever chooses among the configured ones.
    """
    asked = asked_host.strip().lower()
    name, colon, port = asked.rpartition(":")
    bare = name if colon and port.isdigit() else asked
    configured: dict[str, str] = settings.MINIO_EXTERNAL_SERVERS
    server = configured.get(asked) or configured.get(bare) or settings.MINIO_EXTERNAL_SERVER
    return _address(server, secure=settings.MINIO_EXTERNAL_SSL)


def internal_endpoint() -> str:
    """Scheme, host and port by which this server reaches the store."""
    return _address(settings.MINIO_SERVER, secure=settings.MINIO_SSL)


class _OnceMore(urllib3.Retry):
    """One more attempt where the store closed an idle connection; none where it is silent."""

    def increment(self, *args: Any, **named: Any) -> Self:
        if isinstance(named.get("error"), TimeoutError):
            raise named["error"]
        return super().increment(*args, **named)


@dataclass(frozen=True)
class _Reach:
    """All that a client is made of; another value means another client."""

    process_id: int
    server: str
    secure: bool
    region: str
    keys: Credentials
    authorities: str
    connect_seconds: int
    read_seconds: int


def _configured_reach(*, quick: bool = False) -> _Reach:
    return _Reach(
        process_id=os.getpid(),
        server=settings.MINIO_SERVER,
        secure=settings.MINIO_SSL,
        region=settings.MINIO_REGION,
        keys=credentials(),
        # A PEM file, for both clients: the site's own, else the public authorities.
        authorities=settings.MINIO_CA_FILE or certifi.where(),
        connect_seconds=settings.MINIO_CONNECT_TIMEOUT_SECONDS,
        read_seconds=min(
            settings.MINIO_READ_TIMEOUT_SECONDS,
            settings.MINIO_ANSWER_TIMEOUT_SECONDS if quick else settings.MINIO_READ_TIMEOUT_SECONDS,
        ),
    )


@lru_cache(maxsize=4)
def _make_minio_client(reach: _Reach) -> Minio:
    return Minio(
        reach.server,
        access_key=reach.keys.access_key,
        secret_key=reach.keys.secret_key,
        secure=reach.secure,
        # Given, or each bucket's region is asked for first.
        region=reach.region,
        http_client=_make_connections(reach),
    )


def _make_connections(reach: _Reach) -> urllib3.PoolManager:
    return urllib3.PoolManager(
        maxsize=POOL_CONNECTIONS,
        timeout=urllib3.Timeout(connect=reach.connect_seconds, read=reach.read_seconds),
        # At once, not after the minute that a busy store asks for: a user is waiting.
        retries=_OnceMore(total=1, backoff_factor=0, respect_retry_after_header=False),
        cert_reqs="CERT_REQUIRED",
        ca_certs=reach.authorities,
    )


@lru_cache(maxsize=4)
def _make_boto3_client(reach: _Reach) -> "S3Client":
    # A session of our own: boto3's common one must not be used by two threads at once.
    session = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=_address(reach.server, secure=reach.secure),
        aws_access_key_id=reach.keys.access_key,
        aws_secret_access_key=reach.keys.secret_key,
        region_name=reach.region,
        verify=reach.authorities,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            # Else every request carries a checksum in a form that many stores do not know.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=reach.connect_seconds,
            read_timeout=reach.read_seconds,
            # Not once more: a joining that takes long would be asked for twice at the same time,
            # which spoils the object on JuiceFS' gateway.
            retries={"total_max_attempts": 1},
            max_pool_connections=POOL_CONNECTIONS,
            # The store is in our own network: as minio does, go to it without the site's proxy.
            proxies={},
        ),
    )


def _address(server: str, *, secure: bool) -> str:
    return f"{'https' if secure else 'http'}://{server}"
