"""Stored bytes are read again; what is damaged is given to nobody, and healed by right bytes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Timer
from time import monotonic, sleep
from typing import Any

import pytest
from django.utils import timezone

from shub.audit.models import Event
from shub.containers import blobs, damage, dropping, fixity, refs, removal, restoring
from shub.containers.models import Blob, Image, RemovedImage
from shub.errors import Unavailable
from shub.storage import ObjectStore, object_store
from shub.uploads import sweeps, verification
from shub.uploads.models import Upload
from shub.uploads.sweeper import Sweeper
from tests.damaging import blob_of, flipped, overwrite, remove
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
ONE, TWO = sif_bytes(seed=1), sif_bytes(seed=2)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    monkeypatch.setattr(fixity, "LOOK_AGAIN_SECONDS", 0.0)


@pytest.fixture
def pushed(mara: Person) -> Blob:
    """The blob of an image with a tag, whose turn it is."""
    wire(mara).push(PATH, ONE, "1.0")
    return make_due(blob_of(ONE))


def make_due(blob: Blob, *, days: float = 80) -> Blob:
    Blob.objects.filter(pk=blob.pk).update(read_at=timezone.now() - timedelta(days=days))
    blob.refresh_from_db()
    return blob


def read_next(stopping: Callable[[], bool] = lambda: False) -> str:
    return fixity.read_next(stopping)


def state(blob: Blob) -> str:
    blob.refresh_from_db()
    return blob.state


def pull(person: Person, ref: str) -> Any:
    return wire(person).get(f"/v1/imagefile/{ref}?arch=amd64")


# ── whose turn ──
def test_what_is_proven_counts_as_read(mara: Person) -> None:
    wire(mara).push(PATH, ONE)
    read_at = blob_of(ONE).read_at
    assert read_at is not None
    assert timezone.now() - read_at < timedelta(minutes=1)
    assert read_next() == "none"


def test_right_bytes_are_read_and_that_is_written_down(pushed: Blob) -> None:
    assert read_next() == "right"
    assert state(pushed) == "proven"
    assert (pushed.read_at or timezone.now()) > timezone.now() - timedelta(minutes=1)
    assert (pushed.retry_at, pushed.failures) == (None, 0)
    assert read_next() == "none"


def test_the_turn_comes_when_three_quarters_of_the_period_have_passed(
    pushed: Blob, settings: Any
) -> None:
    make_due(pushed, days=67)
    assert read_next() == "none"
    settings.FIXITY_DAYS = 88
    assert read_next() == "right"


def test_who_was_never_read_since_is_as_old_as_its_row(pushed: Blob) -> None:
    Blob.objects.update(read_at=None, created_at=timezone.now() - timedelta(days=70))
    assert read_next() == "right"


def test_the_one_that_was_not_read_for_the_longest_is_read_first(
    mara: Person, pushed: Blob
) -> None:
    wire(mara).push(PATH, TWO)
    # The sweep of that push has read the other.
    make_due(pushed)
    older = make_due(blob_of(TWO), days=300)
    assert read_next() == "right"
    older.refresh_from_db()
    pushed.refresh_from_db()
    assert older.read_at is not None
    assert pushed.read_at is not None
    assert older.read_at > pushed.read_at


def test_where_it_is_off_nothing_is_read(pushed: Blob, settings: Any) -> None:
    settings.FIXITY_DAYS = 0
    assert read_next() == "none"
    assert not fixity.standing().is_behind


def test_what_one_reads_no_other_does_until_the_claim_has_ended(pushed: Blob) -> None:
    assert fixity.claim_next() == pushed
    assert fixity.claim_next() is None
    Blob.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert fixity.claim_next() == pushed


def test_a_reading_that_is_stopped_leaves_the_blob_to_the_next(pushed: Blob) -> None:
    assert read_next(lambda: True) == "stopped"
    assert state(pushed) == "proven"
    assert read_next() == "right"


def test_one_whose_claim_is_anothers_writes_nothing(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(pushed.key, flipped(ONE))
    monkeypatch.setattr(fixity, "RENEW_EVERY_SECONDS", -1)
    mine = fixity.claim_next()
    assert mine is not None
    later = timezone.now() + timedelta(hours=1)
    Blob.objects.update(retry_at=later)
    assert fixity.read(mine, lambda: False) == "stopped"
    assert state(pushed) == "proven"
    assert pushed.retry_at == later


def test_what_is_removed_while_it_is_read_is_not_marked_and_its_bytes_go(
    mara: Person, pushed: Blob, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    overwrite(pushed.key, flipped(ONE))
    mine = fixity.claim_next()
    assert mine is not None
    removal.remove_image(refs.parse(f"{PATH}:1.0"), arch="", by=mara.caller)
    dropping.drop_images()
    assert state(pushed) == "condemned"
    fixity.read(mine, lambda: False)
    assert (state(pushed), pushed.damaged_at) == ("condemned", None)
    assert not Event.objects.filter(action="image.damaged").exists()
    sweep()
    assert state(pushed) == "gone"
    assert stored_keys(object_store()) == []


def test_the_sweep_reads_what_is_due(pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    sweep()
    assert state(pushed) == "damaged"


# ── found ──
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda key: overwrite(key, flipped(ONE)), "have the SHA-256"),
        (lambda key: overwrite(key, ONE[:-1]), "were proven"),
        (lambda key: overwrite(key, ONE + b"more"), "were proven"),
        (remove, "does not have the object"),
    ],
    ids=["flipped", "short", "long", "missing"],
)
def test_damage_is_found_and_said(
    pushed: Blob, spoil: Callable[[str], None], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil(pushed.key)
    assert read_next() == "damaged"
    assert state(pushed) == "damaged"
    assert words in pushed.damage
    assert pushed.damaged_at is not None
    assert [each.levelname for each in caplog.records if "are damaged" in each.message] == ["ERROR"]
    event = Event.objects.get(action="image.damaged")
    assert (event.name, event.actor) == (f"{PATH}:sha256.{digest(ONE)}", "")


def test_a_reading_that_was_bad_once_is_no_damage(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = fixity.read_and_hash, []

    def bad_once(key: str, **named: Any) -> Any:
        calls.append(key)
        if len(calls) == 1:
            overwrite(key, flipped(ONE))
            found = real(key, **named)
            overwrite(key, ONE)
            return found
        return real(key, **named)

    monkeypatch.setattr(fixity, "read_and_hash", bad_once)
    assert read_next() == "right"
    assert len(calls) == 2
    assert state(pushed) == "proven"


@dataclass
class Faulty:
    """What reading goes through: the store breaks off one object, or is away altogether."""

    monkeypatch: pytest.MonkeyPatch

    def break_off(self, only: str) -> None:
        real = fixity.read_and_hash

        def read(key: str, **named: Any) -> Any:
            if key == only:
                raise Unavailable("The store broke off.")
            return real(key, **named)

        self.monkeypatch.setattr(fixity, "read_and_hash", read)

    def go_away(self) -> None:
        def away(*words: Any, **named: Any) -> Any:
            raise Unavailable("The store is away.")

        self.monkeypatch.setattr(fixity, "read_and_hash", away)
        self.monkeypatch.setattr(fixity, "object_store", away)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Faulty:
    return Faulty(monkeypatch)


def fail_often(blob: Blob) -> None:
    for _ in range(fixity.UNREADABLE_AFTER + 3):
        Blob.objects.filter(pk=blob.pk).update(retry_at=None)
        read_next()


def test_a_store_that_is_away_damages_nothing(mara: Person, pushed: Blob, faulty: Faulty) -> None:
    wire(mara).push(PATH, TWO)
    make_due(pushed)
    faulty.go_away()
    assert read_next() == "unreadable"
    pushed.refresh_from_db()
    assert (pushed.state, pushed.failures, pushed.trouble) == ("proven", 1, "The store is away.")
    assert read_next() == "none"  # it is put off
    fail_often(pushed)
    assert state(pushed) == "proven"
    assert fixity.standing().unreadable == 1


def test_an_object_that_the_store_cannot_give_is_damaged_where_it_gives_others(
    mara: Person, pushed: Blob, faulty: Faulty
) -> None:
    faulty.break_off(pushed.key)
    fail_often(pushed)
    assert state(pushed) == "proven"  # no other was read lately: it may be the store
    assert pushed.failures > fixity.UNREADABLE_AFTER
    wire(mara).push(PATH, TWO)
    fail_often(pushed)
    assert state(pushed) == "damaged"
    assert "cannot give it" in pushed.damage


def test_an_object_that_the_store_breaks_off_a_few_times_is_not_damaged_yet(
    mara: Person, pushed: Blob, faulty: Faulty
) -> None:
    wire(mara).push(PATH, TWO)
    make_due(pushed)
    faulty.break_off(pushed.key)
    for _ in range(fixity.UNREADABLE_AFTER - 1):
        Blob.objects.filter(pk=pushed.pk).update(retry_at=None)
        assert read_next() == "unreadable"
    assert state(pushed) == "proven"
    Blob.objects.filter(pk=pushed.pk).update(retry_at=None)
    assert read_next() == "damaged"


def test_where_no_other_was_read_lately_it_may_be_the_store_that_breaks_off(
    mara: Person, pushed: Blob, faulty: Faulty
) -> None:
    wire(mara).push(PATH, TWO)
    make_due(pushed)
    make_due(blob_of(TWO), days=1)
    faulty.break_off(pushed.key)
    fail_often(pushed)
    assert state(pushed) == "proven"


def test_a_store_that_has_other_things_under_its_keys_is_not_ours_either(
    mara: Person, pushed: Blob
) -> None:
    wire(mara).push(PATH, TWO)
    make_due(pushed)
    remove(pushed.key)
    overwrite(blob_of(TWO).key, b"another disk's")
    assert read_next() == "unreadable"
    assert state(pushed) == "proven"


def test_what_breaks_off_again_and_again_is_not_read_slowly_before_it_counts_as_damaged(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []

    def read(key: str, *, bytes_per_second: int, **named: Any) -> Any:
        rates.append(bytes_per_second)
        raise Unavailable("The store broke off.")

    monkeypatch.setattr(fixity, "read_and_hash", read)
    fail_often(pushed)
    assert rates[0] == 50 * fixity.MIB
    assert rates[fixity.UNHURRIED_TRIES : fixity.UNREADABLE_AFTER] == [0] * 4


def test_a_store_that_has_lost_everything_is_not_ours_and_damages_nothing(
    mara: Person, pushed: Blob
) -> None:
    wire(mara).push(PATH, TWO, "2.0")
    make_due(pushed)
    other = make_due(blob_of(TWO), days=79)
    for blob in (pushed, other):
        remove(blob.key)
    assert [read_next(), read_next()] == ["unreadable", "unreadable"]
    assert (state(pushed), state(other)) == ("proven", "proven")
    assert "none of the objects" in pushed.trouble
    fail_often(pushed)
    assert state(pushed) == "proven"
    # The disk is mounted again, without one of them.
    overwrite(other.key, TWO)
    Blob.objects.filter(pk=pushed.pk).update(retry_at=None)
    assert read_next() == "damaged"
    assert (state(pushed), state(other)) == ("damaged", "proven")


def test_a_sweep_that_is_told_to_end_stops_reading_within_a_second(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(key: str, *, after_each: Callable[[int], None], **named: Any) -> Any:
        while True:
            after_each(0)
            sleep(0.02)

    monkeypatch.setattr(fixity, "read_and_hash", endless)
    sweeper = Sweeper()
    told = Timer(0.3, sweeper.stop)
    told.start()
    begun = monotonic()
    sweeper._reread()
    assert 0.25 < monotonic() - begun < 1
    # And another sweep may begin with it at once.
    assert fixity.claim_next() == pushed


def test_a_tag_for_a_damaged_image_is_refused_with_the_reason(mara: Person, pushed: Blob) -> None:
    remove(pushed.key)
    read_next()
    image = wire(mara).announce(PATH, ONE)
    answer = wire(mara).tag(image["container"], image["id"], "2.0")
    assert answer.status == 409
    assert "are damaged" in answer.message


# ── not served ──
def test_a_damaged_image_is_refused_at_every_door_and_shown_with_words(
    mara: Person, otto: Person, pushed: Blob, settings: Any
) -> None:
    settings.DEFAULT_PRIVATE = False
    overwrite(pushed.key, flipped(ONE))
    read_next()
    hash_ref = f"{PATH}:sha256.{digest(ONE)}"
    for ref in (f"{PATH}:1.0", hash_ref):
        for person in (mara, otto):
            answer = pull(person, ref)
            assert answer.status == 503
            assert "are damaged" in answer.message
            assert wire(person).call("HEAD", f"/v1/imagefile/{ref}").status == 503
            image = wire(person).get(f"/v1/images/{ref}?arch=amd64")
            assert (image.status, image.data["uploaded"]) == (200, False)
    settings.STREAM_ALWAYS = True
    assert pull(otto, hash_ref).status == 503
    settings.NGINX_STORE_LOCATION = "/-/store/"
    assert pull(otto, hash_ref).status == 503
    old_door = otto.browser.get(f"/api/container/{PATH}:1.0")
    assert old_door.status_code in {404, 503}
    page = f"/library/{PATH}/-/images/sha256.{digest(ONE)}"
    assert otto.browser.get(f"{page}/download").status_code == 503
    for address in (page, f"/library/{PATH}", f"/library/{PATH}/-/images"):
        assert b"damaged" in otto.browser.get(address).content
    assert b"damaged" in otto.browser.get(f"/library/{PATH}/-/tags/1.0").content


def test_others_are_not_linked_to_damaged_bytes(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    image = wire(mara).announce("mara/tools/copy", ONE)
    assert image["uploaded"] is False
    assert Image.objects.get(public_id=image["id"]).blob is None


# ── healed ──
def test_a_push_of_the_same_image_mends_it_with_its_tags(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    wire(mara).push(PATH, ONE)
    assert pull(mara, f"{PATH}:1.0").status == 303
    image = Image.objects.select_related("blob").get()
    assert image.blob is not None
    assert (image.blob.state, image.blob.pk == pushed.pk) == ("proven", False)
    sweep()
    assert state(pushed) == "gone"
    assert stored_keys(object_store()) == [image.blob.key]


def test_a_push_elsewhere_mends_all_that_share_the_bytes_and_says_nothing_of_them(
    mara: Person, otto: Person, pushed: Blob
) -> None:
    wire(mara).push("mara/other/copy", ONE, "copied")
    wire(mara).push("mara/third/copy", ONE, "removed")
    ref = refs.parse(f"mara/third/copy:sha256.{digest(ONE)}")
    removal.remove_image(ref, arch="", by=mara.caller)
    private = Image.objects.filter(container__collection__name="tools").get()
    private.container.collection.visibility = "private"
    private.container.collection.save()
    overwrite(pushed.key, flipped(ONE))
    read_next()

    said = wire(otto).push("otto/mine/gcc", ONE, "mine")
    assert "mara" not in str(said)
    assert state(pushed) in {"condemned", "gone"}
    kept = Blob.objects.get(state="proven")
    assert set(Image.objects.values_list("blob", flat=True)) == {kept.pk}
    assert set(RemovedImage.objects.values_list("blob", flat=True)) == {kept.pk}
    assert pull(mara, f"{PATH}:1.0").status == 303
    assert pull(mara, "mara/other/copy:copied").status == 303
    removed = RemovedImage.objects.get()
    restoring.restore_image(public_id=removed.public_id, by=mara.caller)
    assert pull(mara, "mara/third/copy:removed").status == 303
    healed = Event.objects.filter(action="image.healed")
    assert {event.entity for event in healed} == {mara.entity.public_id}
    assert {event.actor for event in healed} == {""}


def test_a_tag_that_waits_for_a_damaged_image_moves_when_another_push_mends_it(
    mara: Person, otto: Person, pushed: Blob
) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    client = wire(mara)
    image = client.announce(PATH, ONE)
    assert send(client.begin_single(image["id"], ONE), ONE).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert client.tag(image["container"], image["id"], "2.0").status == 200
    assert pull(mara, f"{PATH}:2.0").status != 303
    # Another sweep has just begun with hers.
    ahead = timezone.now() + timedelta(hours=1)
    Upload.objects.filter(state="verifying").update(lease="another's", leased_until=ahead)
    wire(otto).push("otto/mine/gcc", ONE)
    assert Upload.objects.filter(state="verifying").count() == 1
    assert pull(mara, f"{PATH}:2.0").status == 303


def test_a_push_mends_with_its_verdict_and_waits_for_no_sweep(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    client = wire(mara)
    image = client.announce("mara/other/copy", ONE)
    assert send(client.begin_single(image["id"], ONE), ONE).status == 200
    assert client.complete_single(image["id"]).status == 200
    assert verification.verify_next()
    assert pull(mara, f"{PATH}:1.0").status == 303


def test_a_push_of_other_bytes_mends_nothing(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    client = wire(mara)
    image = client.announce(PATH, ONE)
    address = client.begin_parts(image["id"], len(ONE))
    part = client.part_address(image["id"], address["uploadID"], 1, flipped(ONE))

    sent = send(part, flipped(ONE))
    client.complete_parts(image["id"], address["uploadID"], [sent.headers["etag"].strip('"')])
    sweep()
    assert Upload.objects.latest("id").state == "refused"
    assert state(pushed) == "damaged"
    assert Image.objects.get().blob == pushed
    assert pull(mara, f"{PATH}:1.0").status == 503


@pytest.mark.rows_by_hand
def test_a_duplicate_that_was_about_to_go_heals_at_once(mara: Person, pushed: Blob) -> None:
    spare = duplicate(pushed, ONE, "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    assert read_next() == "healed"
    assert (state(spare), state(pushed)) == ("proven", "condemned")
    assert (spare.read_at or pushed.created_at) > pushed.created_at  # it need not be read soon
    assert pull(mara, f"{PATH}:1.0").status == 303


@pytest.mark.rows_by_hand
def test_a_duplicate_that_is_damaged_itself_or_leaving_heals_nothing(pushed: Blob) -> None:
    wrong = duplicate(pushed, flipped(ONE), "1" * 24)
    leaving = duplicate(pushed, ONE, "2" * 24)
    Blob.objects.filter(pk=leaving.pk).update(state="leaving")
    overwrite(pushed.key, flipped(ONE))
    assert read_next() == "damaged"
    assert (state(wrong), state(leaving)) == ("condemned", "leaving")


@pytest.mark.rows_by_hand
def test_a_thousand_claims_of_a_damaged_digest_are_not_all_read_and_hide_no_right_copy(
    mara: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = duplicate(pushed, ONE, "1" * 24)
    Blob.objects.filter(pk=right.pk).update(read_at=timezone.now())
    claims = [duplicate(pushed, flipped(ONE), f"{number:024x}") for number in range(20, 30)]
    overwrite(pushed.key, flipped(ONE))
    reading: list[str] = []
    real = damage.read_and_hash

    def read(key: str, **named: Any) -> Any:
        reading.append(key)
        return real(key, **named)

    monkeypatch.setattr(damage, "read_and_hash", read)
    assert read_next() == "healed"
    assert reading == [right.key]
    assert {state(claim) for claim in claims} == {"condemned"}
    # With no right one among them.
    Blob.objects.filter(pk=right.pk).update(damaged_at=None)
    overwrite(right.key, flipped(ONE))
    reading.clear()
    make_due(right)
    Blob.objects.filter(pk=pushed.pk).update(size=1)
    assert read_next() == "damaged"
    assert len(reading) <= blobs.MOST_SPARES


@pytest.mark.rows_by_hand
def test_who_heals_by_a_duplicate_keeps_its_claim_and_the_pace(
    mara: Person, pushed: Blob, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIXITY_MIB_PER_SECOND = 200
    duplicate(pushed, ONE, "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    monkeypatch.setattr(fixity, "RENEW_EVERY_SECONDS", 0)
    claims: list[Any] = []

    def read(key: str, *, after_each: Any, bytes_per_second: int) -> Any:
        assert bytes_per_second == 200 * 1024**2
        pushed.refresh_from_db()
        claims.append(pushed.retry_at)
        # A second sweep finds nothing to do, and the next reads none of it a second time.
        assert read_next() == "none"
        found = real(key, after_each=after_each, bytes_per_second=bytes_per_second)
        pushed.refresh_from_db()
        claims.append(pushed.retry_at)
        return found

    real = damage.read_and_hash
    monkeypatch.setattr(damage, "read_and_hash", read)
    assert read_next() == "healed"
    before, after = claims
    assert timezone.now() < before < after


@pytest.mark.rows_by_hand
def test_a_healing_that_is_stopped_is_gone_on_with_at_once(
    mara: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = duplicate(pushed, ONE, "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    real, reading = damage.read_and_hash, []

    def read(key: str, **named: Any) -> Any:
        reading.append(key)
        return real(key, **named)

    monkeypatch.setattr(damage, "read_and_hash", read)
    assert read_next(lambda: bool(reading)) == "stopped"
    assert (state(pushed), state(spare)) == ("damaged", "condemned")
    assert read_next() == "healed"
    assert (reading, state(spare)) == ([spare.key] * 2, "proven")


@pytest.mark.rows_by_hand
def test_who_heals_and_finds_its_claim_anothers_stops(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = duplicate(pushed, ONE, "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    monkeypatch.setattr(fixity, "RENEW_EVERY_SECONDS", 0)
    real = damage.read_and_hash
    anothers = timezone.now() + timedelta(minutes=5)

    def read(key: str, **named: Any) -> Any:
        Blob.objects.filter(pk=pushed.pk).update(retry_at=anothers)
        return real(key, **named)

    monkeypatch.setattr(damage, "read_and_hash", read)
    assert read_next() == "stopped"
    assert (state(pushed), pushed.retry_at, state(spare)) == ("damaged", anothers, "condemned")


@pytest.mark.rows_by_hand
def test_a_copy_whose_time_ends_while_it_is_read_to_heal_by_stays_until_it_is_read(
    mara: Person, pushed: Blob, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spare = duplicate(pushed, ONE, "1" * 24)
    Blob.objects.filter(pk=spare.pk).update(kept_until=timezone.now())
    overwrite(pushed.key, flipped(ONE))
    monkeypatch.setattr(damage, "HOLD_EVERY_SECONDS", 0)
    real = damage.read_and_hash

    def read(key: str, *, after_each: Any, **named: Any) -> Any:
        assert sweeps.collect_condemned() == 0
        # Held a second time while it is read.
        Blob.objects.filter(pk=spare.pk).update(kept_until=timezone.now())
        found = real(key, after_each=after_each, **named)
        assert sweeps.collect_condemned() == 0
        return found

    monkeypatch.setattr(damage, "read_and_hash", read)
    assert read_next() == "healed"
    assert (state(spare), pull(mara, f"{PATH}:1.0").status) == ("proven", 303)
    assert spare.key in stored_keys(store)


@pytest.mark.rows_by_hand
def test_a_copy_that_was_read_in_vain_goes_soon_after(pushed: Blob) -> None:
    wrong = duplicate(pushed, flipped(ONE), "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    assert read_next() == "damaged"
    wrong.refresh_from_db()
    assert wrong.kept_until is not None
    assert wrong.kept_until < timezone.now() + damage.HELD + timedelta(seconds=1)


@pytest.mark.rows_by_hand
def test_a_copy_that_cannot_be_taken_back_hides_no_other(mara: Person, pushed: Blob) -> None:
    right = duplicate(pushed, ONE, "1" * 24)
    once_damaged = duplicate(pushed, ONE, "2" * 24)
    Blob.objects.filter(pk=once_damaged.pk).update(
        damaged_at=timezone.now(), read_at=timezone.now()
    )
    overwrite(pushed.key, flipped(ONE))
    assert read_next() == "healed"
    assert (state(right), state(once_damaged)) == ("proven", "condemned")


@pytest.mark.rows_by_hand
def test_where_the_last_image_goes_while_it_is_healed_nobody_has_the_right_bytes_either(
    mara: Person, pushed: Blob, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    spare = duplicate(pushed, ONE, "1" * 24)
    overwrite(pushed.key, flipped(ONE))
    move = damage._move

    def move_too_late(*named: Any) -> None:
        image = Image.objects.get()
        removal.remove_image(refs.parse(f"{PATH}:{image.hash}"), arch="", by=mara.caller)
        sweeps.housekeeping()
        move(*named)

    monkeypatch.setattr(damage, "_move", move_too_late)
    read_next()
    assert not Image.objects.exists()
    assert (state(spare), state(pushed)) != ("proven", "damaged")
    assert state(spare) != "proven"


def test_what_cannot_be_healed_keeps_no_other_from_it(
    mara: Person, otto: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire(mara).push(PATH, TWO, "2.0")
    for content in (ONE, TWO):
        overwrite(make_due(blob_of(content)).key, flipped(content))
    assert [read_next(), read_next()] == ["damaged", "damaged"]
    with monkeypatch.context() as killed:
        killed.setattr(damage, "heal_digest", lambda digest: None)
        killed.setattr(damage, "heal_left", lambda: 0)
        for content in (ONE, TWO):
            wire(otto).push("otto/mine/gcc", content)
    real = damage.heal_beside

    def heal_beside(blob: Blob) -> bool:
        if blob == pushed:
            raise RuntimeError("A fault of ours.")
        return real(blob)

    monkeypatch.setattr(damage, "heal_beside", heal_beside)
    damage.heal_left()
    assert pull(mara, f"{PATH}:2.0").status == 303
    pushed.refresh_from_db()
    assert (pushed.state, "A fault of ours" in pushed.trouble) == ("damaged", True)


def duplicate(blob: Blob, content: bytes, upload: str) -> Blob:
    key = f"{blob.key.rpartition('.')[0]}.{upload}"
    overwrite(key, content)
    return Blob.objects.create(digest=blob.digest, size=blob.size, key=key, state="condemned")


def test_bytes_that_are_right_again_are_proven_again(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    overwrite(pushed.key, ONE)
    assert read_next() == "none"  # it is looked at once a day
    Blob.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    assert read_next() == "healed"
    assert state(pushed) == "proven"
    assert (pushed.damaged_at, pushed.damage) == (None, "")
    assert pull(mara, f"{PATH}:1.0").status == 303


def test_what_was_damaged_is_not_taken_back_unread(pushed: Blob) -> None:
    Blob.objects.update(state="condemned", damaged_at=timezone.now())
    assert blobs.keep(pushed) is None


@pytest.mark.parametrize("leaving", ["leaving", "gone"])
def test_what_leaves_the_store_is_given_to_no_image_any_more(pushed: Blob, leaving: str) -> None:
    Blob.objects.update(state=leaving)
    assert blobs.keep(pushed) is None
    assert state(pushed) == leaving
    Blob.objects.update(state="proven")


@pytest.mark.rows_by_hand
def test_beside_proven_bytes_no_second_blob_of_them_is_taken_back(pushed: Blob) -> None:
    second = duplicate(pushed, ONE, "1" * 24)
    assert blobs.keep(second) is None
    Blob.objects.filter(pk=second.pk).update(state="damaged", damaged_at=timezone.now())
    assert blobs.recover(second) is None
    assert (state(second), state(pushed)) == ("damaged", "proven")


def test_healing_that_was_killed_is_gone_on_with_by_the_sweep(
    mara: Person, otto: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    monkeypatch.setattr(damage, "heal_digest", lambda digest: None)
    monkeypatch.setattr(damage, "heal_left", lambda: 0)
    wire(otto).push("otto/mine/gcc", ONE)
    assert state(pushed) == "damaged"
    monkeypatch.undo()
    assert damage.heal_left() == 1
    assert damage.heal_left() == 0
    assert pull(mara, f"{PATH}:1.0").status == 303


def test_of_two_that_heal_the_same_image_one_does_and_says_so(
    mara: Person, otto: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    real = damage._move

    def after_another(*words: Any) -> None:
        monkeypatch.setattr(damage, "_move", real)
        assert damage.heal_left() == 1
        real(*words)

    monkeypatch.setattr(damage, "_move", after_another)
    wire(otto).push("otto/mine/gcc", ONE)
    assert Event.objects.filter(action="image.healed").count() == 1
    assert pull(mara, f"{PATH}:1.0").status == 303


def test_what_was_healed_and_has_gone_is_not_let_go_once_more(
    otto: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(pushed.key, flipped(ONE))
    read_next()
    wire(otto).push("otto/mine/gcc", ONE)
    sweep()
    assert state(pushed) == "gone"
    # One that was slower comes to its end.
    assert damage.heal(pushed)
    assert state(pushed) == "gone"


def test_a_damaged_image_can_be_removed_and_its_bytes_go(
    mara: Person, pushed: Blob, settings: Any
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    overwrite(pushed.key, flipped(ONE))
    read_next()
    removal.remove_image(refs.parse(f"{PATH}:1.0"), arch="", by=mara.caller)
    sweep()
    assert state(pushed) == "gone"
    assert stored_keys(object_store()) == []


# ── how it stands ──
def test_it_is_said_how_far_the_rereading_is(mara: Person, pushed: Blob) -> None:
    assert not fixity.standing().is_behind
    make_due(pushed, days=91)
    assert fixity.standing().is_behind
    overwrite(pushed.key, flipped(ONE))
    read_next()
    standing = fixity.standing()
    assert (standing.damaged, standing.is_behind, standing.oldest) == (1, False, None)


def test_administrators_see_on_their_overview_that_bytes_are_damaged(
    administrator: Person, pushed: Blob
) -> None:
    remove(pushed.key)
    read_next()
    assert b"1 blob are damaged" in administrator.browser.get("/admin-area/").content
    make_person("nobody")
