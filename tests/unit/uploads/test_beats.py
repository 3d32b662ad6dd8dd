"""Sweeps say that they run, and count, where everybody can read it."""

import os
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub import metrics
from shub.uploads import beats, totals
from shub.uploads.models import SweepBeat, SweepTotal

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests have counted in this process is no matter of these."""
    monkeypatch.setattr(totals, "_added", totals.counted())


def another(**changed: Any) -> SweepBeat:
    """The row of a process somewhere else, just seen."""
    now = timezone.now()
    return SweepBeat.objects.create(
        **{"host": "elsewhere", "pid": 7, "started_at": now, "seen_at": now, **changed}
    )


def test_a_process_that_beats_is_alive_and_one_row_however_often() -> None:
    beats.beat()
    beats.beat()
    (found,) = beats.alive()
    assert found.pid == os.getpid()
    assert SweepBeat.objects.count() == 1


def test_one_that_has_been_silent_for_long_is_not_alive() -> None:
    another(seen_at=timezone.now() - beats.ALIVE - timedelta(seconds=1))
    assert beats.alive() == []


def test_a_graceful_end_leaves_no_row_of_its_own_and_those_of_others() -> None:
    other = another()
    beats.beat()
    beats.end()
    assert beats.alive() == [other]
    assert SweepBeat.objects.count() == 1


def test_rows_of_the_long_dead_go_when_another_process_starts() -> None:
    another(seen_at=timezone.now() - timedelta(hours=1))
    beats.beat()
    assert [each.pid for each in SweepBeat.objects.all()] == [os.getpid()]


def test_a_process_that_has_the_number_of_a_dead_one_takes_its_row_over() -> None:
    beats.beat()
    SweepBeat.objects.update(started_at=timezone.now() - timedelta(days=3))
    beats.beat()
    assert timezone.now() - SweepBeat.objects.get().started_at < timedelta(hours=1)


def test_beating_on_costs_one_query(django_assert_num_queries: Any) -> None:
    beats.beat()
    with django_assert_num_queries(1):
        beats.beat()


def test_what_several_processes_have_counted_is_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics.STORE_ERRORS.labels("read", "unreachable").inc(2)
    totals.add()
    totals.add()
    # Another process, which has counted as much and added nothing yet.
    monkeypatch.setattr(totals, "_added", {})
    before = totals.counted()["shub_store_errors_total", '{"kind": "unreachable", "verb": "read"}']
    totals.add()
    row = SweepTotal.objects.get(name="shub_store_errors_total", labels__verb="read")
    assert row.value == 2 + before
    assert row.labels == {"verb": "read", "kind": "unreachable"}


def test_nothing_is_written_where_nothing_was_counted(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        totals.add()
    assert totals.all_added() == []
