"""Metrics: what the processes count, under the names that /metrics gives it.

Whoever does a thing counts it here; `shub.operations.scraping` shows it. A label has few values,
all of them ours: never an address, a name or an id. Times are seconds, sizes bytes.

What a sweep process counts is added to the totals in the database (`shub.uploads.totals`). The
workers of a web server count together, in a folder that it makes before this is imported.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from shub import counting_folder

counting_folder.refuse_others()

from prometheus_client import (  # noqa: E402  it looks for the folder when it is imported
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# When each series began is one series more for each.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Of its own, without the measures of Python that come with the library's: they are one worker's.
REGISTRY = CollectorRegistry()

# ── requests ──
REQUESTS = Counter(
    "shub_requests",
    "Requests that were answered, by the name of their route; probes and /metrics are not counted.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "shub_request_seconds",
    "How long it took until the answer began.",
    ["route", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
    registry=REGISTRY,
)
REQUESTS_UNDER_WAY = Gauge(
    "shub_requests_under_way",
    "Requests that threads are answering at this moment.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)

# ── the store ──
STORE_REQUESTS = Counter(
    "shub_store_requests",
    "What was asked of the object store, by verb.",
    ["verb"],
    registry=REGISTRY,
)
STORE_SECONDS = Counter(
    "shub_store_request_seconds",
    "How long that took, until its answer was read or an object began to come.",
    ["verb"],
    registry=REGISTRY,
)
STORE_ERRORS = Counter(
    "shub_store_errors",
    "What the store did not do: unreachable, or refused by it.",
    ["verb", "kind"],
    registry=REGISTRY,
)

# ── the database ──
DATABASE_ERRORS = Counter(
    "shub_database_errors",
    "How often the database was away: requests that it failed, and rounds of a sweep.",
    registry=REGISTRY,
)

# ── verification ──
VERIFIED = Counter(
    "shub_verified_uploads",
    "Uploads that were read back and hashed, by what was found: done, refused, or handed back.",
    ["outcome"],
    registry=REGISTRY,
)
VERIFIED_BYTES = Counter(
    "shub_verified_bytes", "Bytes that were read back and hashed.", registry=REGISTRY
)
VERIFIED_SECONDS = Counter(
    "shub_verification_seconds", "How long reading and hashing them took.", registry=REGISTRY
)

# ── fixity ──
REREAD = Counter(
    "shub_reread_blobs",
    "Blobs that were read again, by what was found: right, damaged, healed, unreadable.",
    ["outcome"],
    registry=REGISTRY,
)
REREAD_BYTES = Counter(
    "shub_reread_bytes", "Bytes that were read again and hashed.", registry=REGISTRY
)
DAMAGED = Counter(
    "shub_blobs_found_damaged",
    "How often stored bytes were found to be no longer what was proven.",
    registry=REGISTRY,
)

# ── the ledger ──
LEDGER_CORRECTED = Counter(
    "shub_ledger_corrections",
    "How often a recount found the ledger of an entity, or of the site, wrong.",
    registry=REGISTRY,
)

# What sweeps count and add up in the database, and what nobody else counts.
SWEPT_ONLY = frozenset(
    {
        "shub_verified_uploads",
        "shub_verified_bytes",
        "shub_verification_seconds",
        "shub_reread_blobs",
        "shub_reread_bytes",
        "shub_blobs_found_damaged",
        "shub_ledger_corrections",
    }
)
SWEPT = SWEPT_ONLY | {
    "shub_store_requests",
    "shub_store_request_seconds",
    "shub_store_errors",
    "shub_database_errors",
}

# ── people ──
SIGN_INS = Counter(
    "shub_sign_ins",
    "Sign-ins on the pages, by how they ended: in, or failed.",
    ["outcome"],
    registry=REGISTRY,
)
BAD_TOKENS = Counter(
    "shub_bad_tokens", "Requests with a token that is not known.", registry=REGISTRY
)
LIMITS_HIT = Counter(
    "shub_limits_hit",
    "Requests that were refused since one client had done too much, by the limit's setting.",
    ["limit"],
    registry=REGISTRY,
)


@contextmanager
def asking_store(verb: str) -> Iterator[None]:
    """Count what the block asks of the store."""
    begun = perf_counter()
    try:
        yield
    finally:
        STORE_REQUESTS.labels(verb).inc()
        STORE_SECONDS.labels(verb).inc(perf_counter() - begun)
