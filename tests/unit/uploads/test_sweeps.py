"""What a sweep makes of rows that something was killed beside."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub.audit.models import Event
from shub.containers.models import Blob, Image
from shub.errors import Unavailable
from shub.storage import ObjectStore, Part, object_store, replace_object_store
from shub.storage.keys import blob_key
from shub.uploads import joining, multipart, sweeps, verification
from shub.uploads.models import Upload
from shub.uploads.parts import arrived_parts
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=3)
LONG_AGO = timedelta(days=30)
UNKNOWN = blob_key("ab" * 32, "0" * 24)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def sent(mara: Person) -> Upload:
    """An upload whose bytes are in the store, and of which nobody has said that it is complete."""
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    return Upload.objects.get()


def test_a_joining_that_was_killed_before_the_store_heard_of_it_is_gone_on_with(
    sent: Upload,
) -> None:
    joining.start_joining(sent, arrived_parts(sent))
    age(sent)
    sweep()
    settle()
    sweep()
    assert Image.objects.get().is_proven


def test_a_joining_that_was_killed_after_the_store_had_joined_is_gone_on_with(
    sent: Upload,
) -> None:
    parts = arrived_parts(sent)
    joining.start_joining(sent, parts)
    object_store().finish_parts(sent.key, sent.store_id, parts)
    age(sent)
    sweep()
    settle()
    sweep()
    assert Image.objects.get().is_proven


def test_an_object_whose_joining_was_gone_on_with_is_not_read_at_once(sent: Upload) -> None:
    joining.start_joining(sent, arrived_parts(sent))
    age(sent)
    sweeps.resume_joining()
    sent.refresh_from_db()
    assert sent.state == "verifying"
    assert not verification.verify_next()


def test_two_sweeps_never_go_on_with_the_same_joining(sent: Upload) -> None:
    joining.start_joining(sent, arrived_parts(sent))
    age(sent)
    sent.refresh_from_db()
    assert joining.take_up_joining(sent)
    assert not joining.take_up_joining(sent)


def test_a_joining_whose_parts_are_gone_is_refused_with_the_reason(sent: Upload) -> None:
    joining.start_joining(sent, arrived_parts(sent))
    object_store().abort_parts(sent.key, sent.store_id)
    age(sent)
    sweep()
    sent.refresh_from_db()
    assert (sent.state, "no longer has the parts" in sent.reason) == ("refused", True)


@pytest.mark.rows_by_hand
def test_a_joining_that_ended_meanwhile_is_not_taken_over(sent: Upload) -> None:
    joining.start_joining(sent, multipart.arrived_parts(sent))
    Upload.objects.update(state="refused", reason="It is not wanted.")
    joining.take_over(sent, stored_size=sent.size, settling=timedelta())
    assert (sent.state, sent.blob) == ("refused", None)


def test_a_fresh_joining_is_left_to_the_request_that_does_it(sent: Upload) -> None:
    joining.start_joining(sent, arrived_parts(sent))
    sweeps.resume_joining()
    sent.refresh_from_db()
    assert sent.state == "joining"


def test_a_verification_that_was_killed_is_taken_up_when_its_lease_has_ended(
    sent: Upload,
) -> None:
    hand_over(sent)
    assert verification.take_next() is not None
    assert verification.take_next() is None
    Upload.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert verification.verify_next()
    assert Image.objects.get().is_proven


def test_a_sweep_that_lost_its_lease_writes_nothing(sent: Upload) -> None:
    hand_over(sent)
    first = verification.take_next()
    assert first is not None
    finding = verification.examine(first, lambda size: None)
    Upload.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert verification.take_next() is not None
    with pytest.raises(verification.LeaseLost):
        verification.renew(first, 0)
    with pytest.raises(verification.LeaseLost):
        verification.settle(first, finding)
    assert not Image.objects.get().is_proven


def test_what_a_sweep_hands_back_at_its_end_is_taken_up_at_once(
    sent: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(sent)
    examine = verification.examine

    def told_to_end(upload: Upload, still_ours: Any) -> verification.Finding:
        finding = examine(upload, still_ours)
        verification.hand_back()
        return finding

    with monkeypatch.context() as changed:
        changed.setattr(verification, "examine", told_to_end)
        assert verification.verify_next()
    assert not Image.objects.get().is_proven
    assert verification.verify_next()
    assert Image.objects.get().is_proven


def test_what_another_sweep_has_taken_over_is_not_handed_back(
    sent: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_over(sent)
    examine = verification.examine

    def taken_over(upload: Upload, still_ours: Any) -> verification.Finding:
        Upload.objects.update(lease="another's")
        verification.hand_back()
        return examine(upload, still_ours)

    monkeypatch.setattr(verification, "examine", taken_over)
    assert verification.verify_next()
    sent.refresh_from_db()
    assert (sent.state, sent.lease) == ("verifying", "another's")
    assert sent.leased_until is not None


def test_what_a_sweep_has_read_to_its_end_is_not_handed_back(sent: Upload) -> None:
    hand_over(sent)
    assert verification.verify_next()
    verification.hand_back()
    sent.refresh_from_db()
    assert sent.state == "done"


def test_a_verification_waits_while_the_store_is_away(sent: Upload, settings: Any) -> None:
    hand_over(sent)
    here, settings.MINIO_SERVER = settings.MINIO_SERVER, "127.0.0.1:1"
    assert not verification.verify_next()
    sent.refresh_from_db()
    # It is in the way of every upload: none is to wait longer for it.
    assert (sent.state, sent.failures, sent.leased_until) == ("verifying", 0, None)
    settings.MINIO_SERVER = here
    assert verification.verify_next()
    assert Image.objects.get().is_proven


def test_an_object_that_the_store_has_lost_is_refused_and_no_image_is_left(sent: Upload) -> None:
    hand_over(sent)
    object_store().remove([sent.key])
    sweep()
    sent.refresh_from_db()
    assert (sent.state, "has lost the bytes" in sent.reason) == ("refused", True)
    assert not Image.objects.exists()


def test_an_idle_upload_expires_and_its_parts_are_dropped(sent: Upload) -> None:
    age(sent)
    sweep()
    sent.refresh_from_db()
    assert (sent.state, sent.store_id) == ("expired", "")
    assert list(object_store().open_parts(timezone.now() + timedelta(days=1))) == []


def test_an_upload_that_is_in_use_does_not_expire(sent: Upload) -> None:
    sweep()
    sent.refresh_from_db()
    assert sent.state == "open"
    assert len(arrived_parts(sent)) == 1


def test_parts_that_no_row_knows_are_dropped_once_they_are_old(
    store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    store_id = store.start_parts(UNKNOWN)
    sweep()
    assert len(list(store.open_parts(timezone.now() + timedelta(days=1)))) == 1
    monkeypatch.setattr(sweeps, "idle_since", lambda: timezone.now() + timedelta(hours=1))
    sweeps.drop_unknown_parts()
    assert list(store.open_parts(timezone.now() + timedelta(days=1))) == []
    store.abort_parts(UNKNOWN, store_id)


def test_what_others_have_in_the_bucket_is_left_alone(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    store_id = store.start_parts("images/of/another/server")
    monkeypatch.setattr(sweeps, "idle_since", lambda: timezone.now() + timedelta(hours=1))
    assert sweeps.drop_unknown_parts() == 0
    assert len(open_parts(store)) == 1
    store.abort_parts("images/of/another/server", store_id)


def test_parts_of_an_open_upload_are_never_taken_for_unknown(
    sent: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "idle_since", lambda: timezone.now() + timedelta(hours=1))
    assert sweeps.drop_unknown_parts() == 0
    assert len(arrived_parts(sent)) == 1


@pytest.mark.rows_by_hand
def test_a_removal_that_was_killed_is_gone_on_with(sent: Upload, store: ObjectStore) -> None:
    hand_over(sent)
    Blob.objects.update(state=Blob.State.CONDEMNED)
    Upload.objects.update(state="refused", reason="for the test")
    assert sweeps.collect_condemned() == 1
    assert stored_keys(store) == []
    assert Blob.objects.get().state == "gone"


@pytest.mark.rows_by_hand
def test_bytes_that_the_store_does_not_remove_now_are_removed_later(
    sent: Upload, store: ObjectStore, settings: Any
) -> None:
    hand_over(sent)
    Blob.objects.update(state=Blob.State.CONDEMNED)
    Upload.objects.update(state="refused", reason="for the test")
    here, settings.MINIO_SERVER = settings.MINIO_SERVER, "127.0.0.1:1"
    sweeps.housekeeping()
    assert Blob.objects.get().state == "leaving"
    settings.MINIO_SERVER = here
    sweeps.housekeeping()
    assert Blob.objects.get().state == "gone"
    assert stored_keys(store) == []


def test_a_part_that_arrives_after_the_end_is_dropped_when_no_address_is_alive(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    upload = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
    abort = {"uploadID": upload}
    assert client.put(f"/v2/imagefile/{image['id']}/_multipart_abort", abort).status == 200
    row = Upload.objects.get()
    assert row.store_id
    sweep()
    row.refresh_from_db()
    assert row.store_id  # an address may still be alive
    age(row)
    sweep()
    row.refresh_from_db()
    assert row.store_id == ""


def test_an_announced_image_that_never_came_is_forgotten(mara: Person) -> None:
    wire(mara).announce(PATH, CONTENT)
    sweep()
    assert Image.objects.count() == 1
    Image.objects.update(created_at=timezone.now() - LONG_AGO)
    sweep()
    assert not Image.objects.exists()


def test_an_old_announcement_that_is_being_sent_is_kept(sent: Upload) -> None:
    Image.objects.update(created_at=timezone.now() - LONG_AGO)
    sweep()
    assert Image.objects.count() == 1


def test_one_sweep_that_fails_stops_no_other(mara: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise Unavailable("The store is away.")

    wire(mara).announce(PATH, CONTENT)
    Image.objects.update(created_at=timezone.now() - LONG_AGO)
    monkeypatch.setattr(sweeps, "resume_joining", fail)
    sweeps.housekeeping()
    assert not Image.objects.exists()


def test_two_pushes_of_one_image_that_are_proven_at_once_keep_one_object(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    uploads = [client.begin_parts(image["id"], len(CONTENT))["uploadID"] for _ in range(2)]
    for upload in uploads:
        etag = send(client.part_address(image["id"], upload, 1, CONTENT), CONTENT).etag
        assert client.complete_parts(image["id"], upload, [etag]).status == 200
    assert len(stored_keys(store)) == 2
    sweep()
    assert len(stored_keys(store)) == 1
    assert set(Upload.objects.values_list("state", flat=True)) == {"done"}
    assert Event.objects.filter(action="image.pushed").count() == 1
    assert client.announce(PATH, CONTENT)["uploaded"] is True
    for upload in uploads:
        assert client.complete_parts(image["id"], upload, [etag]).status == 200


def test_a_refused_push_leaves_the_image_to_another_that_is_under_way(
    mara: Person, settings: Any
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    good, bad = (client.begin_parts(image["id"], len(CONTENT))["uploadID"] for _ in range(2))
    wrong = sif_bytes(seed=4)
    etag = send(client.part_address(image["id"], bad, 1, wrong), wrong).etag
    assert client.complete_parts(image["id"], bad, [etag]).status == 200
    sweep()
    etag = send(client.part_address(image["id"], good, 1, CONTENT), CONTENT).etag
    assert client.complete_parts(image["id"], good, [etag]).status == 200
    sweep()
    assert Image.objects.get().is_proven
    assert client.complete_parts(image["id"], bad, [etag]).status == 400


def test_a_part_may_come_late_in_a_slow_upload(sent: Upload, mara: Person) -> None:
    Upload.objects.update(active_at=timezone.now() - timedelta(hours=20))
    sent.refresh_from_db()
    multipart.keep_alive(sent)
    sent.refresh_from_db()
    assert timezone.now() - sent.active_at < timedelta(minutes=1)


def hand_over(upload: Upload) -> None:
    """Join what was sent, as `_complete` does."""
    parts: list[Part] = arrived_parts(upload)
    joining.start_joining(upload, parts)
    joining.join(upload)
    assert upload.state == "verifying"
    assert upload.digest == digest(CONTENT)


def settle() -> None:
    """As though the time had passed in which a first joining may still be under way."""
    Upload.objects.update(leased_until=None)


def age(upload: Upload) -> None:
    """As though nothing had happened to it for a month."""
    Upload.objects.filter(pk=upload.pk).update(active_at=timezone.now() - LONG_AGO)


# ── very many at once ──
def test_a_sweep_that_took_a_whole_batch_has_another_turn_after_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    turns, left = [], [2, 3, 1]

    def expire_idle() -> int:
        turns.append("expire_idle")
        return left.pop(0)

    def drop_idle_claims() -> int:
        turns.append("drop_idle_claims")
        return 0

    monkeypatch.setattr(sweeps, "BATCH", 2)
    monkeypatch.setattr(sweeps, "expire_idle", expire_idle)
    monkeypatch.setattr(sweeps, "drop_idle_claims", drop_idle_claims)
    sweeps.housekeeping()
    assert turns == ["expire_idle", "drop_idle_claims", "expire_idle", "expire_idle"]


@pytest.mark.parametrize("seconds", [0.0, 20.0])
def test_turns_end_by_the_clock_or_when_the_process_is_told_to_end(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    turns = []

    def expire_idle() -> int:
        turns.append("expire_idle")
        return sweeps.BATCH

    monkeypatch.setattr(sweeps, "expire_idle", expire_idle)
    monkeypatch.setattr(sweeps, "TURNS_SECONDS", seconds)
    sweeps.housekeeping(lambda: bool(seconds) and len(turns) == 3)
    assert len(turns) == (3 if seconds else 1)


@pytest.mark.rows_by_hand
def test_condemned_objects_go_by_one_request(mara: Person, store: ObjectStore) -> None:
    condemn_three(mara)
    asked = RefusingStore(store, refused="")
    with replace_object_store(asked):
        assert sweeps.collect_condemned() == 3
    assert [len(keys) for keys in asked.removed] == [3]
    assert stored_keys(store) == []
    assert set(Blob.objects.values_list("state", flat=True)) == {"gone"}


@pytest.mark.rows_by_hand
def test_an_object_that_the_store_refuses_to_remove_keeps_no_other(
    mara: Person, store: ObjectStore
) -> None:
    kept, *_ = condemn_three(mara)
    with replace_object_store(RefusingStore(store, refused=kept.key)):
        assert sweeps.collect_condemned() == 2
    assert stored_keys(store) == [kept.key]
    kept.refresh_from_db()
    assert kept.state == "leaving"
    Blob.objects.update(retry_at=None)
    assert sweeps.collect_condemned() == 1
    assert stored_keys(store) == []


class RefusingStore:
    """The store, but for one key, which it does not remove."""

    def __init__(self, store: ObjectStore, *, refused: str) -> None:
        self.store = store
        self.refused = refused
        self.removed: list[list[str]] = []

    def remove(self, keys: list[str]) -> None:
        self.removed.append(list(keys))
        if self.refused in keys:
            raise Unavailable("Not this one.")
        self.store.remove(keys)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def condemn_three(person: Person) -> list[Blob]:
    """Bytes that no row needs."""
    for seed in (31, 32, 33):
        wire(person).push(PATH, sif_bytes(seed=seed))
    Image.objects.all().delete()
    Blob.objects.update(state=Blob.State.CONDEMNED)
    return list(Blob.objects.order_by("id"))
