"""Every act locks in one order, so that no two wait for each other crosswise.

uploads, images, tags that wait, containers, the lock of a digest, blobs, usage of entities, usage
of the site. What an act locks again it has already, so the first time counts. Of several blobs each
locks those with the smaller keys first.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from threading import Event
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub.accounts.models import Entity
from shub.containers import blobs, damage, dropping, refs, removal, restoring, tagging
from shub.containers.models import Blob, Container, Image, PendingTag, RemovedImage
from shub.sif import UnreadableSIF
from shub.storage import ObjectStore
from shub.uploads import bringing_back, room, sweeps, verification
from shub.uploads.models import Upload
from tests.at_once import outcomes
from tests.damaging import blob_of
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
ONE, TWO = sif_bytes(seed=1), sif_bytes(seed=2)

ORDER = (
    ("uploads_upload",),
    ("containers_image", "containers_removedimage"),
    ("containers_pendingtag",),
    ("containers_container",),
    ("pg_advisory_xact_lock(hashtextextended",),
    ("containers_blob",),
    ("containers_entityusage",),
    ("containers_siteusage",),
)
PLACES = {name: place for place, names in enumerate(ORDER) for name in names}

# A row that is locked to be read, changed or deleted.
LOCKED = re.compile(
    r'^SELECT .*? FROM "?(\w+)"?\s.*FOR (?:NO KEY )?UPDATE|^UPDATE "?(\w+)"?|^DELETE FROM "?(\w+)"?'
    r"|(pg_advisory_xact_lock\(hashtextextended)",
    re.DOTALL | re.MULTILINE,
)


# Several blobs that are locked, or changed, by one statement.
SEVERAL_BLOBS = re.compile(
    r'^(SELECT|UPDATE) .*"containers_blob".* WHERE .*"containers_blob"\."id" IN \(([0-9, ]+)\)',
    re.DOTALL,
)
BY_KEY = re.compile(
    r'ORDER BY "containers_blob"\."id" ASC FOR UPDATE'
    r'|^SELECT "containers_blob"\."id" .* ORDER BY 1 ASC FOR UPDATE',
    re.DOTALL,
)


def several_blobs_locked(statements: list[str]) -> int:
    """How many statements locked several blobs; each by their keys, or after such a one."""
    count, locked = 0, set[str]()
    for sql in statements:
        found = SEVERAL_BLOBS.match(sql)
        keys = set(found[2].split(", ")) if found else set()
        if found and found[1] == "SELECT" and "FOR UPDATE" in sql:
            assert BY_KEY.search(sql), sql
            locked |= keys
        elif found and found[1] == "UPDATE" and len(keys) > 1:
            assert keys <= locked, sql
            count += 1
    return count


def first_locks(statements: list[str]) -> Iterator[list[str]]:
    """What each transaction locked, in order, each once."""
    depth, locks = 0, dict[str, None]()
    for sql in statements:
        depth += sql.startswith("SAVEPOINT") - sql.startswith("RELEASE SAVEPOINT")
        if found := LOCKED.search(sql):
            name = next(filter(None, found.groups()))
            if name in PLACES:
                locks[name] = None
        if not depth and locks:
            yield list(locks)
            locks = {}


@contextmanager
def locked_in_order() -> Iterator[list[list[str]]]:
    """Fails where what is done in the context does not keep the order; what it locked."""
    seen: list[list[str]] = []
    with CaptureQueriesContext(connection) as captured:
        yield seen
    statements = [query["sql"] for query in captured.captured_queries]
    several_blobs_locked(statements)
    seen += first_locks(statements)
    for locks in seen:
        for before, after in pairwise(locks):
            assert PLACES[before] <= PLACES[after], f"{after} after {before}: {locks}"


@pytest.fixture(autouse=True)
def _waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.CONDEMNED_KEEP_DAYS = 7


def arrive(person: Person, content: bytes, *tags: str) -> Image:
    """An image that waits to be verified, and tags that wait for it."""
    client = wire(person)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    assert client.complete_single(image["id"]).status == 200
    for tag in tags:
        assert client.tag(image["container"], image["id"], tag).status == 200
    return Image.objects.get(public_id=image["id"])


def gcc() -> Container:
    return Container.objects.select_related("collection__entity").get(name="gcc")


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_known(*_: Any) -> None:
        raise UnreadableSIF("It is no SIF image.")

    with monkeypatch.context() as changed:
        changed.setattr(verification, "read_facts", not_known)
        sweep()


def test_an_image_is_proven_and_its_tags_move(mara: Person) -> None:
    arrive(mara, ONE, "1.0")
    with locked_in_order() as seen:
        assert verification.verify_next()
    assert ["uploads_upload", "containers_image", "containers_pendingtag"] in [
        locks[:3] for locks in seen
    ]
    assert Image.objects.get().tags.exists()


def test_an_upload_is_refused(mara: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(mara, ONE, "1.0")
    with locked_in_order():
        refuse(monkeypatch)
    assert Upload.objects.get().state == "refused"


def test_a_refused_upload_is_verified_again(mara: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    arrive(mara, ONE, "1.0")
    refuse(monkeypatch)
    with locked_in_order():
        bringing_back.verify_again(public_id=Upload.objects.get().public_id, by=mara.caller)
    assert PendingTag.objects.exists()


def test_tags_are_set_beside_one_that_waits_for_another_image(mara: Person) -> None:
    wire(mara).push(PATH, TWO)
    waiting = arrive(mara, ONE, "1.0", "2.0")
    proven = Image.objects.exclude(pk=waiting.pk).get()
    by, container = mara.caller, gcc().public_id
    with locked_in_order():
        tagging.set_tag(
            container_id=container, name="1.0", arch="", image_id=proven.public_id, by=by
        )
    tags = {"2.0": proven.public_id, "3.0": waiting.public_id, "4.0": proven.public_id}
    with locked_in_order():
        tagging.set_tags(container_id=container, tags=tags, by=by)
    with locked_in_order():
        tagging.remove_tag(gcc(), name="2.0", arch=None, by=by)


@pytest.mark.django_db(transaction=True)
def test_two_that_set_a_name_which_waits_for_both_of_their_images_do_not_meet_crosswise(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [arrive(mara, content, "1.0") for content in (ONE, TWO)]
    container, by = gcc().public_id, mara.caller
    # Once more would hide it, and answers one of three as a conflict.
    monkeypatch.setattr(tagging, "in_transaction", once)
    for _ in range(10):
        PendingTag.objects.all().delete()
        PendingTag.objects.bulk_create(
            PendingTag(image=image, name="1.0", asked_by=mara.user) for image in images
        )
        words = [
            partial(
                tagging.set_tag,
                container_id=container,
                name="1.0",
                arch="",
                image_id=image.public_id,
                by=by,
            )
            for image in images
        ]
        assert outcomes(*words) == ["done", "done"]
        (waiting,) = PendingTag.objects.all()
        assert waiting.image in images


def once(act: Callable[[], None]) -> None:
    with transaction.atomic():
        act()


def test_an_image_is_linked(mara: Person) -> None:
    wire(mara).push("mara/tools/llvm", ONE)
    with locked_in_order() as seen:
        wire(mara).announce(PATH, ONE)
    assert any("containers_entityusage" in locks for locks in seen)
    assert Image.objects.filter(blob__isnull=False).count() == 2


@pytest.mark.parametrize("days", [0, 7])
def test_an_image_is_removed_brought_back_and_dropped(
    mara: Person, settings: Any, days: int
) -> None:
    wire(mara).push(PATH, ONE, "1.0")
    settings.REMOVED_KEEP_DAYS = days
    ref = refs.parse(f"{PATH}:1.0")
    with locked_in_order():
        removal.remove_image(ref, arch="", by=mara.caller)
    if not days:
        return
    with locked_in_order():
        restoring.restore_image(public_id=RemovedImage.objects.get().public_id, by=mara.caller)
    removal.remove_image(ref, arch="", by=mara.caller)
    restoring.remove_for_good("image", RemovedImage.objects.get().public_id, by=mara.caller)
    with locked_in_order():
        assert dropping.drop_images() == 1


def test_damaged_bytes_are_healed_by_those_that_come(mara: Person) -> None:
    wire(mara).push(PATH, ONE, "1.0")
    wire(mara).push("mara/tools/llvm", ONE)
    damaged = blob_of(ONE)
    assert damage.mark(damaged, "It is not what it was.")
    arrive(mara, ONE, "2.0")
    with locked_in_order():
        assert verification.verify_next()
    assert not Image.objects.filter(blob=damaged).exists()
    assert Blob.objects.get(pk=damaged.pk).state == "condemned"


def test_what_is_in_a_removed_container_is_dropped(mara: Person, settings: Any) -> None:
    wire(mara).push(PATH, ONE, "1.0")
    arrive(mara, TWO, "2.0")
    settings.REMOVED_KEEP_DAYS = 0
    removal.remove_container(gcc(), by=mara.caller)
    with locked_in_order() as seen:
        assert dropping.drop_images() == 2
    assert any("containers_pendingtag" in locks for locks in seen)


# ── several blobs ──
def kept(number: int, hours: int) -> Blob:
    """A blob whose keeping ends in so many hours."""
    return Blob.objects.create(
        digest=f"{number:064x}",
        size=10,
        state="condemned",
        key=f"blobs/{number}",
        kept_until=timezone.now() + timedelta(hours=hours),
    )


def kept_of(person: Person) -> list[Blob]:
    """Of what was refused of the person, that first whose time ends last."""
    container = wire(person).container(PATH)
    found = []
    for number in range(2):
        blob = kept(number, hours=9 - number)
        Upload.objects.create(
            container=Container.objects.get(public_id=container),
            kind="single",
            state="refused",
            reason="No.",
            digest=blob.digest,
            size=blob.size,
            part_bytes=blob.size,
            key=blob.key,
            blob=blob,
            created_by=person.user,
        )
        found.append(blob)
    return found


def end_for_room(person: Person) -> None:
    assert blobs.make_room(15)


def end_in_the_quota(person: Person) -> None:
    Entity.objects.filter(pk=person.entity.pk).update(quota_bytes=1)
    person.entity.refresh_from_db()
    room.keep_within_quota(person.entity)


def end_for_the_retired(person: Person) -> None:
    Entity.objects.filter(pk=person.entity.pk).update(retired_at=timezone.now(), user=None)
    bringing_back.end_for_the_retired()


def end_in_the_removed(person: Person) -> None:
    Container.objects.update(removed_at=timezone.now(), kept_until=timezone.now())
    sweeps.drop_removed()


ENDS = [end_for_room, end_in_the_quota, end_for_the_retired, end_in_the_removed]


@pytest.mark.rows_by_hand
@pytest.mark.parametrize("end", ENDS)
def test_the_keeping_of_several_ends_in_the_order_of_their_keys(
    mara: Person, end: Callable[[Person], None]
) -> None:
    kept_of(mara)
    with CaptureQueriesContext(connection) as captured:
        end(mara)
    assert several_blobs_locked([each["sql"] for each in captured]) == 1
    assert not Blob.objects.filter(blobs.KEPT).exists()


@pytest.mark.rows_by_hand
@pytest.mark.django_db(transaction=True)
def test_who_makes_room_and_who_collects_do_not_wait_for_each_other_crosswise() -> None:
    first, second = kept(1, hours=9), kept(2, hours=5)
    has_first = Event()

    def collect() -> None:
        with transaction.atomic():
            lock(first)
            has_first.set()
            until = monotonic() + 20
            while not somebody_waits() and monotonic() < until:
                sleep(0.01)
            lock(second)

    def make_room() -> None:
        assert has_first.wait(10)
        assert blobs.make_room(15)

    assert outcomes(collect, make_room) == ["done", "done"]
    assert not Blob.objects.filter(blobs.KEPT).exists()


def lock(blob: Blob) -> None:
    list(Blob.objects.select_for_update().filter(pk=blob.pk))


def somebody_waits() -> bool:
    """Whether a transaction waits for another's lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


@pytest.mark.rows_by_hand
def test_no_more_is_ended_than_there_has_to_be_and_that_of_the_oldest(mara: Person) -> None:
    found = [kept(number, hours=20 - number) for number in range(5)]
    assert blobs.make_room(15)
    ended = Blob.objects.exclude(blobs.KEPT).values_list("pk", flat=True)
    assert set(ended) == {found[4].pk, found[3].pk}
    # What is on its way out counts.
    assert blobs.make_room(20)
    assert Blob.objects.filter(blobs.KEPT).count() == 3
    assert blobs.make_room(21)
    assert Blob.objects.filter(blobs.KEPT).count() == 2
