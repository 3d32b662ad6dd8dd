"""The trail is append-only for the application; what is old enough goes, and only that."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from shub.audit import keeping, trail
from shub.audit.models import Event
from tests.unit.test_commands import manage

pytestmark = pytest.mark.django_db


def event(days_old: float) -> Event:
    return Event.objects.create(
        action="image.pushed", kind="image", at=timezone.now() - timedelta(days=days_old)
    )


@pytest.fixture
def truncation_guarded(db: None) -> None:
    """As in a real database: tests that commit empty their tables, so theirs is off."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER audit_event_not_emptied")


def test_nothing_in_the_trail_can_be_changed_deleted_or_emptied(truncation_guarded: None) -> None:
    event(400)
    for words in (
        "UPDATE audit_event SET actor = 'otto'",
        "DELETE FROM audit_event",
        "TRUNCATE audit_event",
        "TRUNCATE audit_event CASCADE",
    ):
        with (
            pytest.raises(IntegrityError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(words)
    assert Event.objects.count() == 1


def test_what_is_older_than_is_kept_goes_and_what_is_younger_stays(settings: Any) -> None:
    for age in (1, 89, 91, 400):
        event(age)
    settings.AUDIT_KEEP_DAYS = 90
    assert keeping.drop_old() == 2
    assert Event.objects.count() == 2
    assert keeping.drop_old() == 0


def test_the_trail_is_kept_for_ever_where_nothing_is_said(settings: Any) -> None:
    assert settings.AUDIT_KEEP_DAYS == 0
    event(4000)
    assert keeping.drop_old() == 0
    assert Event.objects.count() == 1


def test_nothing_younger_than_thirty_days_is_deleted_whatever_the_application_says() -> None:
    event(29)
    with pytest.raises(IntegrityError, match="append-only"):
        keeping.drop_before(timezone.now())


def test_an_old_event_cannot_be_changed_even_while_old_ones_are_dropped() -> None:
    event(400)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('shub.audit_drop_before', now()::text, true)")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Event.objects.update(actor="otto")


def test_old_events_are_dropped_some_at_a_time(settings: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(keeping, "BATCH", 2)
    settings.AUDIT_KEEP_DAYS = 30
    for _ in range(3):
        event(31)
    assert [keeping.drop_old() for _ in range(3)] == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_what_was_said_for_one_transaction_counts_for_no_other() -> None:
    keeping.drop_before(timezone.now() - timedelta(days=40))
    event(400)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Event.objects.all().delete()


def record_and_fail() -> None:
    with transaction.atomic():
        trail.record("image.pushed", kind="image", by=None)
        raise RuntimeError


def test_what_is_rolled_back_was_not_done() -> None:
    with pytest.raises(RuntimeError):
        record_and_fail()
    assert not Event.objects.exists()


def test_a_time_of_less_than_thirty_days_stops_the_start() -> None:
    done = manage("check", AUDIT_KEEP_DAYS="29")
    assert done.returncode != 0
    assert "AUDIT_KEEP_DAYS must be 0" in done.stderr
    assert manage("check", AUDIT_KEEP_DAYS="30").returncode == 0
