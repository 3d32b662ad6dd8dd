"""Condemned bytes are kept for a time, as long as there is room; then they go, and so do their
rows' traces."""

from collections import namedtuple
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from shub.accounts.models import Entity
from shub.containers import blobs, namespaces, pausing, refs, removal
from shub.containers.models import Blob, Container
from shub.errors import OverQuota, Unavailable
from shub.storage import ObjectStore
from shub.uploads import joining, room, sweeps, waiting
from shub.uploads.models import Upload
from shub.uploads.parts import arrived_parts
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import put_part, stored_keys
from tests.wire import Wire, digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=3)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _kept(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.CONDEMNED_KEEP_DAYS = 7
    settings.MINIO_SIGN_CONTENT_SHA256 = False  # else the store itself refuses other bytes


def refused_push(client: Wire, seed: int = 1, path: str = PATH) -> Upload:
    """A push whose bytes are not what was announced; its upload, which is refused."""
    content = sif_bytes(seed=seed)
    image = client.announce(path, content)
    assert send(client.begin_single(image["id"], content), sif_bytes(seed=99)).status == 200
    assert client.complete_single(image["id"]).status == 200
    sweep()
    upload = Upload.objects.select_related("blob").latest("id")
    assert upload.state == "refused"
    return upload


def second_copy(client: Wire) -> Upload:
    """A push of bytes that another push of the same image has brought meanwhile."""
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    assert client.complete_single(image["id"]).status == 200
    sweep()
    # Complete the one that was left.
    upload = Upload.objects.earliest("id")
    parts = arrived_parts(upload)
    named = [{"partNumber": part.number, "token": part.etag} for part in parts]
    body = {"uploadID": upload.public_id, "completedParts": named}
    answer = client.put(f"/v2/imagefile/{image['id']}/_multipart_complete", body)
    assert answer.status == 200
    sweep()
    upload.refresh_from_db()
    assert upload.state == "done"
    return upload


def pass_days(days: float) -> None:
    """What is kept, as if it had been condemned so long before."""
    Blob.objects.filter(kept_until__isnull=False).update(
        kept_until=F("kept_until") - timedelta(days=days)
    )


def test_refused_bytes_stay_for_their_time_and_then_go(mara: Person, store: ObjectStore) -> None:
    upload = refused_push(wire(mara))
    assert upload.blob is not None
    assert upload.blob.state == "condemned"
    assert abs(upload.blob.kept_until - timezone.now() - 7 * DAY) < timedelta(minutes=5)
    pass_days(6.9)
    sweep()
    assert stored_keys(store) == [upload.key]
    pass_days(0.2)
    sweep()
    assert stored_keys(store) == []
    blob = Blob.objects.get()
    assert (blob.state, blob.kept_until) == ("gone", None)


def test_with_no_days_they_go_at_once(mara: Person, store: ObjectStore, settings: Any) -> None:
    settings.CONDEMNED_KEEP_DAYS = 0
    refused_push(wire(mara))
    assert stored_keys(store) == []
    assert Blob.objects.get().state == "gone"


def test_bytes_of_another_size_than_was_announced_are_kept_too(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    upload = client.begin_parts(image["id"], len(CONTENT) - 1)["uploadID"]
    etag = put_part(upload, 1, CONTENT)
    assert client.complete_parts(image["id"], upload, [etag]).status == 400
    blob = Blob.objects.get()
    assert (blob.state, blob.kept_until is not None) == ("condemned", True)


def test_a_second_copy_is_kept_as_a_spare_one(mara: Person, store: ObjectStore) -> None:
    upload = second_copy(wire(mara))
    assert len(stored_keys(store)) == 2
    spare = list(blobs.spare_copies(digest(CONTENT), size=len(CONTENT)))
    assert [blob.key for blob in spare] == [upload.key]
    assert not blobs.spare_copies(digest(CONTENT), size=1).exists()
    pass_days(8)
    sweep()
    assert len(stored_keys(store)) == 1
    assert not blobs.spare_copies(digest(CONTENT), size=len(CONTENT)).exists()


def test_what_leaves_with_a_removed_image_is_not_kept_a_second_time(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    wire(mara).push(PATH, CONTENT, "latest")
    removal.remove_image(refs.parse(f"{PATH}:latest"), arch="", by=mara.caller)
    sweep()
    assert stored_keys(store) == []


def test_an_answer_to_a_refused_push_does_not_wait_for_kept_bytes(mara: Person) -> None:
    upload = refused_push(wire(mara))
    assert waiting._is_settled(upload)
    Blob.objects.update(kept_until=None)
    assert not waiting._is_settled(upload)
    sweep()
    assert waiting._is_settled(upload)


# ── room ──
def disk_with(free: int, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """The store's disk has so much room for images."""
    settings.MINIO_FOLDER = "/"
    usage = namedtuple("usage", "free")(free + room.DISK_RESERVE_BYTES)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)


def test_a_push_that_finds_no_room_has_the_oldest_kept_bytes_go_and_is_told_when_to_try_again(
    mara: Person, store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = refused_push(wire(mara), seed=1), refused_push(wire(mara), seed=2)
    Blob.objects.filter(upload=old).update(kept_until=F("kept_until") - DAY)
    disk_with(100, monkeypatch, settings)
    for _ in range(2):  # who comes second waits for the same bytes, and has no others go
        with pytest.raises(Unavailable, match="push again in a minute"):
            room.check_room(200)
        assert blobs.to_collect().get() == old.blob
    assert sweeps.each(blobs.to_collect(), blobs.collect) == 1
    assert stored_keys(store) == [new.key]


def test_what_is_promised_of_the_sites_quota_counts_when_kept_bytes_make_room(
    mara: Person, settings: Any
) -> None:
    kept = refused_push(wire(mara))
    client = wire(mara)
    client.begin_single(client.announce(PATH, CONTENT)["id"], CONTENT)
    settings.SITE_QUOTA_BYTES = 3 * len(CONTENT) - 1
    with pytest.raises(Unavailable, match="push again in a minute"):
        room.check_room(len(CONTENT))
    assert blobs.to_collect().get() == kept.blob


def test_where_kept_bytes_would_not_make_room_they_stay(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_push(wire(mara))
    disk_with(100, monkeypatch, settings)
    with pytest.raises(OverQuota, match="room for 100 bytes"):
        room.check_room(10**9)
    assert not blobs.to_collect().exists()


def test_where_a_backup_holds_them_nobody_is_told_to_try_again_in_a_minute(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_push(wire(mara))
    disk_with(100, monkeypatch, settings)
    pausing.begin("a test")
    with pytest.raises(OverQuota):
        room.check_room(200)


def test_a_sweep_keeps_less_where_the_disk_is_nearly_full(
    mara: Person, store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_push(wire(mara), seed=1)
    new = refused_push(wire(mara), seed=2)
    disk_with(room.AHEAD_BYTES - 10, monkeypatch, settings)
    sweeps.collect_condemned()
    assert stored_keys(store) == [new.key]
    disk_with(room.AHEAD_BYTES, monkeypatch, settings)
    sweeps.collect_condemned()
    assert stored_keys(store) == [new.key]


def test_a_sweep_keeps_less_where_the_sites_quota_is_nearly_used(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    refused_push(wire(mara), seed=1)
    new = refused_push(wire(mara), seed=2)
    settings.SITE_QUOTA_BYTES = 2 * len(CONTENT) + 100  # a tenth of it is to be free
    sweeps.collect_condemned()
    assert stored_keys(store) == [new.key]
    sweeps.collect_condemned()
    assert stored_keys(store) == [new.key]


def test_what_is_still_to_arrive_needs_its_room_too(
    mara: Person, store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_push(wire(mara), seed=1)
    client = wire(mara)
    client.begin_single(client.announce(PATH, CONTENT)["id"], CONTENT)
    disk_with(room.AHEAD_BYTES, monkeypatch, settings)
    sweeps.collect_condemned()
    assert stored_keys(store) == []


def test_what_is_being_joined_needs_its_room_too(
    mara: Person, store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_push(wire(mara), seed=1)
    client = wire(mara)
    address = client.begin_single(client.announce(PATH, CONTENT)["id"], CONTENT)
    assert send(address, CONTENT).status == 200
    upload = Upload.objects.latest("id")
    assert joining.start_joining(upload, arrived_parts(upload))
    disk_with(room.AHEAD_BYTES, monkeypatch, settings)
    sweeps.collect_condemned()
    assert stored_keys(store) == []


def test_what_was_taken_back_is_not_given_up_with_what_is_kept(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT)
    blob = Blob.objects.get()
    assert not blobs.end_keeping(blob.pk)
    blob.refresh_from_db()
    assert (blob.state, blob.kept_until) == ("proven", None)


# ── what they were in ──
def test_a_removed_container_does_not_wait_for_kept_bytes_and_they_are_not_lost_track_of(
    mara: Person, store: ObjectStore, settings: Any
) -> None:
    refused_push(wire(mara))
    settings.REMOVED_KEEP_DAYS = 0
    place = namespaces.find_container("mara", "tools", "gcc", by=mara.caller)
    removal.remove_container(place, by=mara.caller)
    Upload.objects.update(store_id="")  # no address is alive any more
    sweep()
    # The bytes first, then the row that says whose they were.
    assert stored_keys(store) == []
    assert Upload.objects.exists()
    sweep()
    assert not Upload.objects.exists()
    assert not Container.objects.exists()
    assert Blob.objects.get().state == "gone"


def test_of_a_deleted_account_nothing_is_kept(mara: Person, store: ObjectStore) -> None:
    refused_push(wire(mara))
    Entity.objects.filter(name="mara").update(retired_at=timezone.now(), user=None)
    sweep()
    assert stored_keys(store) == []


@pytest.mark.rows_by_hand
def test_kept_bytes_are_found_by_an_index_among_very_many(mara: Person) -> None:
    refused_push(wire(mara))
    blob = Blob.objects.get()
    Blob.objects.bulk_create(
        Blob(
            digest=f"{number:064x}",
            size=1,
            state="condemned",
            key=f"blobs/{number}",
            kept_until=blob.kept_until,
        )
        for number in range(5000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE containers_blob")
    assert "Seq Scan" not in blobs.to_collect()[:200].explain()


# ── no way round a quota ──
def test_what_is_kept_of_an_entity_takes_as_much_as_its_quota_again_and_no_more(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    size = len(sif_bytes(seed=99))
    Entity.objects.filter(pk=mara.entity.pk).update(quota_bytes=2 * size)
    others = refused_push(wire(otto), seed=1, path="otto/tools/gcc")
    pushes = [refused_push(wire(mara), seed=seed) for seed in range(2, 7)]
    sweep()
    assert set(stored_keys(store)) == {others.key, pushes[-2].key, pushes[-1].key}


def test_bytes_that_are_more_than_was_announced_are_not_kept_beyond_the_quota(
    mara: Person, store: ObjectStore
) -> None:
    Entity.objects.filter(pk=mara.entity.pk).update(quota_bytes=len(CONTENT))
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    upload = client.begin_parts(image["id"], 1)["uploadID"]
    etag = put_part(upload, 1, CONTENT * 2)
    assert client.complete_parts(image["id"], upload, [etag]).status == 400
    sweep()
    assert stored_keys(store) == []


def test_second_copies_of_what_is_paid_for_are_no_way_round_it_either(
    mara: Person, store: ObjectStore
) -> None:
    Entity.objects.filter(pk=mara.entity.pk).update(quota_bytes=len(CONTENT))
    client = wire(mara)
    client.push(PATH, CONTENT)
    image = client.announce(PATH, CONTENT)
    for _ in range(3):
        upload = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
        etag = send(client.part_address(image["id"], upload, 1, CONTENT), CONTENT).etag
        assert client.complete_parts(image["id"], upload, [etag]).status == 200
        sweep()
    sweep()
    assert len(stored_keys(store)) == 2
