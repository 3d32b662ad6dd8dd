"""Probes: who asks hears soon what is so, and costs the database next to nothing."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from shub import stopping
from shub.operations import health

pytestmark = pytest.mark.django_db

ELSEWHERE = {"Host": "10.1.2.3:8080"}


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> health.Database:
    """A process that has not looked at its database yet."""
    found = health.Database()
    monkeypatch.setattr(health, "_database", found)
    return found


@pytest.fixture
def told_to_end() -> Iterator[None]:
    """A process that ends."""
    stopping.tell()
    yield
    stopping._told = False


def test_a_process_that_answers_is_healthy_without_a_query(
    client: Client, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_registry_with_its_database_is_ready(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "parts": {"process": "ok", "database": "ok", "migrations": "ok"},
    }
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("probe", ["/healthz", "/readyz"])
def test_probes_are_answered_by_whatever_address_they_come(
    client: Client, probe: str, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["registry.test"]
    assert client.get(probe, headers=ELSEWHERE).status_code == 200
    assert client.head(probe, headers=ELSEWHERE).status_code == 200
    assert client.post(probe, headers=ELSEWHERE).status_code == 405
    # And nothing else is.
    assert client.get(f"{probe}/", headers=ELSEWHERE).status_code == 400


def test_one_that_ends_is_healthy_and_not_ready(client: Client, told_to_end: None) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["parts"]["process"]) == (503, "is stopping")
    assert client.get("/healthz").status_code == 200


def test_a_database_that_is_away_is_said_without_its_address(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError('connection to server at "db.internal" failed')

    monkeypatch.setattr(health.Database, "_migrations", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["database"] == "is away"
    assert b"db.internal" not in answer.content


def test_a_database_that_says_nothing_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    thaws = Event()

    def frozen(*_: Any) -> str:
        thaws.wait(60)
        return health.WELL

    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(health.Database, "_migrations", frozen)
    for _ in range(3):
        answer = client.get("/readyz")
        assert (answer.status_code, "within 0.1 s" in str(answer.json())) == (503, True)
    thaws.set()
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 30)
    assert client.get("/readyz").status_code == 200


def test_a_database_that_lacks_migrations_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        health.MigrationExecutor, "migration_plan", lambda *_: [("uploads", False)] * 2
    )
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["migrations"] == "2 are not applied"


def test_however_often_it_is_asked_the_database_is_looked_at_once(
    client: Client, database: health.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(
        health.Database, "_migrations", lambda *_: looks.append(connection) or health.WELL
    )
    for _ in range(20):
        assert client.get("/readyz").status_code == 200
    assert len(looks) <= 2


def test_a_probe_is_no_line_of_the_log(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    client.get("/healthz")
    client.get("/readyz")
    assert not caplog.records
