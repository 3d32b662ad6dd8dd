"""Metrics: who may read them, and that they say what was done and what is there."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from shub import metrics, retrying
from shub.containers import fixity
from shub.containers.models import Blob
from shub.operations import scraping
from shub.storage import ObjectStore
from shub.uploads import beats, totals
from shub.uploads.models import SweepTotal, Upload
from tests.damaging import remove
from tests.factories import PASSWORD, Person
from tests.sif_files import sif_bytes
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

TOKEN = "a-token-for-scraping"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

Series = dict[str, float]


@pytest.fixture(autouse=True)
def _open(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.METRICS_TOKEN = TOKEN
    monkeypatch.setattr(totals, "_added", totals.counted())
    caches["default"].clear()
    yield
    caches["default"].clear()


def scrape() -> Series:
    """Each series by its name and labels, as Prometheus would read it."""
    answer = Client(headers={**BEARER, "Host": "web:8080"}).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found: Series = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            name = f"{sample.name}{{{labels}}}"
            assert name not in found
            found[name] = sample.value
    return found


def grown(before: Series, name: str) -> float:
    """By how much the series has grown."""
    return scrape().get(name, 0.0) - before.get(name, 0.0)


# ── who may ──
@pytest.mark.parametrize(
    "authorization",
    ["", TOKEN, "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \u00e9"],
)
def test_who_has_not_the_token_finds_nothing_there(authorization: str) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = Client(headers=headers).get("/metrics")
    nothing = Client(headers=headers).get("/metricsx")
    assert answer.status_code == nothing.status_code == 404
    # But for what is drawn anew for each page's forms.
    one, other = (re.sub(rb"[0-9A-Za-z]{64}", b"", each.content) for each in (answer, nothing))
    assert one == other.replace(b"metricsx", b"metrics")


def test_nobody_may_read_where_nothing_is_set(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    for headers in ({}, {"Authorization": "Bearer "}, BEARER):
        assert Client(headers=headers).get("/metrics").status_code == 404


@pytest.mark.parametrize(
    ("address", "told", "proxies", "status"),
    [
        ("10.1.2.3", "", [], 200),
        ("192.0.2.1", "", [], 404),
        ("", "", [], 404),
        # Told by a proxy that is ours, and by one that anybody may be.
        ("10.1.2.3", "192.0.2.1", ["10.1.2.3"], 404),
        ("172.16.0.1", "10.1.2.3", ["172.16.0.1"], 200),
        ("10.1.2.3", "192.0.2.1", [], 404),
        ("192.0.2.1", "10.1.2.3", [], 404),
    ],
)
def test_those_in_a_network_that_may_read_are_told_by_their_own_address(
    settings: Any, address: str, told: str, proxies: list[str], status: int
) -> None:
    settings.METRICS_TOKEN = ""
    settings.METRICS_ALLOWED_NETWORKS = ["10.0.0.0/8", "2001:db8::/32"]
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": told} if told else {}
    answer = Client(headers=headers).get("/metrics", REMOTE_ADDR=address)
    assert answer.status_code == status


# ── what was done ──
def test_requests_are_counted_by_the_names_of_their_routes(mara: Person) -> None:
    before = scrape()
    wire(mara).call("GET", "/v1/entities/mara")
    wire(mara).call("GET", "/v1/entities/nobody-has-this-name")
    Client().get("/library/no/such?secret=1")
    Client().generic("BREW", "/no-route-at-all")
    assert grown(before, "shub_requests_total{method=GET,route=library-entity,status=200}") == 1
    assert grown(before, "shub_requests_total{method=GET,route=library-entity,status=404}") == 1
    assert grown(before, "shub_requests_total{method=other,route=none,status=404}") == 1
    assert grown(before, "shub_request_seconds_count{method=GET,route=library-entity}") == 2
    text = " ".join(scrape())
    assert not any(word in text for word in ("secret", "nobody-has-this-name", "BREW", "no-route"))


def test_probes_and_scrapes_are_not_counted() -> None:
    before = scrape()
    Client().get("/healthz")
    after = scrape()
    assert {name for name in after if after[name] != before.get(name)} <= {
        "shub_sweep_lag_seconds{}"
    }


def test_a_push_is_seen_from_its_parts_to_its_proof(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    content = sif_bytes(seed=9)
    before = scrape()
    client = wire(mara)
    image = client.announce("mara/tools/gcc", content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.call("PUT", f"/v2/imagefile/{image['id']}/_complete")
    Upload.objects.update(active_at=timezone.now() - timedelta(seconds=100))
    waiting = scrape()
    assert waiting["shub_uploads_waiting{}"] == 1
    assert 100 <= waiting["shub_sweep_lag_seconds{}"] < 130
    sweep()
    caches["default"].clear()
    after = scrape()
    assert after["shub_uploads_waiting{}"] == after["shub_sweep_lag_seconds{}"] == 0
    assert after["shub_sweeps_alive{}"] == 1
    assert after["shub_images{}"] == 1
    assert after["shub_uploads{state=done}"] == 1
    assert after["shub_blobs{state=proven}"] == 1
    assert after["shub_blob_bytes{state=proven}"] == len(content)
    assert grown(before, "shub_verified_uploads_total{outcome=done,process=sweep}") == 1
    assert grown(before, "shub_verified_bytes_total{process=sweep}") == len(content)
    assert grown(before, "shub_verification_seconds_total{process=sweep}") > 0
    assert grown(before, "shub_store_requests_total{process=sweep,verb=read}") >= 1


def test_a_store_that_is_away_is_counted_by_what_was_asked_of_it(
    mara: Person, settings: Any, store: ObjectStore
) -> None:
    settings.MINIO_SERVER = "127.0.0.1:1"
    before = scrape()
    client = wire(mara)
    image = client.announce("mara/tools/gcc", sif_bytes(seed=9))
    answer = client.call("POST", f"/v2/imagefile/{image['id']}/_multipart", {"filesize": 10})
    assert answer.status == 503
    name = "shub_store_errors_total{kind=unreachable,process=web,verb=start_parts}"
    assert grown(before, name) == 1


def test_sign_ins_and_limits_are_counted(mara: Person, settings: Any) -> None:
    settings.LIMIT_BAD_TOKENS = (1, 60)
    before = scrape()
    for password in (PASSWORD, "wrong"):
        Client().post("/account/sign-in", {"username": "mara", "password": password})
    for _ in range(2):
        Client(headers={"Authorization": "Bearer shub_" + "0" * 219}).get("/v1/entities/mara")
    assert grown(before, "shub_sign_ins_total{outcome=in}") == 1
    assert grown(before, "shub_sign_ins_total{outcome=failed}") == 1
    assert grown(before, "shub_bad_tokens_total{}") == 2
    assert grown(before, "shub_limits_hit_total{limit=LIMIT_BAD_TOKENS}") == 1


def test_what_sweeps_added_stays_when_they_are_gone() -> None:
    SweepTotal.objects.create(name="shub_verified_bytes_total", labels={}, value=5e12)
    beats.beat()
    assert scrape()["shub_sweeps_alive{}"] == 1
    beats.end()
    found = scrape()
    assert found["shub_sweeps_alive{}"] == 0
    assert found["shub_verified_bytes_total{process=sweep}"] == 5e12


# ── what it costs, and while the database is away ──
def test_a_scrape_asks_little_and_counts_tables_now_and_then(
    django_assert_num_queries: Any,
) -> None:
    scrape()
    with django_assert_num_queries(6):
        scrape()


def test_rows_that_no_sweep_could_take_further_are_counted_by_what_they_are() -> None:
    for number in range(2):
        blob = Blob.objects.create(digest=f"{number:064x}", size=1, key=f"blobs/{number}")
    retrying.postpone(blob, "It is in the way.")
    found = scrape()
    assert found["shub_rows_in_trouble{kind=blob}"] == 1
    assert found["shub_rows_in_trouble{kind=upload}"] == 0


def test_damage_and_how_far_the_rereading_is_are_told(
    mara: Person, store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixity, "LOOK_AGAIN_SECONDS", 0.0)
    settings.VERIFY_WAIT_SECONDS = 0
    assert scrape()["shub_oldest_reading_seconds{}"] == 0
    wire(mara).push("mara/tools/gcc", sif_bytes(seed=1))
    Blob.objects.update(read_at=timezone.now() - timedelta(days=91), failures=1)
    found = scrape()
    assert found["shub_oldest_reading_seconds{}"] > found["shub_rereading_period_seconds{}"]
    assert found["shub_rereading_period_seconds{}"] == 90 * 24 * 3600
    assert found["shub_blobs_unreadable{}"] == 1
    before = scrape()
    Blob.objects.update(failures=0)
    remove(Blob.objects.get().key)
    sweep()
    caches["default"].clear()
    assert scrape()["shub_blobs{state=damaged}"] == 1
    assert grown(before, "shub_reread_blobs_total{outcome=damaged,process=sweep}") == 1
    assert grown(before, "shub_blobs_found_damaged_total{process=sweep}") == 1


def test_while_the_database_is_away_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError

    monkeypatch.setattr(beats, "alive", away)
    monkeypatch.setattr(scraping.connection, "close", lambda: None)
    found = scrape()
    assert found["shub_database_up{}"] == 0
    assert "shub_images{}" not in found
    assert found["shub_database_errors_total{process=web}"] >= 1


def test_all_that_is_counted_has_our_name_and_says_what_it_is() -> None:
    for family in metrics.REGISTRY.collect():
        assert family.name.startswith("shub_")
        assert family.documentation.endswith(".")
