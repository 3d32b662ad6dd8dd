"""Room is kept for an upload from its beginning to its end, whatever happens at the same moment."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub.accounts.models import Entity
from shub.audit.models import Event as TrailEvent
from shub.containers import (
    announcing,
    blobs,
    dropping,
    ledger,
    namespaces,
    refs,
    removal,
    restoring,
    usage,
)
from shub.containers.models import Blob, Charge, EntityUsage, Image, RemovedImage, SiteUsage
from shub.containers.models.image import FACTS
from shub.errors import Conflict, OverQuota, Unavailable
from shub.storage import ObjectStore
from shub.storage.s3 import S3Store
from shub.uploads import joining, multipart, reserving, room, sweeps, verification
from shub.uploads.models import Upload
from tests.at_once import outcomes
from tests.factories import Person, make_collection, make_container, make_person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, put_part, stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=1)
SIZE = len(CONTENT)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def give(person: Person, quota: int | None) -> None:
    Entity.objects.filter(user=person.user).update(quota_bytes=quota)


def begin(path: str, content: bytes, by: Person) -> Upload:
    image = wire(by).announce(path, content)
    return multipart.begin(
        image_id=image["id"], size=len(content), kind=Upload.Kind.SINGLE, by=by.client
    )


def sent(path: str, content: bytes, by: Person) -> Callable[[], object]:
    """All of it is in the store; the act that says so, and the upload is to be verified."""
    client = wire(by)
    image = client.announce(path, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    return lambda: multipart.complete_single(image_id=image["id"], by=by.client)


def paid(person: Person) -> tuple[int, int]:
    """What is stored and what is promised."""
    now = EntityUsage.objects.get(entity=person.entity)
    return now.stored_bytes, now.reserved_bytes


def of_the_site() -> tuple[int, int]:
    now = SiteUsage.objects.get()
    return now.stored_bytes, now.reserved_bytes


def remove(path: str, content: bytes, by: Person) -> None:
    ref = refs.parse(f"{path}:sha256.{digest(content)}")
    removal.remove_image(ref, arch="", by=by.caller)


# ── one after the other ──
def test_what_is_promised_becomes_stored_or_free(mara: Person) -> None:
    first, second = begin(PATH, CONTENT, mara), begin(PATH, sif_bytes(seed=2), mara)
    assert (paid(mara), of_the_site()) == ((0, 2 * SIZE), (0, 2 * SIZE))
    multipart.abort(image_id=second.announced_id, upload_id=second.public_id, by=mara.client)
    assert (paid(mara), of_the_site()) == ((0, SIZE), (0, SIZE))
    address = multipart.single_address(first, sha256="", asked_host="")
    assert send(address, CONTENT).status == 200
    multipart.complete_single(image_id=first.announced_id, by=mara.client)
    assert (paid(mara), of_the_site()) == ((0, SIZE), (SIZE, 0))
    sweep()
    assert (paid(mara), of_the_site()) == ((SIZE, 0), (SIZE, 0))


def test_refused_bytes_are_free_for_the_entity_at_once_and_for_the_site_when_they_are_gone(
    mara: Person, monkeypatch: Any
) -> None:
    client, script = wire(mara), b"#!/bin/sh\n" * 100
    image = client.announce(PATH, script)
    assert send(client.begin_single(image["id"], script), script).status == 200
    client.complete_single(image["id"])
    monkeypatch.setattr("shub.containers.blobs.collect", lambda blob: None)
    assert verification.verify_next()
    assert Upload.objects.get().state == "refused"
    assert (paid(mara), of_the_site()) == ((0, 0), (len(script), 0))
    monkeypatch.undo()
    sweep()
    assert of_the_site() == (0, 0)


def test_several_uploads_of_one_image_count_once_for_the_entity_and_each_for_the_site(
    mara: Person, settings: Any
) -> None:
    give(mara, SIZE)
    settings.SITE_QUOTA_BYTES = 2 * SIZE
    for path in (PATH, "mara/tools/copy"):
        begin(path, CONTENT, mara)
    assert (paid(mara), of_the_site()) == ((0, SIZE), (0, 2 * SIZE))
    with pytest.raises(OverQuota, match="This registry has no room for the"):
        begin("mara/tools/third", CONTENT, mara)
    assert Upload.objects.count() == 2


def test_the_largest_size_that_was_announced_counts(mara: Person) -> None:
    image = wire(mara).announce(PATH, CONTENT)["id"]
    small, large = (
        multipart.begin(image_id=image, size=size, kind=Upload.Kind.SINGLE, by=mara.client)
        for size in (10, 30)
    )
    assert paid(mara) == (0, 30)
    give(mara, 35)
    with pytest.raises(OverQuota):
        multipart.begin(image_id=image, size=36, kind=Upload.Kind.SINGLE, by=mara.client)
    multipart.abort(image_id=image, upload_id=large.public_id, by=mara.client)
    assert paid(mara) == (0, 10)
    multipart.abort(image_id=image, upload_id=small.public_id, by=mara.client)
    assert not Charge.objects.exists()


def test_more_bytes_than_were_announced_are_refused_and_paid_by_nobody(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    client.post(f"/v2/imagefile/{image['id']}", {"filesize": SIZE - 1})
    put_part(Upload.objects.get().public_id, 1, CONTENT)
    assert client.complete_single(image["id"]).status == 400
    assert (paid(mara), of_the_site()) == ((0, 0), (0, 0))
    sweep()
    assert (paid(mara), of_the_site()) == ((0, 0), (0, 0))


def test_only_the_last_of_the_images_that_share_bytes_frees_them(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT)
    wire(mara).push("mara/tools/copy", CONTENT)
    assert paid(mara) == (SIZE, 0)
    remove(PATH, CONTENT, mara)
    assert paid(mara) == (SIZE, 0)
    remove("mara/tools/copy", CONTENT, mara)
    assert paid(mara) == (0, 0)
    # They are kept for a while.
    assert of_the_site() == (SIZE, 0)


def test_bytes_that_two_entities_have_are_paid_by_each_and_stored_once(
    mara: Person, otto: Person
) -> None:
    wire(mara).push(PATH, CONTENT)
    wire(otto).push("otto/tools/gcc", CONTENT)
    assert (paid(mara), paid(otto)) == ((SIZE, 0), (SIZE, 0))
    assert of_the_site() == (SIZE, 0)


def test_a_removed_collection_frees_all_at_once_and_needs_its_room_to_come_back(
    mara: Person,
) -> None:
    wire(mara).push(PATH, CONTENT)
    wire(mara).push("mara/tools/copy", CONTENT)
    wire(mara).push("mara/tools/other", sif_bytes(seed=2))
    wire(mara).push("mara/kept/other", sif_bytes(seed=2))
    assert paid(mara) == (2 * SIZE, 0)
    tools = namespaces.find_collection("mara", "tools", by=mara.caller)
    removal.remove_collection(tools, by=mara.caller)
    assert paid(mara) == (SIZE, 0)
    give(mara, 2 * SIZE - 1)
    back = partial(restoring.restore_collection, public_id=tools.public_id, by=mara.caller)
    with pytest.raises(
        OverQuota, match=f"{SIZE} are used, and what was removed has {SIZE} besides"
    ):
        back()
    assert paid(mara) == (SIZE, 0)
    tools.refresh_from_db()
    assert tools.is_removed
    give(mara, 2 * SIZE)
    back()
    assert paid(mara) == (2 * SIZE, 0)


def test_what_is_promised_meanwhile_has_its_room_before_what_comes_back(mara: Person) -> None:
    wire(mara).push(PATH, CONTENT)
    remove(PATH, CONTENT, mara)
    give(mara, SIZE)
    begin("mara/tools/other", sif_bytes(seed=2), mara)
    removed = RemovedImage.objects.get()
    with pytest.raises(OverQuota, match=f"{SIZE} are promised to uploads under way"):
        restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert (paid(mara), Image.objects.filter(blob__isnull=False).exists()) == ((0, SIZE), False)


def test_uploads_that_expire_free_their_room_whosever_they_are(
    mara: Person, otto: Person, monkeypatch: Any
) -> None:
    def many(count: int) -> int:
        for number in range(count):
            begin(PATH, sif_bytes(seed=number), mara)
            begin("otto/tools/gcc", sif_bytes(seed=number), otto)
        Upload.objects.filter(state="open").update(active_at=timezone.now() - timedelta(days=30))
        kept = begin(PATH, sif_bytes(seed=99), mara)
        with CaptureQueriesContext(connection) as asked:
            assert sweeps.expire_idle() == 2 * count
        assert paid(mara), paid(otto) == ((0, SIZE), (0, 0))
        assert of_the_site() == (0, SIZE)
        multipart.abort(image_id=kept.announced_id, upload_id=kept.public_id, by=mara.client)
        return len(asked)

    assert many(2) == many(8)
    monkeypatch.setattr(reserving, "EXPIRED_AT_ONCE", 3)
    many(4)


def test_what_is_linked_needs_its_room_at_that_very_moment(
    mara: Person, otto: Person, monkeypatch: Any
) -> None:
    wire(mara).push(PATH, CONTENT)
    give(otto, SIZE - 1)
    assert usage.stored_bytes(otto.entity) == 0
    monkeypatch.setattr(usage, "has_room", lambda *_, **__: True)
    container = make_container(make_collection(otto.entity, "tools", otto), "gcc", otto)
    image = announcing.announce(
        container_id=container.public_id,
        hash_ref=f"sha256.{digest(CONTENT)}",
        description="",
        by=otto.client,
    )
    assert not image.is_proven
    row = Image.objects.get(pk=image.pk)
    assert row.blob_id is None
    # In memory, too, it has nothing of the image that it was to be linked to.
    for name in ("blob_id", *FACTS):
        assert getattr(image, name) == getattr(row, name)
    assert paid(otto) == (0, 0)


def test_the_sites_quota_counts_what_is_kept_after_a_removal(mara: Person, settings: Any) -> None:
    settings.SITE_QUOTA_BYTES = 2 * SIZE - 1
    wire(mara).push(PATH, CONTENT)
    remove(PATH, CONTENT, mara)
    client = wire(mara)
    other = sif_bytes(seed=2)
    image = client.announce(PATH, other)
    start = f"/v2/imagefile/{image['id']}"
    refused = client.post(start, {"filesize": SIZE})
    assert (refused.status, "This registry has no room" in refused.message) == (507, True)
    assert not Upload.objects.filter(state="open").exists()
    RemovedImage.objects.update(kept_until=timezone.now())
    sweep()
    assert of_the_site() == (0, 0)
    assert client.post(start, {"filesize": SIZE}).status == 200


def test_a_site_whose_quota_was_made_smaller_refuses_what_arrives(
    mara: Person, settings: Any
) -> None:
    complete = sent(PATH, CONTENT, mara)
    settings.SITE_QUOTA_BYTES = SIZE - 1
    with pytest.raises(OverQuota, match="This registry has no room"):
        complete()
    settings.SITE_QUOTA_BYTES = SIZE
    complete()
    sweep()
    assert paid(mara) == (SIZE, 0)


# ── what is killed on its way ──
class Killed(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("act", ["begin", "abort", "arrive", "prove", "refuse", "remove", "expire"])
def test_who_is_killed_before_the_commit_leaves_the_ledger_as_it_was(
    act: str, mara: Person, monkeypatch: Any
) -> None:
    wire(mara).push("mara/tools/other", sif_bytes(seed=2))
    complete = sent(PATH, CONTENT, mara)
    upload = Upload.objects.latest("id")
    if act in {"prove", "refuse"}:
        complete()
    if act == "refuse":
        monkeypatch.setattr(verification, "fault_since_sent", lambda upload: "It is not wanted.")
    if act == "expire":
        Upload.objects.filter(pk=upload.pk).update(active_at=timezone.now() - timedelta(days=30))
    acts: dict[str, Callable[[], object]] = {
        "begin": lambda: begin(PATH, sif_bytes(seed=3), mara),
        "abort": lambda: multipart.abort(
            image_id=upload.announced_id, upload_id=upload.public_id, by=mara.client
        ),
        "arrive": lambda: complete() if upload.state == "open" else sweeps.resume_joining(),
        "prove": verification.verify_next,
        "refuse": verification.verify_next,
        "remove": lambda: remove("mara/tools/other", sif_bytes(seed=2), mara),
        "expire": sweeps.expire_idle,
    }
    name = {"arrive": "change_site", "expire": "balance_each"}.get(act, "balance")
    real = getattr(ledger, name)

    def die(*args: Any, **options: Any) -> None:
        real(*args, **options)
        raise Killed

    before = (paid(mara), of_the_site(), sorted(Charge.objects.values_list()))
    monkeypatch.setattr(ledger, name, die)
    with pytest.raises(Killed):
        acts[act]()
    monkeypatch.setattr(ledger, name, real)
    assert (paid(mara), of_the_site(), sorted(Charge.objects.values_list())) == before
    upload.refresh_from_db()
    long_ago = timezone.now() - timedelta(days=30)
    Upload.objects.exclude(state="done").update(leased_until=None, active_at=long_ago)
    acts[act]()
    assert (paid(mara), of_the_site()) != before[:2]


# ── at the same moment ──
@pytest.mark.django_db(transaction=True)
def test_of_many_uploads_at_once_as_many_begin_as_there_is_room_for(store: ObjectStore) -> None:
    mara = make_person("mara")
    give(mara, 3 * SIZE + 1)
    wire(mara).container(PATH)
    images = [wire(mara).announce(PATH, sif_bytes(seed=seed)) for seed in range(8)]
    came = outcomes(
        *(
            partial(
                multipart.begin,
                image_id=image["id"],
                size=SIZE,
                kind=Upload.Kind.SINGLE,
                by=mara.client,
            )
            for image in images
        )
    )
    assert sorted(came) == ["OverQuota"] * 5 + ["done"] * 3
    assert (paid(mara), of_the_site()) == ((0, 3 * SIZE), (0, 3 * SIZE))
    assert (Upload.objects.count(), len(open_parts(store))) == (3, 3)


@pytest.mark.django_db(transaction=True)
def test_of_many_uploads_at_once_as_many_begin_as_the_site_has_room_for(
    settings: Any, store: ObjectStore
) -> None:
    people = [make_person(name) for name in ("mara", "otto", "ada", "bea", "cleo")]
    settings.SITE_QUOTA_BYTES = 2 * SIZE
    images = [wire(each).announce(f"{each.user}/tools/gcc", CONTENT) for each in people]
    came = outcomes(
        *(
            partial(
                multipart.begin,
                image_id=image["id"],
                size=SIZE,
                kind=Upload.Kind.SINGLE,
                by=each.client,
            )
            for image, each in zip(images, people, strict=True)
        )
    )
    assert sorted(came) == ["OverQuota"] * 3 + ["done"] * 2
    assert (of_the_site(), len(open_parts(store))) == ((0, 2 * SIZE), 2)


@pytest.mark.django_db(transaction=True)
def test_after_a_quota_was_made_smaller_those_that_are_proven_first_have_the_room(
    store: ObjectStore,
) -> None:
    mara = make_person("mara")
    for seed in range(5):
        sent(PATH, sif_bytes(seed=seed), mara)()
    give(mara, 2 * SIZE)
    came = outcomes(*[verification.verify_next] * 5)
    assert came == ["done"] * 5
    states = Upload.objects.values_list("state", flat=True)
    assert sorted(states) == ["done"] * 2 + ["refused"] * 3
    for refused in Upload.objects.filter(state="refused"):
        assert "was made smaller while this image was on its way" in refused.reason
        event = TrailEvent.objects.get(action="upload.refused", detail__push=refused.public_id)
        assert event.detail["reason"] == refused.reason
    assert paid(mara) == (2 * SIZE, 0)
    assert Image.objects.count() == 2
    sweep()
    assert (len(stored_keys(store)), of_the_site()) == (2, (2 * SIZE, 0))


def test_the_first_that_is_proven_has_the_room_though_more_is_promised_than_the_quota(
    mara: Person,
) -> None:
    for seed in range(3):
        sent(PATH, sif_bytes(seed=seed), mara)()
    give(mara, SIZE)
    for _ in range(3):
        assert verification.verify_next()
    states = Upload.objects.order_by("active_at").values_list("state", flat=True)
    assert list(states) == ["done", "refused", "refused"]


def test_bytes_that_are_paid_for_need_no_room_when_they_arrive_once_more(mara: Person) -> None:
    again = sent("mara/tools/copy", CONTENT, mara)
    sent(PATH, CONTENT, mara)()
    sweep()
    give(mara, SIZE)
    again()
    sweep()
    assert (Image.objects.filter(blob__state="proven").count(), paid(mara)) == (2, (SIZE, 0))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("store")
def test_the_same_bytes_pushed_at_once_are_paid_once_in_an_entity() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    acts = [
        sent(path, CONTENT, by)
        for path, by in ((PATH, mara), ("mara/tools/copy", mara), ("otto/tools/gcc", otto))
    ]
    assert outcomes(*acts) == ["done"] * 3
    assert outcomes(*[verification.verify_next] * 3) == ["done"] * 3
    sweep()
    assert (paid(mara), paid(otto), of_the_site()) == ((SIZE, 0), (SIZE, 0), (SIZE, 0))


def test_who_says_that_bytes_which_are_paid_for_have_more_than_they_have_needs_room_for_the_rest(
    mara: Person,
) -> None:
    give(mara, SIZE)
    image = wire(mara).push(PATH, CONTENT)["id"]
    for size in (SIZE + 1, 10**12):
        with pytest.raises(OverQuota):
            multipart.begin(image_id=image, size=size, kind=Upload.Kind.MULTIPART, by=mara.client)
    multipart.begin(image_id=image, size=SIZE, kind=Upload.Kind.MULTIPART, by=mara.client)
    assert Upload.objects.filter(state="open").count() == 1


def test_stored_bytes_are_paid_by_their_own_size_whatever_is_announced_of_them(
    mara: Person,
) -> None:
    image = wire(mara).push(PATH, CONTENT)["id"]
    for size in (1, 3 * SIZE):
        upload = multipart.begin(image_id=image, size=size, kind=Upload.Kind.SINGLE, by=mara.client)
        assert (paid(mara), of_the_site()) == ((SIZE, 0), (SIZE, size))
        multipart.abort(image_id=image, upload_id=upload.public_id, by=mara.client)
    assert (paid(mara), of_the_site()) == ((SIZE, 0), (SIZE, 0))


def test_what_was_promised_before_the_quota_was_made_smaller_is_not_begun_once_more(
    mara: Person, store: ObjectStore
) -> None:
    first = begin(PATH, CONTENT, mara)
    give(mara, SIZE - 1)
    with pytest.raises(OverQuota, match=f"quota of mara is {SIZE - 1} bytes"):
        begin(PATH, CONTENT, mara)
    assert list(Upload.objects.all()) == [first]
    assert len(open_parts(store)) == 1


def test_a_count_at_any_stage_of_an_upload_and_its_bytes_finds_the_ledger_right(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_right(entity: tuple[int, int], site: tuple[int, int]) -> bool:
        before = (paid(mara), of_the_site())
        return (list(ledger.drifts()), before) == ([], (entity, site))

    sent(PATH, CONTENT, mara)
    upload = Upload.objects.get()
    assert is_right((0, SIZE), (0, SIZE))
    assert joining.start_joining(upload, multipart.arrived_parts(upload))
    assert is_right((0, SIZE), (0, SIZE))
    joining.join(upload)
    assert upload.state == "verifying"
    assert is_right((0, SIZE), (SIZE, 0))
    verification.verify_next()
    assert is_right((SIZE, 0), (SIZE, 0))
    remove(PATH, CONTENT, mara)
    assert is_right((0, 0), (SIZE, 0))
    RemovedImage.objects.update(kept_until=timezone.now())
    dropping.drop_images()
    assert is_right((0, 0), (SIZE, 0))

    def refuse(*_: object) -> None:
        raise Unavailable("Not now.")

    with monkeypatch.context() as changed:
        changed.setattr(S3Store, "remove", refuse)
        with pytest.raises(Unavailable):
            blobs.collect_all(list(blobs.to_collect()))
    assert Blob.objects.get().state == "leaving"
    assert is_right((0, 0), (SIZE, 0))
    sweep()
    assert Blob.objects.get().state == "gone"
    assert is_right((0, 0), (0, 0))


def test_two_sweeps_that_remove_the_same_bytes_free_the_sites_room_once(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire(mara).push("mara/tools/other", sif_bytes(seed=2))
    wire(mara).push(PATH, CONTENT)
    remove(PATH, CONTENT, mara)
    RemovedImage.objects.update(kept_until=timezone.now())
    dropping.drop_images()
    (condemned,) = blobs.to_collect()
    real = S3Store.remove

    def and_so_does_another(store: S3Store, keys: Any) -> None:
        monkeypatch.setattr(S3Store, "remove", real)
        assert blobs.collect_all([condemned]) == 1
        real(store, keys)

    monkeypatch.setattr(S3Store, "remove", and_so_does_another)
    blobs.collect(condemned)
    condemned.refresh_from_db()
    assert (condemned.state, of_the_site()) == ("gone", (SIZE, 0))


def test_an_image_that_is_removed_while_an_upload_of_it_begins_leaves_nothing_in_the_store(
    mara: Person, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = wire(mara).announce(PATH, CONTENT)["id"]
    real = room.check_room

    def removed_meanwhile(size: int) -> None:
        real(size)
        Image.objects.all().delete()

    monkeypatch.setattr(room, "check_room", removed_meanwhile)
    with pytest.raises(Conflict, match="at the same moment"):
        multipart.begin(image_id=image, size=SIZE, kind=Upload.Kind.SINGLE, by=mara.client)
    assert open_parts(store) == []
    assert not Upload.objects.exists()
    assert not Charge.objects.exists()
