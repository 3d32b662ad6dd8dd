"""Scraping: what Prometheus reads at /metrics, and who may.

A process' own counters (`shub.metrics`) together with those of the other workers, what the sweeps
have added to the database, and what the database itself knows.
"""

import hmac
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from ipaddress import ip_address, ip_network
from typing import Any

import django
from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Min, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CollectorRegistry, Metric, multiprocess
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.samples import Sample

from shub import __version__, counting_folder, retrying
from shub import metrics as counters
from shub.accounts.models import Entity, User
from shub.client_address import client_address, is_by_trusted_proxy
from shub.containers import fixity, ledger
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Image,
    RemovedImage,
    not_removed,
)
from shub.uploads import beats, totals
from shub.uploads.models import Upload

# What reads whole tables is counted this often at most, by all servers together.
COUNTED_SECONDS = 30

_KEY = "metrics: what is stored"

# What a sweep tries again later, each row by itself.
RETRIED: dict[str, Any] = {
    "upload": Upload,
    "blob": Blob,
    "image": RemovedImage,
    "container": Container,
    "collection": Collection,
}

_BEARER = re.compile(r"bearer +(\S+)", re.IGNORECASE)


# ── who may ──
def may_read(request: HttpRequest) -> bool:
    """Whether the one who asks may read the metrics: by their bearer, or by where they are."""
    return _has_token(request) or _is_in_network(request)


def _has_token(request: HttpRequest) -> bool:
    found = _BEARER.fullmatch(request.META.get("HTTP_AUTHORIZATION", "").strip())
    wanted: str = settings.METRICS_TOKEN
    if not wanted or not found:
        return False
    return hmac.compare_digest(found[1].encode(), wanted.encode())


def _is_in_network(request: HttpRequest) -> bool:
    if not settings.METRICS_ALLOWED_NETWORKS:
        return False
    # Through a proxy that TRUSTED_PROXIES does not name, everybody has the proxy's address.
    if "HTTP_X_FORWARDED_FOR" in request.META and not is_by_trusted_proxy(request):
        return False
    found = client_address(request)
    return bool(found) and any(
        ip_address(found) in ip_network(each, strict=False)
        for each in settings.METRICS_ALLOWED_NETWORKS
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """All of it, as text. To others there is nothing here."""
    if not may_read(request) or request.method not in {"GET", "HEAD"}:
        raise Http404
    registry = CollectorRegistry()
    registry.register(Everything())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


# ── what ──
class Everything:
    """A collector of the library's: every family there is, each once."""

    def collect(self) -> Iterator[Metric]:
        """Without the database's part while that is away: the rest is then read all the same."""
        try:
            known = [*of_the_moment(), *as_counted()]
            added = totals.all_added()
            is_there = 1
        except (DatabaseError, InterfaceError):
            connection.close()
            counters.DATABASE_ERRORS.inc()
            known, added, is_there = [], [], 0
        found = {family.name: family for family in _counted_here()}
        for total in added:
            family = found.get(total.name.removesuffix("_total"))
            if family is not None and family.name in counters.SWEPT:
                labels = {**total.labels, "process": "sweep"}
                family.samples.append(Sample(total.name, labels, total.value))
        yield from found.values()
        yield from known
        yield from of_this_server(is_there)


def _counted_here() -> Iterator[Metric]:
    """What the workers of this server have counted; of what sweeps count too, it says so."""
    together = {}
    if folder := counting_folder.present():
        collector = multiprocess.MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        together = {family.name: family.samples for family in collector.collect()}  # type: ignore[no-untyped-call]
    for family in counters.REGISTRY.collect():
        if folder:
            family.samples = together.get(family.name, [])
        if family.name in counters.SWEPT:
            family.samples = [
                sample._replace(labels={**sample.labels, "process": "web"})
                for sample in family.samples
                if family.name not in counters.SWEPT_ONLY
            ]
        yield family


def of_the_moment() -> Iterator[Metric]:
    """What is under way. Four queries, by indexes of what is under way."""
    waiting = Upload.objects.filter(state=Upload.State.VERIFYING).aggregate(
        count=Count("pk"), since=Min("active_at")
    )
    since = waiting["since"]
    lag = max(0.0, (timezone.now() - since).total_seconds()) if since else 0.0
    yield _gauge(
        "shub_uploads_waiting", "Uploads that have arrived and are not verified.", waiting["count"]
    )
    yield _gauge(
        "shub_sweep_lag_seconds", "For how long the oldest of them has waited; 0 for none.", lag
    )
    yield _gauge("shub_sweeps_alive", "Sweep processes that run.", len(beats.alive()))
    rereading = fixity.standing()
    yield _gauge(
        "shub_oldest_reading_seconds",
        "How long ago the blob was read, or proven, that was not read for the longest; 0: none is.",
        max(0.0, (timezone.now() - rereading.oldest).total_seconds()) if rereading.oldest else 0.0,
    )
    yield _gauge(
        "shub_rereading_period_seconds",
        "Within what each blob is read again; 0: never.",
        fixity.period().total_seconds(),
    )
    yield _gauge(
        "shub_blobs_unreadable",
        "Proven blobs that the store broke off when they were read last.",
        rereading.unreadable,
    )
    site = ledger.site()
    yield _gauge(
        "shub_site_stored_bytes",
        "Bytes that the store holds for this registry: of all blobs that are not gone.",
        site.stored_bytes,
    )
    yield _gauge(
        "shub_site_reserved_bytes",
        "Bytes that are promised to uploads which are under way.",
        site.reserved_bytes,
    )
    yield _gauge(
        "shub_site_quota_bytes", "SITE_QUOTA_BYTES; 0: no bound.", settings.SITE_QUOTA_BYTES
    )


@dataclass(frozen=True)
class Stored:
    """What is stored, as it was when it was counted, COUNTED_SECONDS ago at most."""

    people: int
    entities: int
    images: int
    uploads: dict[str, int]
    """By state."""
    blobs: dict[str, list[int]]
    """How many, and their bytes, by state."""
    in_trouble: dict[str, int]
    """Rows that a sweep could not take further, by what they are."""


def as_counted() -> Iterator[Metric]:
    """What is stored. One query, or eleven where it is counted anew."""
    stored = _stored()
    yield _gauge("shub_people", "Accounts of people.", stored.people)
    yield _gauge("shub_entities", "Entities that are not retired.", stored.entities)
    yield _gauge(
        "shub_images", "Images whose bytes are there, and that are not removed.", stored.images
    )
    uploads = GaugeMetricFamily(
        "shub_uploads", "Uploads by state, those of all time.", labels=["state"]
    )
    for state in Upload.State.values:
        uploads.add_metric([state], stored.uploads.get(state, 0))
    yield uploads
    blobs = GaugeMetricFamily("shub_blobs", "Blobs by state.", labels=["state"])
    sizes = GaugeMetricFamily(
        "shub_blob_bytes",
        "Bytes of blobs by state; what several images share counts once.",
        labels=["state"],
    )
    for state in Blob.State.values:
        count, size = stored.blobs.get(state, [0, 0])
        blobs.add_metric([state], count)
        sizes.add_metric([state], size)
    yield from (blobs, sizes)
    troubles = GaugeMetricFamily(
        "shub_rows_in_trouble",
        "Rows that a sweep could not take further when it last tried; it tries again later.",
        labels=["kind"],
    )
    for kind in RETRIED:
        troubles.add_metric([kind], stored.in_trouble.get(kind, 0))
    yield troubles


def _stored() -> Stored:
    cache = caches["default"]
    known = cache.get(_KEY)
    if isinstance(known, dict) and known.keys() == Stored.__dataclass_fields__.keys():
        return Stored(**known)
    stored = _count()
    cache.set(_KEY, asdict(stored), COUNTED_SECONDS)
    return stored


def _count() -> Stored:
    there = not_removed("container", "container__collection")
    uploads = Upload.objects.values_list("state").annotate(Count("pk")).order_by()
    blobs = Blob.objects.values_list("state").annotate(Count("pk"), Sum("size")).order_by()
    robots = Q(robot_entity__isnull=False) | Q(robot_team__isnull=False)
    return Stored(
        people=User.objects.exclude(robots).count(),
        entities=Entity.objects.filter(retired_at__isnull=True).count(),
        images=Image.objects.filter(there, blob__isnull=False).count(),
        uploads=dict(uploads),
        blobs={state: [count, int(size or 0)] for state, count, size in blobs},
        in_trouble={
            kind: model.objects.filter(retrying.in_trouble()).count()
            for kind, model in RETRIED.items()
        },
    )


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def of_this_server(database_is_there: int) -> Iterator[Metric]:
    """What the web server knows without asking."""
    yield _gauge(
        "shub_web_threads",
        "Threads of this web server that can answer.",
        settings.WEB_WORKERS * settings.WEB_THREADS,
    )
    yield _gauge(
        "shub_database_up", "Whether the database answered just now: 1 or 0.", database_is_there
    )
    build: dict[str, Any] = {
        "version": __version__,
        "python": platform.python_version(),
        "django": django.get_version(),
        "gunicorn": version("gunicorn"),
    }
    found = GaugeMetricFamily("shub_build_info", "Which versions run.", labels=list(build))
    found.add_metric(list(build.values()), 1)
    yield found
