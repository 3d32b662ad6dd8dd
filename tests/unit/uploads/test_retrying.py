"""What fails is tried again with growing pauses, says so on its row, and keeps no other waiting."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub import retrying
from shub.containers import blobs, dropping, namespaces, refs, removal, tagging
from shub.containers.models import Blob, Collection, Container, Image, RemovedImage
from shub.errors import Unavailable
from shub.storage import ObjectStore, availability
from shub.storage.s3 import S3Store
from shub.uploads import joining, sweeps, verification
from shub.uploads.models import Upload
from shub.uploads.parts import arrived_parts
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import Wire, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
LONG_AGO = timedelta(days=30)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def sent(client: Wire, seed: int) -> Upload:
    """An upload whose bytes are in the store, not completed yet."""
    content = sif_bytes(seed=seed)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    return Upload.objects.latest("id")


def waiting(client: Wire, seed: int) -> Upload:
    """An upload that waits to be verified."""
    upload = sent(client, seed)
    joining.start_joining(upload, arrived_parts(upload))
    joining.join(upload)
    return upload


def condemned(client: Wire, seed: int) -> Blob:
    """Bytes in the store that nobody needs."""
    upload = waiting(client, seed)
    Upload.objects.filter(pk=upload.pk).update(state="refused", reason="for the test")
    assert upload.blob is not None
    blobs.condemn(upload.blob)
    return upload.blob


def refusing(verb: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that answers everything but this, of this key."""
    real: Callable[..., Any] = getattr(S3Store, verb)

    def one_not(self: S3Store, asked: Any, *args: Any, **options: Any) -> Any:
        if key in asked:
            raise Unavailable("Not this one.")
        return real(self, asked, *args, **options)

    monkeypatch.setattr(S3Store, verb, one_not)


def pass_pauses() -> None:
    """As though the longest pause had gone by."""
    for model in (Upload, Blob, RemovedImage, Container, Collection):
        model.objects.filter(retry_at__isnull=False).update(retry_at=timezone.now())


def seconds_until(moment: Any) -> float:
    return float((moment - timezone.now()).total_seconds())


# ── verification ──
def test_one_upload_that_the_store_does_not_give_waits_longer_each_time_and_the_others_go_on(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = waiting(wire(mara), 1), waiting(wire(mara), 2)
    with monkeypatch.context() as changed:
        refusing("open_range", bad.key, changed)
        sweep()
        good.refresh_from_db()
        assert good.state == "done"
        for failures, pause in ((1, 2), (2, 4), (3, 8)):
            bad.refresh_from_db()
            assert (bad.state, bad.failures, bad.trouble) == (
                "verifying",
                failures,
                "Not this one.",
            )
            assert pause - 2 < seconds_until(bad.retry_at) <= pause
            assert not verification.verify_next()  # not before
            pass_pauses()
            assert verification.verify_next()
    pass_pauses()
    sweep()
    bad.refresh_from_db()
    assert (bad.state, bad.failures, bad.retry_at, bad.trouble) == ("done", 0, None, "")


def test_a_fault_of_ours_in_one_upload_is_logged_once_with_its_trace_and_others_go_on(
    mara: Person, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = waiting(wire(mara), 1), waiting(wire(mara), 2)
    real = verification.read_facts
    calls = []

    def fail_on_first(prefix: bytes, size: int) -> Any:
        calls.append(size)
        if prefix == sif_bytes(seed=1)[: len(prefix)]:
            raise ZeroDivisionError("of a reader")
        return real(prefix, size)

    with monkeypatch.context() as changed, caplog.at_level(logging.INFO):
        changed.setattr(verification, "read_facts", fail_on_first)
        sweep()
        sweep()
        assert len(calls) == 2  # not again at once, for ever
        pass_pauses()
        sweep()
        good.refresh_from_db()
        bad.refresh_from_db()
    assert good.state == "done"
    assert (bad.state, bad.failures, bad.lease) == ("verifying", 2, "")
    assert bad.trouble.startswith("A fault of this server, ZeroDivisionError: of a reader.")
    traces = [record for record in caplog.records if record.exc_info]
    assert len(traces) == 1
    pass_pauses()
    sweep()
    bad.refresh_from_db()
    assert (bad.state, bad.failures) == ("done", 0)


def test_a_store_that_is_away_marks_no_upload(mara: Person, settings: Any) -> None:
    for seed in range(5):
        waiting(wire(mara), seed)
    here, settings.MINIO_SERVER = settings.MINIO_SERVER, "127.0.0.1:1"
    sweep()
    assert not Upload.objects.filter(retrying.in_trouble()).exists()
    settings.MINIO_SERVER = here
    sweep()
    assert Image.objects.filter(blob__state="proven").count() == 5


def test_a_sweep_that_has_lost_its_lease_marks_nothing(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = waiting(wire(mara), 1)
    taken = verification.take_next()
    assert taken is not None
    Upload.objects.update(lease="another's")
    refusing("read", upload.key, monkeypatch)
    verification.verify(taken)
    upload.refresh_from_db()
    assert (upload.failures, upload.lease) == (0, "another's")


# ── the others ──
def test_a_joining_that_fails_says_why_and_another_is_gone_on_with(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = sent(wire(mara), 1), sent(wire(mara), 2)
    for upload in (bad, good):
        joining.start_joining(upload, arrived_parts(upload))
    old = timezone.now() - LONG_AGO
    Upload.objects.update(active_at=old)
    with monkeypatch.context() as changed:
        refusing("finish_parts", bad.key, changed)
        assert sweeps.resume_joining() == 1
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, good.failures) == ("verifying", 0)
    assert (bad.state, bad.failures, bad.trouble) == ("joining", 1, "Not this one.")
    Upload.objects.filter(pk=bad.pk).update(active_at=old)
    assert sweeps.resume_joining() == 0
    pass_pauses()
    assert sweeps.resume_joining() == 1
    bad.refresh_from_db()
    assert (bad.state, bad.failures, bad.trouble) == ("verifying", 0, "")


@pytest.mark.rows_by_hand
def test_parts_that_are_not_dropped_are_dropped_later(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = sent(wire(mara), 1), sent(wire(mara), 2)
    Upload.objects.update(state="expired", active_at=timezone.now() - LONG_AGO)
    with monkeypatch.context() as changed:
        refusing("abort_parts", bad.key, changed)
        assert sweeps.drop_left_parts() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.failures, good.store_id) == (1, "")
    assert sweeps.drop_left_parts() == 0
    pass_pauses()
    assert sweeps.drop_left_parts() == 1
    bad.refresh_from_db()
    assert (bad.failures, bad.store_id) == (0, "")


@pytest.mark.rows_by_hand
def test_bytes_that_are_not_removed_are_removed_later_and_others_at_once(
    mara: Person, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = condemned(wire(mara), 1), condemned(wire(mara), 2)
    with monkeypatch.context() as changed:
        refusing("remove", bad.key, changed)
        assert sweeps.collect_condemned() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.failures, bad.trouble) == ("leaving", 1, "Not this one.")
    assert good.state == "gone"
    assert sweeps.collect_condemned() == 0
    pass_pauses()
    assert sweeps.collect_condemned() == 1
    bad.refresh_from_db()
    assert (bad.state, bad.failures, bad.trouble) == ("gone", 0, "")
    assert stored_keys(store) == []


@pytest.mark.rows_by_hand
def test_a_store_that_is_away_marks_no_blob_and_is_asked_for_no_second_one(
    mara: Person, settings: Any
) -> None:
    for seed in range(5):
        condemned(wire(mara), seed)
    settings.MINIO_SERVER = "127.0.0.1:1"
    with pytest.raises(availability.StoreAway):
        sweeps.collect_condemned()
    assert not Blob.objects.filter(retrying.in_trouble()).exists()
    assert Blob.objects.filter(state="leaving").count() == 5


@pytest.mark.rows_by_hand
def test_a_store_that_refuses_one_after_the_other_is_asked_for_a_few_in_one_pass(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(6):
        condemned(wire(mara), seed)

    def refuse(*_: Any) -> None:
        raise Unavailable("Nothing is removed today.")

    with monkeypatch.context() as changed:
        changed.setattr(S3Store, "remove", refuse)
        with pytest.raises(Unavailable):
            sweeps.collect_condemned()
        assert Blob.objects.filter(failures=1).count() == sweeps.REFUSED_ROWS + 1
        sweeps.collect_condemned()  # goes on with those that were not tried
        assert Blob.objects.filter(failures=1).count() == 6
    pass_pauses()
    assert sweeps.collect_condemned() == 6


def test_a_removed_image_that_cannot_be_dropped_stops_no_other(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    client = wire(mara)
    for seed in (1, 2):
        client.push(PATH, sif_bytes(seed=seed), f"t{seed}")
        removal.remove_image(refs.parse(f"{PATH}:t{seed}"), arch="", by=mara.caller)
    RemovedImage.objects.update(kept_until=timezone.now())
    bad = RemovedImage.objects.earliest("id")
    real = blobs.release

    def release(*blob_ids: int) -> None:
        if bad.blob_id in blob_ids:
            raise ZeroDivisionError("of ours")
        real(*blob_ids)

    with monkeypatch.context() as changed:
        changed.setattr(blobs, "release", release)
        assert dropping.drop_images() == 1
        assert dropping.drop_images() == 0
    assert RemovedImage.objects.get() == bad
    bad.refresh_from_db()
    assert (bad.failures, "ZeroDivisionError" in bad.trouble) == (1, True)
    pass_pauses()
    assert dropping.drop_images() == 1
    sweep()
    assert stored_keys(store) == []


@pytest.mark.parametrize("kind", ["container", "collection"])
def test_a_place_that_cannot_be_dropped_stops_no_other(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    client = wire(mara)
    for name in ("bad", "good"):
        client.container(f"mara/{name}/it")
        if kind == "container":
            removal.remove_container(
                namespaces.find_container("mara", name, "it", by=mara.caller), by=mara.caller
            )
        else:
            removal.remove_collection(
                namespaces.find_collection("mara", name, by=mara.caller), by=mara.caller
            )
    real = dropping._record

    def record(action: str, place: Any) -> None:
        if action == f"{kind}.dropped" and "bad" in str(place):
            raise ZeroDivisionError("of ours")
        real(action, place)

    model = Container if kind == "container" else Collection
    with monkeypatch.context() as changed:
        changed.setattr(dropping, "_record", record)
        dropping.drop_places()
        assert dropping.drop_places() == 0
    (bad,) = model.objects.filter(removed_at__isnull=False)
    assert ("bad" in str(bad), bad.failures) == (True, 1)
    pass_pauses()
    assert dropping.drop_places() >= 1
    assert not model.objects.filter(removed_at__isnull=False).exists()


def test_dropping_removed_images_keeps_no_push_into_their_container_waiting(
    mara: Person, store: ObjectStore
) -> None:
    wire(mara).push(PATH, sif_bytes(seed=1), "t1")
    removal.remove_image(refs.parse(f"{PATH}:t1"), arch="", by=mara.caller)
    RemovedImage.objects.update(kept_until=timezone.now())
    with CaptureQueriesContext(connection) as asked:
        assert dropping.drop_images() == 1
    locking = [each["sql"] for each in asked if "FOR UPDATE" in each["sql"]]
    assert locking
    assert not [sql for sql in locking if 'FROM "containers_container"' in sql]


def test_an_image_that_cannot_be_dropped_says_so_on_its_container(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    wire(mara).push(PATH, sif_bytes(seed=1), "latest")
    place = namespaces.find_container("mara", "tools", "gcc", by=mara.caller)
    removal.remove_container(place, by=mara.caller)

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("of ours")

    with monkeypatch.context() as changed:
        changed.setattr(tagging, "drop", fail)
        assert dropping.drop_images() == 0
    place.refresh_from_db()
    assert place.failures == 1
    assert dropping.drop_images() == 0
    pass_pauses()
    assert dropping.drop_images() == 1
    place.refresh_from_db()
    assert (place.failures, place.trouble) == (0, "")


def test_what_goes_well_in_the_end_is_in_no_trouble_any_more(mara: Person) -> None:
    row = waiting(wire(mara), 1)
    retrying.postpone(row, "Not this time.")
    assert retrying.attempt(row, lambda: None)
    row.refresh_from_db()
    assert (row.failures, row.retry_at, row.trouble) == (0, None, "")


def test_a_database_that_is_away_is_no_rows_fault(db: None) -> None:
    def away() -> None:
        raise OperationalError("server closed the connection unexpectedly")

    blob = Blob.objects.create(digest="ab" * 32, size=1, key="blobs/x")
    with pytest.raises(OperationalError):
        retrying.attempt(blob, away)
    blob.refresh_from_db()
    assert blob.failures == 0
