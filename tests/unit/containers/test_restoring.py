"""What is removed is there for nobody, and comes back as it was, or goes for good as was said."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from shub.accounts.callers import NOBODY
from shub.audit.models import Event
from shub.containers import (
    deletion,
    dropping,
    freezing,
    granting,
    ledger,
    namespaces,
    naming,
    refs,
    removal,
    restoring,
    search,
    tagging,
    usage,
)
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Image,
    PendingTag,
    RemovedImage,
    Role,
    Tag,
    TagMove,
)
from shub.errors import Conflict, Denied, NotFound, OverQuota, Unavailable
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_collection, make_container, make_person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
ONE, TWO = sif_bytes(seed=1), sif_bytes(seed=2)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def gcc(mara: Person) -> Container:
    """A container with two images and three tags."""
    wire(mara).push(PATH, ONE, "1.0", "old")
    wire(mara).push(PATH, TWO, "2.0")
    return found(PATH, mara)


def found(path: str, by: Person) -> Container:
    return namespaces.find_container(*path.split("/"), by=by.caller)


def image_of(content: bytes) -> Image:
    return Image.objects.select_related("blob", "container__collection__entity").get(
        digest=digest(content)
    )


def remove(content: bytes, by: Person, path: str = PATH) -> RemovedImage:
    """Remove the image; what is kept of it."""
    ref = refs.parse(f"{path}:sha256.{digest(content)}")
    removal.remove_image(ref, arch="", by=by.caller)
    return RemovedImage.objects.select_related("container__collection__entity").latest("id")


def expire(*models: Any) -> None:
    """Let the time pass that what was removed is kept."""
    for model in models or (RemovedImage, Container, Collection):
        model.objects.filter(removed_at__isnull=False).update(
            kept_until=timezone.now() - timedelta(seconds=1)
        )


def status(path: str, person: Person | None = None) -> int:
    return wire(person).get(f"/v1/imagefile/{path}").status


# ── images ──
def test_a_removed_image_comes_back_with_its_tags(mara: Person, gcc: Container) -> None:
    before = image_of(ONE)
    Image.objects.filter(pk=before.pk).update(download_count=7, description="the old one")
    before.refresh_from_db()
    removed = remove(ONE, mara)
    assert (removed.public_id, removed.tags) == (
        before.public_id,
        [["1.0", "amd64"], ["old", "amd64"]],
    )
    assert status(f"{PATH}:1.0") == 404
    assert (removed.removed_by, removed.kept_until > timezone.now()) == ("mara", True)
    sweep()

    done = restoring.restore_image(public_id=before.public_id, by=mara.caller)
    assert (done.tags, done.tags_taken) == ([("1.0", "amd64"), ("old", "amd64")], [])
    after = image_of(ONE)
    for field in (
        *("public_id", "digest", "blob", "description", "download_count", "created_at"),
        *("created_by", "arch", "signed", "fingerprints", "encrypted", "sif_id", "unread"),
    ):
        assert getattr(after, field) == getattr(before, field), field
    assert status(f"{PATH}:1.0") == 303
    assert not RemovedImage.objects.exists()
    moves = TagMove.objects.filter(name="1.0").order_by("id")
    assert [(bool(m.from_digest), bool(m.to_digest)) for m in moves] == [
        (False, True),
        (True, False),
        (False, True),
    ]
    assert Event.objects.get(action="image.restored").actor == "mara"
    with pytest.raises(NotFound):
        restoring.restore_image(public_id=before.public_id, by=mara.caller)


def test_a_tag_that_means_another_image_by_now_is_left_and_said(
    mara: Person, gcc: Container
) -> None:
    removed = remove(ONE, mara)
    other = image_of(TWO)
    tagging.set_tag(
        container_id=gcc.public_id, name="1.0", arch="", image_id=other.public_id, by=mara.caller
    )
    done = restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert (done.tags, done.tags_taken) == ([("old", "amd64")], [("1.0", "amd64")])
    assert Tag.objects.get(name="1.0").image == other


def test_a_frozen_name_gets_no_further_arch_by_restoring(mara: Person) -> None:
    client = wire(mara)
    arm = client.push(PATH, sif_bytes(arch="arm64"))
    client.push(PATH, ONE, "1.0")
    removed = remove(ONE, mara)
    client.tag(arm["container"], arm["id"], "1.0", arch="arm64")
    freezing.set_tag_frozen(found(PATH, mara), name="1.0", frozen=True, by=mara.caller)
    done = restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert done.tags_taken == [("1.0", "amd64")]


def test_where_an_equal_image_is_there_again_only_the_missing_tags_come_back(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    removed = remove(ONE, mara)
    again = wire(mara).push(PATH, ONE, "1.0")
    done = restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert done.image.public_id == again["id"] != removed.public_id
    assert (done.tags, done.tags_taken) == ([("1.0", "amd64"), ("old", "amd64")], [])
    assert not RemovedImage.objects.exists()
    sweep()
    assert len(stored_keys(store)) == 2
    assert status(f"{PATH}:old") == 303


def test_a_claim_that_is_under_way_has_the_bytes_by_restoring(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    removed = remove(ONE, mara)
    client = wire(mara)
    claim = client.announce(PATH, ONE)
    assert send(client.begin_single(claim["id"], ONE), ONE).status == 200
    client.complete_single(claim["id"])
    client.tag(claim["container"], claim["id"], "new")
    restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert image_of(ONE).public_id == claim["id"]
    for name in ("1.0", "new"):
        assert status(f"{PATH}:{name}") == 303
    sweep()
    assert len(stored_keys(store)) == 2
    assert not PendingTag.objects.exists()


def test_a_public_id_that_is_taken_is_not_taken_again(mara: Person, gcc: Container) -> None:
    removed = remove(ONE, mara)
    Image.objects.update(public_id=removed.public_id)
    done = restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert done.image.public_id != removed.public_id


def test_what_the_store_has_damaged_does_not_come_back(mara: Person, gcc: Container) -> None:
    removed = remove(ONE, mara)
    Blob.objects.filter(pk=removed.blob_id).update(state="damaged")
    with pytest.raises(Conflict, match="are damaged"):
        restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert Image.objects.count() == Tag.objects.count() == 1
    assert RemovedImage.objects.exists()


def test_into_a_frozen_container_nothing_comes_back(mara: Person, gcc: Container) -> None:
    removed = remove(ONE, mara)
    freezing.set_container_frozen(gcc, frozen=True, by=mara.caller)
    with pytest.raises(Conflict, match="is frozen"):
        restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert RemovedImage.objects.exists()


def test_a_removed_image_frees_the_quota_and_needs_room_to_come_back(
    mara: Person, gcc: Container
) -> None:
    mara.entity.quota_bytes = usage.stored_bytes(mara.entity)
    mara.entity.save()
    removed = remove(ONE, mara)
    assert usage.stored_bytes(mara.entity) == len(TWO)
    three = sif_bytes(seed=3)
    assert len(three) <= len(ONE)
    wire(mara).push(PATH, three, "3.0")
    with pytest.raises(OverQuota, match="what was removed has"):
        restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    mara.entity.quota_bytes = 0
    mara.entity.save()
    restoring.restore_image(public_id=removed.public_id, by=mara.caller)


def test_bytes_that_the_entity_has_anyway_need_no_room(mara: Person, gcc: Container) -> None:
    wire(mara).push("mara/tools/copy", ONE)
    removed = remove(ONE, mara)
    mara.entity.quota_bytes = usage.stored_bytes(mara.entity)
    mara.entity.save()
    restoring.restore_image(public_id=removed.public_id, by=mara.caller)


def test_a_claim_without_bytes_leaves_nothing_to_bring_back(mara: Person) -> None:
    wire(mara).announce(PATH, ONE)
    ref = refs.parse(f"{PATH}:sha256.{digest(ONE)}")
    removal.remove_image(ref, arch="", by=mara.caller)
    assert not RemovedImage.objects.exists()


def test_with_no_days_an_image_goes_at_once(
    mara: Person, gcc: Container, store: ObjectStore, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    ref = refs.parse(f"{PATH}:1.0")
    removal.remove_image(ref, arch="amd64", by=mara.caller)
    assert not RemovedImage.objects.exists()
    sweep()
    assert len(stored_keys(store)) == 1


# ── bytes ──
def test_bytes_stay_as_long_as_one_of_two_images_can_come_back(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    wire(mara).push("mara/tools/copy", ONE, "1.0")
    first = remove(ONE, mara)
    remove(ONE, mara, "mara/tools/copy")
    RemovedImage.objects.filter(pk=first.pk).update(kept_until=timezone.now())
    sweep()
    assert [each.container.name for each in RemovedImage.objects.all()] == ["copy"]
    assert len(stored_keys(store)) == 2
    kept = RemovedImage.objects.get()
    restoring.restore_image(public_id=kept.public_id, by=mara.caller)
    assert status("mara/tools/copy:1.0") == 303
    remove(ONE, mara, "mara/tools/copy")
    expire()
    sweep()
    assert len(stored_keys(store)) == 1
    assert sorted(Blob.objects.values_list("state", flat=True)) == ["gone", "proven"]


def test_what_is_past_its_time_does_not_come_back_though_no_sweep_has_dropped_it(
    mara: Person, gcc: Container
) -> None:
    removed = remove(ONE, mara)
    expire()
    with pytest.raises(NotFound):
        restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert restoring.removed_in(gcc, by=mara.caller) == []


def test_what_is_removed_for_good_cannot_come_back_and_its_bytes_go(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    removed = remove(ONE, mara)
    restoring.remove_for_good("image", removed.public_id, by=mara.caller)
    for act in (restoring.restore, restoring.remove_for_good):
        with pytest.raises(NotFound):
            act("image", removed.public_id, by=mara.caller)
    sweep()
    assert len(stored_keys(store)) == 1
    assert Event.objects.get(action="image.removed_for_good").actor == "mara"
    assert Event.objects.get(action="image.dropped").actor == ""


# ── containers and collections ──
def test_a_removed_container_is_there_for_nobody(
    mara: Person, otto: Person, administrator: Person, gcc: Container
) -> None:
    image = image_of(ONE)
    removal.remove_container(gcc, by=mara.caller)
    there_for_nobody(gcc, image, [mara, otto, administrator, make_auditor()])


def test_what_is_in_a_removed_collection_is_there_for_nobody(
    mara: Person, otto: Person, administrator: Person, gcc: Container
) -> None:
    image = image_of(ONE)
    granting.grant(place=gcc.collection, holder=otto.user, role=Role.OWNER, by=mara.caller)
    removal.remove_collection(gcc.collection, by=mara.caller)
    there_for_nobody(gcc, image, [mara, otto, administrator, make_auditor()])
    for person in (mara, otto):
        assert wire(person).get("/v1/collections/mara/tools").status == 404
    assert usage.stored_bytes(mara.entity) == 0


def there_for_nobody(gcc: Container, image: Image, people: list[Person]) -> None:
    for person in [None, *people]:
        client = wire(person)
        for address in (
            f"/v1/containers/{PATH}",
            f"/v1/images/{PATH}:1.0?arch=amd64",
            f"/v1/images/{PATH}:{image.hash}",
            f"/v1/images/{PATH}:sif.{image.sif_id}",
            f"/v1/imagefile/{PATH}:1.0",
            f"/v2/tags/{gcc.public_id}",
        ):
            assert client.get(address).status == 404, (person, address)
        found = client.get("/v1/search?value=gcc").data
        assert not found["container"]
        assert not found["image"]
    for person in people:
        client = wire(person)
        assert client.tag(gcc.public_id, image.public_id, "x").status == 403
        announced = {"hash": image.hash, "container": gcc.public_id}
        assert client.post("/v1/images", announced).status == 403
        assert client.post(f"/v2/imagefile/{image.public_id}", {"filesize": 1}).status == 403
        gone = client.call("DELETE", f"/v1/images/{PATH}:{image.hash}")
        assert gone.status in {403, 404}
        page = person.browser.get(f"/library/{PATH}")
        assert page.status_code == 404
    assert search.find("gcc", by=NOBODY).containers == []


def test_a_removed_container_comes_back_as_it_was(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    size = usage.stored_bytes(mara.entity)
    removal.remove_container(gcc, by=mara.caller)
    removal.remove_container(gcc, by=mara.caller)
    sweep()
    assert usage.stored_bytes(mara.entity) == 0
    assert len(stored_keys(store)) == 2
    back = restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    assert (back.pk, back.is_removed) == (gcc.pk, False)
    assert Tag.objects.count() == 3
    for name in ("1.0", "old", "2.0"):
        assert status(f"{PATH}:{name}") == 303
    assert usage.stored_bytes(mara.entity) == size
    assert Event.objects.filter(action__in=["container.removed", "container.restored"]).count() == 2


def test_a_removed_collection_comes_back_with_its_roles(
    mara: Person, otto: Person, gcc: Container
) -> None:
    tools = gcc.collection
    tools.visibility = "private"
    tools.save()
    granting.grant(place=tools, holder=otto.user, role=Role.READER, by=mara.caller)
    removal.remove_collection(tools, by=mara.caller)
    assert status(f"{PATH}:1.0", otto) == 404
    restoring.restore_collection(public_id=tools.public_id, by=mara.caller)
    assert status(f"{PATH}:1.0", otto) == 200
    assert status(f"{PATH}:1.0") == 404


def test_a_name_is_free_at_once_and_what_took_it_is_in_the_way(
    mara: Person, gcc: Container
) -> None:
    tools = gcc.collection
    removal.remove_container(gcc, by=mara.caller)
    again = wire(mara).push(PATH, TWO, "3.0")
    assert again["container"] != gcc.public_id
    assert status(f"{PATH}:3.0") == 303
    with pytest.raises(Conflict, match="is taken: another container"):
        restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    removal.remove_collection(tools, by=mara.caller)
    again = wire(mara).push(PATH, TWO, "3.0")
    for ref in ("3.0", again["hash"], f"sif.{Image.objects.get(public_id=again['id']).sif_id}"):
        assert wire().get(f"/v1/images/{PATH}:{ref}?arch=amd64").data["id"] == again["id"]
    assert wire(mara).get(f"/v1/containers/{PATH}").data["id"] == again["container"]
    with pytest.raises(Conflict, match="is taken: another collection"):
        restoring.restore_collection(public_id=tools.public_id, by=mara.caller)
    assert found(PATH, mara).tags.get().name == "3.0"
    assert Container.objects.filter(name="gcc").count() == 3


def test_a_container_does_not_come_back_into_a_removed_collection(
    mara: Person, gcc: Container
) -> None:
    image = remove(ONE, mara)
    removal.remove_container(gcc, by=mara.caller)
    with pytest.raises(NotFound):
        restoring.restore_image(public_id=image.public_id, by=mara.caller)
    with pytest.raises(Conflict, match="was removed too"):
        restoring.restore_image(public_id=image.public_id, by=None)
    removal.remove_collection(gcc.collection, by=mara.caller)
    with pytest.raises(NotFound):
        restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    with pytest.raises(Conflict, match="was removed too"):
        restoring.restore_container(public_id=gcc.public_id, by=None)
    restoring.restore_collection(public_id=gcc.collection.public_id, by=mara.caller)
    with pytest.raises(NotFound):
        found(PATH, mara)
    restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    restoring.restore_image(public_id=image.public_id, by=mara.caller)
    assert status(f"{PATH}:1.0") == 303


def test_a_place_comes_back_only_where_there_is_room(mara: Person, gcc: Container) -> None:
    mara.entity.quota_bytes = usage.stored_bytes(mara.entity)
    mara.entity.save()
    removal.remove_container(gcc, by=mara.caller)
    wire(mara).push("mara/tools/copy", ONE)
    restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    removal.remove_collection(gcc.collection, by=mara.caller)
    wire(mara).push("mara/more/copy", sif_bytes(seed=3))
    for kind, place in (("collection", gcc.collection),):
        with pytest.raises(OverQuota):
            restoring.restore(kind, place.public_id, by=mara.caller)


def test_what_is_frozen_is_not_removed_with_what_it_is_in(mara: Person, gcc: Container) -> None:
    freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=mara.caller)
    for act in removals(gcc):
        with pytest.raises(Conflict, match=r"The tag mara/tools/gcc:1\.0 is frozen"):
            act(mara)
    freezing.set_tag_frozen(gcc, name="1.0", frozen=False, by=mara.caller)
    freezing.set_container_frozen(gcc, frozen=True, by=mara.caller)
    for act in removals(gcc):
        with pytest.raises(Conflict, match=r"mara/tools/gcc is frozen"):
            act(mara)
    assert status(f"{PATH}:1.0") == 303


def removals(gcc: Container) -> list[Callable[[Person], object]]:
    return [
        lambda person: removal.remove_container(gcc, by=person.caller),
        lambda person: removal.remove_collection(gcc.collection, by=person.caller),
        lambda person: removal.foresee(gcc, by=person.caller),
        lambda person: removal.foresee(gcc.collection, by=person.caller),
    ]


def test_of_what_was_removed_nothing_becomes_frozen(mara: Person, gcc: Container) -> None:
    stale = found(PATH, mara)
    removal.remove_collection(gcc.collection, by=mara.caller)
    with pytest.raises(NotFound):
        freezing.set_container_frozen(stale, frozen=True, by=mara.caller)
    with pytest.raises(NotFound):
        freezing.set_tag_frozen(stale, name="1.0", frozen=True, by=mara.caller)


def test_maintainers_remove_containers_and_owners_collections(
    mara: Person, otto: Person, gcc: Container
) -> None:
    tools = gcc.collection
    for role, container, collection in (
        (Role.WRITER, False, False),
        (Role.MAINTAINER, True, False),
        (Role.OWNER, True, True),
    ):
        granting.grant(place=tools, holder=otto.user, role=role, by=mara.caller)
        for kind, allowed, act, place in (
            ("container", container, removal.remove_container, gcc),
            ("collection", collection, removal.remove_collection, tools),
        ):
            if not allowed:
                with pytest.raises(Denied, match="You may not remove"):
                    act(place, by=otto.caller)
                act(place, by=mara.caller)
                place.refresh_from_db()
                for refused in (restoring.restore, restoring.remove_for_good):
                    with pytest.raises(NotFound):
                        refused(kind, place.public_id, by=otto.caller)
                restoring.restore(kind, place.public_id, by=mara.caller)
            else:
                act(place, by=otto.caller)
                restoring.restore(kind, place.public_id, by=otto.caller)
            place.refresh_from_db()
    with pytest.raises(Denied, match="may not delete"):
        removal.remove_container(gcc, by=mara.client.__class__(mara.user, scoped(mara, "push")))


def scoped(person: Person, scope: str) -> Any:
    person.token.scopes = [scope]
    person.token.save()
    return person.token


def test_a_read_only_site_stops_all_of_it(
    mara: Person, administrator: Person, gcc: Container
) -> None:
    image = remove(TWO, mara)
    wire(mara).push("mara/tools/other", ONE, "1.0")
    other = found("mara/tools/other", mara)
    removal.remove_container(other, by=mara.caller)
    freezing.set_read_only("moving house", by=administrator.caller)
    for act in (
        *(partial(each, mara) for each in removals(gcc)),
        lambda: tagging.remove_tag(gcc, name="1.0", arch=None, by=mara.caller),
        lambda: restoring.restore_image(public_id=image.public_id, by=mara.caller),
        lambda: restoring.restore_container(public_id=other.public_id, by=mara.caller),
        lambda: restoring.restore_container(public_id=other.public_id, by=None),
        lambda: restoring.remove_for_good("image", image.public_id, by=mara.caller),
    ):
        with pytest.raises(Unavailable, match="moving house"):
            act()


# ── the end ──
def test_a_container_past_its_time_goes_with_all_that_was_in_it(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    remove(TWO, mara)
    moves = TagMove.objects.count()
    wire(mara).announce(PATH, sif_bytes(seed=9))
    removal.remove_container(gcc, by=mara.caller)
    sweep()
    assert len(stored_keys(store)) == 2
    # What was removed before goes with it, however long it would have been kept.
    expire(Container)
    settle_uploads()
    sweep()
    assert stored_keys(store) == []
    for model in (Container, Image, RemovedImage, Tag, Upload):
        assert not model.objects.exists(), model
    assert TagMove.objects.count() == moves + 2, "the history of tags is kept for ever"
    assert mara.entity.collections.count() == 1
    assert Event.objects.filter(action="image.dropped").count() == 3
    assert Event.objects.filter(action="container.dropped").count() == 1


def test_a_collection_past_its_time_goes_with_all_that_was_in_it(
    mara: Person, otto: Person, gcc: Container, store: ObjectStore
) -> None:
    wire(mara).push("mara/tools/other", ONE, "1.0")
    wire(otto).push("otto/tools/gcc", ONE, "1.0")
    removal.remove_container(found("mara/tools/other", mara), by=mara.caller)
    removal.remove_collection(gcc.collection, by=mara.caller)
    expire(Collection)
    settle_uploads()
    for _ in range(2):
        sweep()
    assert [str(each) for each in Container.objects.all()] == ["otto/tools/gcc"]
    assert not mara.entity.collections.exists()
    assert len(stored_keys(store)) == 1
    assert status("otto/tools/gcc:1.0") == 303


def settle_uploads() -> None:
    """As if it were long ago that they ended."""
    Upload.objects.update(active_at=timezone.now() - timedelta(days=3))


def test_an_upload_under_way_into_what_is_removed_is_refused_and_goes_with_it(
    mara: Person, gcc: Container, store: ObjectStore
) -> None:
    client, content = wire(mara), sif_bytes(seed=5)
    begun = client.announce(PATH, sif_bytes(seed=6))
    client.begin_single(begun["id"], sif_bytes(seed=6))
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    removal.remove_container(gcc, by=mara.caller)
    sweep()
    refused = Upload.objects.get(digest=digest(content))
    assert (refused.state, "may no longer push" in refused.reason) == ("refused", True)
    assert len(stored_keys(store)) == 2
    expire()
    sweep()
    assert Container.objects.filter(pk=gcc.pk).exists(), "the store may still have parts of it"
    assert set(Upload.objects.values_list("state", flat=True)) == {"done", "refused", "expired"}
    assert not Image.objects.exists()
    settle_uploads()
    sweep()
    assert not Container.objects.filter(pk=gcc.pk).exists()
    assert not Upload.objects.exists()
    assert stored_keys(store) == []


def test_with_no_days_a_container_goes_by_the_next_sweeps(
    mara: Person, gcc: Container, store: ObjectStore, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    assert removal.foresee(gcc, by=mara.caller).until is None
    removal.remove_container(gcc, by=mara.caller)
    with pytest.raises(NotFound):
        restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    settle_uploads()
    sweep()
    assert stored_keys(store) == []
    assert not Container.objects.exists()


def test_with_the_account_goes_what_was_removed_before_at_once(
    mara: Person, otto: Person, gcc: Container, store: ObjectStore
) -> None:
    remove(ONE, mara)
    wire(mara).push("mara/more/gcc", ONE, "1.0")
    more = found("mara/more/gcc", mara).collection
    removal.remove_container(gcc, by=mara.caller)
    removal.remove_collection(more, by=mara.caller)
    wire(otto).push("otto/tools/gcc", TWO, "1.0")
    summary = deletion.foresee(mara.user, by=mara.caller)
    (own,) = summary.entities
    assert (own.images, own.tags, own.containers, own.collections, own.removed) == (0, 0, 0, 1, 3)
    deletion.delete_account(mara.user, images=deletion.REMOVE, by=mara.caller)
    settle_uploads()
    for _ in range(2):
        sweep()
    assert not RemovedImage.objects.exists()
    assert [str(each.container) for each in Image.objects.all()] == ["otto/tools/gcc"]
    assert [str(each) for each in Container.objects.all()] == ["otto/tools/gcc"]
    assert len(stored_keys(store)) == 1


class Killed(BaseException):
    """As SIGKILL between two statements: nothing catches it, and the transaction is gone."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", range(0, 33, 3))
def test_a_sweep_that_is_killed_at_any_statement_is_gone_on_with(
    moment: int, store: ObjectStore
) -> None:
    mara = make_person("mara")
    wire(mara).push(PATH, ONE, "1.0", "old")
    wire(mara).push(PATH, TWO, "2.0")
    gcc = found(PATH, mara)
    remove(TWO, mara)
    removal.remove_collection(gcc.collection, by=mara.caller)
    expire()
    settle_uploads()
    written = 0

    def kill(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal written
        answer = execute(sql, params, many, context)
        if sql.startswith(("UPDATE", "DELETE", "INSERT")):
            written += 1
            if written > moment:
                raise Killed
        return answer

    with connection.execute_wrapper(kill), pytest.raises(Killed):
        sweep()
    for image in Image.objects.all():
        assert image.blob is not None
        assert image.blob.state == "proven"
    for removed in RemovedImage.objects.all():
        assert removed.blob.state == "proven"
    for _ in range(2):
        sweep()
    assert stored_keys(store) == []
    for model in (Container, Image, RemovedImage, Upload):
        assert not model.objects.exists(), model
    assert not mara.entity.collections.exists()
    assert set(Blob.objects.values_list("state", flat=True)) == {"gone"}
    assert Event.objects.filter(action="image.dropped").count() == 2


# ── at the same moment ──
@pytest.mark.django_db(transaction=True)
def test_restoring_and_sweeping_at_once_never_leave_an_image_without_its_bytes(
    store: ObjectStore,
) -> None:
    mara = make_person("mara")
    wire(mara).push(PATH, ONE, "1.0")
    for _ in range(6):
        removed = remove(ONE, mara)
        RemovedImage.objects.update(kept_until=timezone.now() + timedelta(milliseconds=15))
        came = outcomes(
            partial(restoring.restore_image, public_id=removed.public_id, by=mara.caller),
            *[dropping.drop_images] * 2,
        )
        assert set(came[1:]) == {"done"}
        dropping.drop_images()
        sweep()
        if came[0] == "done":
            assert image_of(ONE).is_proven
        else:
            expire()
            sweep()
            assert not Image.objects.filter(blob__isnull=False).exists()
            wire(mara).push(PATH, ONE, "1.0")
        assert status(f"{PATH}:1.0") == 303
        assert len(stored_keys(store)) == 1
        assert not RemovedImage.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_restoring_and_pushing_the_same_bytes_at_once_give_one_image(store: ObjectStore) -> None:
    mara = make_person("mara")
    wire(mara).push(PATH, ONE, "1.0")
    for _ in range(4):
        removed = remove(ONE, mara)
        came = outcomes(
            partial(restoring.restore_image, public_id=removed.public_id, by=mara.caller),
            lambda: wire(mara).push(PATH, ONE, "2.0"),
            sweep,
        )
        assert came == ["done"] * 3
        sweep()
        assert image_of(ONE).is_proven
        for name in ("1.0", "2.0"):
            assert status(f"{PATH}:{name}") == 303
        assert len(stored_keys(store)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_restore_at_once_one_does_and_the_other_finds_nothing(
    store: ObjectStore,
) -> None:
    mara = make_person("mara")
    wire(mara).push(PATH, ONE, "1.0")
    gcc = found(PATH, mara)
    removed = remove(ONE, mara)
    restore = partial(restoring.restore_image, public_id=removed.public_id, by=mara.caller)
    assert sorted(outcomes(restore, restore)) == ["NotFound", "done"]
    removal.remove_container(gcc, by=mara.caller)
    again = partial(restoring.restore_container, public_id=gcc.public_id, by=mara.caller)
    assert sorted(outcomes(again, again)) == ["NotFound", "done"]
    assert status(f"{PATH}:1.0") == 303


@pytest.mark.django_db(transaction=True)
def test_restoring_a_container_and_dropping_it_at_once_is_all_or_nothing(
    store: ObjectStore,
) -> None:
    mara = make_person("mara")
    for round_ in range(5):
        path = f"mara/tools/n{round_}"
        for content in (ONE, TWO):
            wire(mara).push(path, content, f"v{len(content)}", "latest")
        container = found(path, mara)
        removal.remove_container(container, by=mara.caller)
        Container.objects.filter(pk=container.pk).update(
            kept_until=timezone.now() + timedelta(milliseconds=15)
        )
        came = outcomes(
            partial(restoring.restore_container, public_id=container.public_id, by=mara.caller),
            *[dropping.drop_images] * 2,
        )
        dropping.drop_images()
        left = Image.objects.filter(container=container).count()
        assert left == (2 if came[0] == "done" else 0)
        if left:
            removal.remove_container(found(path, mara), by=mara.caller)


def test_what_is_brought_back_while_a_sweep_is_about_to_drop_it_stays(
    mara: Person, gcc: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    removal.remove_container(gcc, by=mara.caller)
    expire()
    lock = removal.locked

    def lock_too_late(*images: Image) -> list[Image]:
        Container.objects.update(removed_at=None, kept_until=None)
        ledger.forget_counts()
        return lock(*images)

    monkeypatch.setattr(removal, "locked", lock_too_late)
    # Nor is it said that anything was dropped.
    assert dropping.drop_images() == 0
    assert Image.objects.count() == 2
    assert status(f"{PATH}:1.0") == 303


def test_a_removed_image_stays_when_its_container_comes_back_while_it_is_about_to_go(
    mara: Person, gcc: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.objects.earliest("id")
    removal.remove_image(refs.parse(f"{PATH}:{image.hash}"), arch="", by=mara.caller)
    removal.remove_container(gcc, by=mara.caller)
    Container.objects.update(kept_until=timezone.now())
    lock = dropping._drop_removed

    def drop_too_late(found: Any) -> int:
        Container.objects.update(removed_at=None, kept_until=None)
        ledger.forget_counts()
        return lock(found)

    monkeypatch.setattr(dropping, "_drop_removed", drop_too_late)
    assert dropping.drop_images() == 0
    assert RemovedImage.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_removing_a_collection_and_freezing_in_it_at_once_never_does_both(
    store: ObjectStore,
) -> None:
    mara = make_person("mara")
    for number in range(6):
        collection = make_collection(mara.entity, f"c{number}", mara)
        container = make_container(collection, "gcc", mara)
        came = outcomes(
            partial(removal.remove_collection, collection, by=mara.caller),
            partial(freezing.set_container_frozen, container, frozen=True, by=mara.caller),
        )
        container.refresh_from_db()
        collection.refresh_from_db()
        assert came in (["Conflict", "done"], ["done", "NotFound"])
        assert container.is_frozen != collection.is_removed


# ── tags ──
def test_a_tag_is_removed_for_one_arch_or_for_all_and_the_images_stay(mara: Person) -> None:
    client = wire(mara)
    for arch in ("amd64", "arm64"):
        image = client.push(PATH, sif_bytes(arch=arch))
        client.tag(image["container"], image["id"], "1.0", arch=arch)
        client.tag(image["container"], image["id"], "2.0", arch=arch)
    gcc = found(PATH, mara)
    assert tagging.remove_tag(gcc, name="1.0", arch="arm64", by=mara.caller) == 1
    assert [tag.arch for tag in Tag.objects.filter(name="1.0")] == ["amd64"]
    assert tagging.remove_tag(gcc, name="2.0", arch=None, by=mara.caller) == 2
    assert not Tag.objects.filter(name="2.0").exists()
    assert Image.objects.count() == 2
    move = TagMove.objects.latest("id")
    assert (move.name, bool(move.from_digest), move.to_digest) == ("2.0", True, "")
    assert Event.objects.filter(action="tag.removed", actor="mara").count() == 3
    for arch in ("arm64", ""):
        with pytest.raises(NotFound, match="There is no tag"):
            tagging.remove_tag(gcc, name="1.0", arch=arch, by=mara.caller)


def test_a_removed_tag_waits_for_no_image_any_more(mara: Person, gcc: Container) -> None:
    client, content = wire(mara), sif_bytes(seed=5)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    assert client.tag(gcc.public_id, image["id"], "1.0").status == 200
    tagging.remove_tag(gcc, name="1.0", arch=None, by=mara.caller)
    sweep()
    assert not Tag.objects.filter(name="1.0").exists()


def test_a_frozen_tag_is_not_removed_and_a_writer_removes_none(
    mara: Person, otto: Person, gcc: Container
) -> None:
    granting.grant(place=gcc.collection, holder=otto.user, role=Role.WRITER, by=mara.caller)
    with pytest.raises(Denied):
        tagging.remove_tag(gcc, name="1.0", arch=None, by=otto.caller)
    freezing.set_tag_frozen(gcc, name="1.0", frozen=True, by=mara.caller)
    with pytest.raises(Conflict, match="is frozen"):
        tagging.remove_tag(gcc, name="1.0", arch=None, by=mara.caller)
    assert Tag.objects.count() == 3


# ── foreseeing and listing ──
def test_what_is_foreseen_is_what_goes(mara: Person, gcc: Container) -> None:
    wire(mara).push("mara/tools/copy", ONE, "copy")
    wire(mara).announce(PATH, sif_bytes(seed=8))
    one, two = len(ONE), len(TWO)
    image = removal.foresee(image_of_in(ONE, gcc), by=mara.caller)
    assert (image.containers, image.images, image.tags, image.size) == (0, 1, 2, 0)
    assert image.tag_names == ["1.0", "old"]
    container = removal.foresee(gcc, by=mara.caller)
    assert (container.containers, container.images, container.tags) == (0, 2, 3)
    assert container.size == two, "the others are of mara/tools/copy too"
    collection = removal.foresee(gcc.collection, by=mara.caller)
    assert (collection.containers, collection.images, collection.tags) == (2, 3, 4)
    assert collection.size == one + two
    assert collection.until is not None
    removal.remove_container(gcc, by=mara.caller)
    after = removal.foresee(gcc.collection, by=mara.caller)
    assert (after.containers, after.images, after.tags, after.size) == (1, 1, 1, one)


def image_of_in(content: bytes, container: Container) -> Image:
    return Image.objects.select_related("container__collection__entity").get(
        digest=digest(content), container=container
    )


def test_what_is_foreseen_tells_nothing_of_what_one_may_not_see(
    mara: Person, otto: Person, gcc: Container
) -> None:
    make_collection(otto.entity, "own", otto, visibility="private")
    wire(otto).push("otto/own/gcc", ONE, "secret")
    hidden = removal.foresee(gcc, by=mara.caller)
    assert hidden.size == len(ONE) + len(TWO)
    Collection.objects.filter(name="own").update(visibility="public")
    assert removal.foresee(gcc, by=mara.caller).size == len(TWO)
    with pytest.raises(Denied):
        removal.foresee(gcc, by=otto.caller)


def test_what_was_removed_is_listed_newest_first_to_who_may_bring_it_back(
    mara: Person, otto: Person, administrator: Person, gcc: Container
) -> None:
    remove(ONE, mara)
    wire(mara).push("mara/tools/other", TWO, "1.0")
    removal.remove_container(found("mara/tools/other", mara), by=mara.caller)
    wire(mara).push("mara/more/gcc", ONE)
    removal.remove_collection(found("mara/more/gcc", mara).collection, by=mara.caller)
    tools = gcc.collection

    def listed(place: Any, by: Any) -> list[str]:
        return [f"{each.kind} {each.name}" for each in restoring.removed_in(place, by=by)]

    image = f"image mara/tools/gcc:sha256.{digest(ONE)}"
    other, more = "container mara/tools/other", "collection mara/more"
    for by in (mara.caller, administrator.caller, None):
        assert listed(mara.entity, by) == [more, other, image]
        assert listed(tools, by) == [other, image]
        assert listed(gcc, by) == [image]
    assert listed(None, None) == [more, other, image]
    for nobody in (NOBODY, otto.caller, make_auditor().caller):
        for place in (None, mara.entity, tools, gcc):
            assert listed(place, nobody) == []
    granting.grant(place=tools, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    assert listed(mara.entity, otto.caller) == [other, image]
    first = restoring.removed_in(gcc, by=mara.caller)[0]
    assert (first.tags, first.size, first.images) == (["1.0", "old"], len(ONE), 1)
    assert (first.removed_by, first.kept_until > timezone.now()) == ("mara", True)
    assert [each.images for each in restoring.removed_in(mara.entity, by=mara.caller)] == [1, 1, 1]
    removal.remove_collection(tools, by=mara.caller)
    assert listed(mara.entity, mara.caller) == ["collection mara/tools", more]


def test_who_may_not_bring_it_back_is_told_the_same_as_of_what_never_was(
    mara: Person, otto: Person, gcc: Container
) -> None:
    granting.grant(place=gcc.collection, holder=otto.user, role=Role.WRITER, by=mara.caller)
    image = remove(ONE, mara)
    removal.remove_container(gcc, by=mara.caller)
    for kind, public_id in (("image", image.public_id), ("container", gcc.public_id)):
        told = set()
        for asked in (public_id, "0" * 24):
            for act in (restoring.restore, restoring.remove_for_good):
                with pytest.raises(NotFound) as refusal:
                    act(kind, asked, by=otto.caller)
                told.add(refusal.value.message.replace(asked, "…"))
            with pytest.raises(NotFound):
                restoring.kind_of(asked, by=otto.caller)
        assert len(told) == 1
    assert restoring.kind_of(gcc.public_id, by=mara.caller) == "container"


# Many for queries; Postgres looks at each row's keys once more when the test ends, in one statement
# that has to be done within DATABASE_PATIENCE_SECONDS.
MANY = 1_000


def test_removing_much_takes_as_many_queries_as_removing_little(
    mara: Person, django_assert_max_num_queries: Any
) -> None:
    collection = make_collection(mara.entity, "much", mara)
    containers = Container.objects.bulk_create(
        Container(collection=collection, name=f"n{number}") for number in range(20)
    )
    images = Image.objects.bulk_create(
        Image(container=containers[number % 20], digest=f"{number:064x}", blob=blob)
        for number, blob in enumerate(
            Blob.objects.bulk_create(
                Blob(digest=f"{number:064x}", size=10, state="proven", key=f"k{number}")
                for number in range(MANY)
            )
        )
    )
    Tag.objects.bulk_create(
        Tag(container=image.container, name=f"t{number}", arch="amd64", image=image)
        for number, image in enumerate(images)
    )
    ledger.recount([mara.entity.pk])
    with django_assert_max_num_queries(12):
        foreseen = removal.foresee(collection, by=mara.caller)
    assert (foreseen.images, foreseen.tags, foreseen.size) == (MANY, MANY, 10 * MANY)
    with django_assert_max_num_queries(12):
        removal.remove_collection(collection, by=mara.caller)
    with django_assert_max_num_queries(12):
        (listed,) = restoring.removed_in(mara.entity, by=mara.caller)
    assert listed.images == MANY
    mara.entity.quota_bytes = foreseen.size
    mara.entity.save()
    with django_assert_max_num_queries(14):
        restoring.restore_collection(public_id=collection.public_id, by=mara.caller)


def test_the_list_takes_as_many_queries_for_much_as_for_little(
    mara: Person, gcc: Container, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        wire(mara).push(f"mara/tools/n{number}", ONE)
        removal.remove_container(found(f"mara/tools/n{number}", mara), by=mara.caller)
    with django_assert_max_num_queries(8):
        assert len(restoring.removed_in(mara.entity, by=mara.caller)) == 8
    assert len(restoring.removed_in(mara.entity, by=mara.caller, most=3)) == 3


def test_an_entity_that_is_renamed_keeps_what_was_removed(mara: Person, gcc: Container) -> None:
    removal.remove_container(gcc, by=mara.caller)
    naming.rename(mara.entity, to="genomics", by=mara.caller)
    restoring.restore_container(public_id=gcc.public_id, by=mara.caller)
    assert status("genomics/tools/gcc:1.0") == 303
