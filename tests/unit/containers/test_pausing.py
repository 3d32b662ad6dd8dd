"""While a backup copies, no bytes leave the store."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from shub.containers import blobs, ledger, pausing
from shub.containers.models import Blob, CollectionPause, Image
from shub.storage import ObjectStore
from shub.uploads import sweeps
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import wire

CONTENT = sif_bytes(seed=21)


@pytest.fixture
def condemned(mara: Person, store: ObjectStore, settings: Any) -> Blob:
    """Bytes that no row needs any more."""
    settings.VERIFY_WAIT_SECONDS = 0
    wire(mara).push("mara/tools/gcc", CONTENT)
    Image.objects.all().delete()
    Blob.objects.update(state=Blob.State.CONDEMNED)
    ledger.forget_counts()
    return Blob.objects.get()


def test_bytes_stay_while_the_collection_is_paused_and_go_after_it(
    condemned: Blob, store: ObjectStore
) -> None:
    pause = pausing.begin("a backup")
    assert sweeps.collect_condemned() == 0
    condemned.refresh_from_db()
    assert condemned.state == Blob.State.CONDEMNED
    assert stored_keys(store) == [condemned.key]
    pausing.end(pause)
    assert sweeps.collect_condemned() == 1
    assert stored_keys(store) == []


def test_what_a_sweep_was_about_to_remove_when_the_pause_began_stays(
    condemned: Blob, store: ObjectStore
) -> None:
    about_to_go = list(blobs.to_collect())
    assert about_to_go == [condemned]
    pausing.begin("a backup")
    assert blobs.collect_all(about_to_go) == 0
    condemned.refresh_from_db()
    assert condemned.state == Blob.State.CONDEMNED
    assert stored_keys(store) == [condemned.key]


def test_a_pause_of_which_nobody_takes_care_ends_by_itself(
    condemned: Blob, store: ObjectStore
) -> None:
    pause = pausing.begin("a backup that is killed")
    CollectionPause.objects.update(until=Now() - timedelta(seconds=1))
    assert pausing.current() is None
    assert not pausing.move_on(pause)
    assert sweeps.collect_condemned() == 1
    assert stored_keys(store) == []


@pytest.mark.django_db
def test_a_pause_is_moved_on_while_it_holds() -> None:
    pause = pausing.begin("a backup")
    CollectionPause.objects.update(until=Now() + timedelta(seconds=30))
    assert pausing.move_on(pause)
    held = pausing.current()
    assert held is not None
    assert held.until > pause.begun_at + timedelta(minutes=5)


@pytest.mark.django_db
def test_of_two_pauses_the_end_of_one_does_not_end_the_other() -> None:
    first, second = pausing.begin("one backup"), pausing.begin("another")
    pausing.end(first)
    assert pausing.current() == second
    pausing.end(second)
    assert pausing.current() is None


@pytest.mark.django_db(transaction=True)
def test_a_pause_waits_for_the_blob_that_is_just_leaving() -> None:
    """So a backup finds on its row that it leaves."""
    with _in_another_session() as leaves:
        began = Event()

        def begin() -> None:
            pausing.begin("a backup")
            began.set()
            connection.close()

        waiting = Thread(target=begin)
        waiting.start()
        assert not began.wait(0.5)
        leaves.set()
        assert began.wait(10)
        waiting.join(10)


@contextmanager
def _in_another_session() -> Iterator[Event]:
    """A sweep that has found no pause, and has not committed until the event."""
    looked, leaves = Event(), Event()

    def look() -> None:
        with transaction.atomic():
            assert not pausing.holds_collection()
            looked.set()
            leaves.wait(10)
        connection.close()

    thread = Thread(target=look)
    thread.start()
    assert looked.wait(10)
    try:
        yield leaves
    finally:
        leaves.set()
        thread.join(10)
