"""The scenarios of what is done for bytes beside their coming and going: keeping them for a while,
taking up what was left, finding and healing damage, mending rows, counting."""

from typing import Any
from unittest import mock

from django.db.models import F
from django.db.models.functions import Now

from shub.accounts.models import Entity
from shub.containers import announcing, dropping, fixity, freezing, ledger
from shub.containers.models import (
    Blob,
    Charge,
    Collection,
    Container,
    EntityUsage,
    Image,
    RemovedImage,
    SiteUsage,
)
from shub.errors import NotFound, Unavailable
from shub.operations.fsck.course import Course, Options
from shub.operations.fsck.running import run
from shub.operations.progress_line import ProgressLine
from shub.storage.keys import blob_key
from shub.uploads import bringing_back, sweeps, totals, verification
from shub.uploads.models import Upload
from shub.uploads.sweeper import GO_ON
from tests.crash_points.breaking import Scenario, Step
from tests.crash_points.scenarios.removals import prepare_place, remove_place
from tests.crash_points.scenarios.steps import (
    NO_SIGNING,
    SCRIPT,
    not_there,
    pushed_again,
    refused,
    sweeping,
    there,
)
from tests.crash_points.scenarios.tags import link
from tests.crash_points.scenarios.verification import kept_once, prepare_twice, verify
from tests.crash_points.world import (
    LARGE,
    LATER,
    ONE,
    OTHER_PATH,
    PATH,
    SOON,
    THREE,
    TOMORROW,
    TWO,
    World,
    digest_of,
)
from tests.damaging import flipped
from tests.factories import make_person

State = Upload.State

KEPT = {"CONDEMNED_KEEP_DAYS": 7}
# Longer ago than whatever is due to be read again.
LONG_AGO = 4 * LATER
# A key of an upload that nobody knows.
STRAY = blob_key("cd" * 32, "1" * 24)


def blob_of(content: bytes, **which: Any) -> Blob:
    """The last blob of these bytes."""
    return Blob.objects.filter(digest=digest_of(content), **which).latest("id")


# ── kept for a time ──
def prepare_refused(world: World) -> None:
    """Refused, since its container was frozen meanwhile; of its two tags one means another by now.
    The container is thawed again."""
    upload = world.handed_over(ONE)
    image = Image.objects.get(public_id=upload.announced_id)
    for tag in ("latest", "new"):
        world.tag(image, tag)
    freezing.set_container_frozen(world.container(), frozen=True, by=world.mara.caller)
    verify(world)
    freezing.set_container_frozen(world.container(), frozen=False, by=world.mara.caller)
    world.has(TWO, "latest")
    world.notes["refused"] = upload.public_id


def verify_again(world: World) -> None:
    """As the page and the command do it; done already, or under way, is no fault."""
    try:
        bringing_back.verify_again(public_id=world.notes["refused"], by=world.mara.caller)
    except NotFound:
        assert not Upload.objects.filter(state=State.REFUSED).exists()
    verify(world)


def told_and_verified_again(world: World) -> None:
    bringing_back.verify_again(public_id=world.notes["refused"], by=world.mara.caller)
    world.told_well(ONE)
    verify(world)


def free_tags_moved(world: World) -> None:
    there(ONE, "new")(world)
    there(TWO, "latest")(world)


def prepare_refused_script(world: World) -> None:
    world.notes["refused"] = world.handed_over(SCRIPT).public_id
    verify(world)


def refused_and_kept(world: World) -> None:
    assert world.image(SCRIPT) is None
    assert Upload.objects.get().state == State.REFUSED
    assert blob_of(SCRIPT, state="condemned").kept_until is not None


def end_keeping(world: World) -> None:
    try:
        bringing_back.end_keeping(public_id=world.notes["refused"], by=world.mara.caller)
    except NotFound:
        pass
    sweeps.collect_condemned()


def prepare_past_keeping(world: World) -> None:
    """A refused upload and a second copy, both past their time."""
    prepare_refused_script(world)
    prepare_twice(world)
    verify(world)
    assert len(world.objects()) == 3
    world.pass_time(LATER)


def second_copy_gone(world: World) -> None:
    kept_once(world)
    not_there(SCRIPT)(world)


def begin_in_the_full(world: World) -> None:
    """There is no room but what is kept for a while: the client is told to come again soon."""
    try:
        world.begin(TWO)
    except Unavailable:
        sweeps.collect_condemned()
        world.begin(TWO)


def begin_some_minutes_later(world: World) -> None:
    """What the killed client was promised room for is silent by then: at once, there is none."""
    world.pass_time(SOON)
    begin_in_the_full(world)


def room_was_made(world: World) -> None:
    not_there(SCRIPT)(world)
    assert Upload.objects.filter(digest=digest_of(TWO)).exists()


# ── a push that begins again ──
def prepare_all_sent(world: World) -> None:
    """All parts have arrived, and the client was killed before it said so."""
    world.sent(LARGE)


def announce_again(world: World) -> None:
    world.push(LARGE, "latest")
    world.told_well(LARGE)
    verify(world)


def nothing_sent_twice(world: World) -> None:
    there(LARGE, "latest")(world)
    assert Upload.objects.count() == 1


def prepare_silent(world: World) -> None:
    upload = world.begin(LARGE)
    world.store.put_part(upload.key, upload.store_id, 1, LARGE[:1000])
    world.pass_time(SOON)


def begin_anew(world: World) -> None:
    world.begin(LARGE)


def first_given_up(world: World) -> None:
    assert [upload.state for upload in Upload.objects.order_by("id")] == ["aborted", "open"]
    assert len(world.open_parts()) == 1


def linked_to_what_was_just_condemned(world: World) -> None:
    """Otto's image, found by who may read it, goes for good before it is linked."""
    find = announcing._readable_equal

    def find_and_lose(image: Image, **asked: Any) -> Image | None:
        found = find(image, **asked)
        world.remove(ONE, OTHER_PATH, again=True)
        return found

    with mock.patch.object(announcing, "_readable_equal", find_and_lose):
        link(world)


def prepare_condemned_meanwhile(world: World) -> None:
    world.has(ONE, path=OTHER_PATH)
    world.proven.clear()


# ── the end of a sweep ──
def hand_back(world: World) -> None:
    """A sweep that is told to end while it reads."""
    upload = verification.take_next()
    assert upload is not None
    verification._held[upload.pk] = upload
    try:
        verification.hand_back()
    finally:
        verification._held.pop(upload.pk)


def prepare_handed_over(world: World) -> None:
    world.handed_over(ONE)
    world.told_well(ONE)


# ── damage ──
def reread(world: World) -> None:
    """Read again what is due, as the sweep does."""
    while fixity.read_next(lambda: False) in GO_ON:
        pass


def prepare_flipped(world: World) -> None:
    """An image of two containers, and removed from a third, its bytes no longer what was proven; it
    is their turn."""
    world.has(TWO)
    world.has(ONE, "latest")
    world.announce(ONE, OTHER_PATH)
    world.announce(ONE, "otto/tools/old")
    world.remove(ONE, "otto/tools/old")
    world.proven.pop((PATH, digest_of(ONE)))
    blob = blob_of(ONE)
    world.put(blob.key, flipped(ONE))
    Blob.objects.filter(pk=blob.pk).update(read_at=F("read_at") - LONG_AGO)


def damaged(world: World) -> None:
    """Known to be so, and both images still there."""
    blob = blob_of(ONE)
    assert blob.state == "damaged"
    assert blob.damage
    assert Image.objects.filter(blob=blob).count() == 2
    assert world.tags()["latest"] == digest_of(ONE)


def prepare_damaged(world: World) -> None:
    prepare_flipped(world)
    reread(world)
    damaged(world)


def healed(world: World) -> None:
    """Both images have right bytes, and the tags of before."""
    there(ONE, "latest")(world)
    there(ONE, path=OTHER_PATH)(world)
    blob = Blob.objects.get(digest=digest_of(ONE), state="proven")
    assert world.bytes_of(blob.key) == ONE, "other bytes are proven"
    assert Image.objects.filter(blob=blob).count() == 2
    assert not Blob.objects.filter(state="damaged").exists()


def prepare_healing_push(world: World) -> None:
    """Somebody has pushed the same image again, into the other container."""
    prepare_damaged(world)
    world.has(THREE)
    world.handed_over(ONE, OTHER_PATH)


def prepare_flipped_beside_a_spare(world: World) -> None:
    """Condemned, and kept: a second copy, and after it refused bytes that only claim to be it."""
    prepare_twice(world)
    verify(world)
    world.arriving.clear()
    world.announce(ONE, OTHER_PATH)
    world.tag(world.announce(ONE), "latest")
    Collection.objects.update(visibility="private")
    world.handed_over(ONE, "zoe/tools/gcc", bytes_sent=flipped(ONE), by=make_person("zoe"))
    verify(world)
    assert blob_of(ONE).kept_until is not None
    proven = blob_of(ONE, state="proven")
    world.put(proven.key, flipped(ONE))
    Blob.objects.filter(pk=proven.pk).update(read_at=F("read_at") - LONG_AGO)


def prepare_right_again(world: World) -> None:
    """Somebody has put the object back; a day later it is looked at again."""
    prepare_damaged(world)
    world.put(blob_of(ONE).key, ONE)
    world.pass_time(TOMORROW)


def prepare_to_remove_damaged(world: World) -> None:
    prepare_damaged(world)
    world.remove(ONE, OTHER_PATH)


def remove_damaged(world: World) -> None:
    world.remove(ONE, again=True)


# ── fsck ──
def repair(world: World) -> None:
    """`fsck --repair --remove-unknown --read`: nobody else has this bucket. What this process has
    counted of everything is no matter of it."""
    options = Options(read=True, repair=True, remove_unknown=True, patience_seconds=0)
    course = Course(options, ProgressLine(None))
    with mock.patch.object(totals, "add"):
        run(course)


def repaired(*codes: str) -> Step:
    """One more finds nothing but these."""

    def ends(world: World) -> None:
        course = Course(Options(read=True, patience_seconds=0), ProgressLine(None))
        run(course)
        assert sorted(+course.found) == sorted(codes), course.kept

    return ends


def prepare_strays(world: World) -> None:
    """An object that no row knows, parts that none does, and an object whose row says `gone`."""
    world.has(ONE)
    world.has(TWO)
    world.may_go(TWO)
    world.remove(TWO)
    world.pass_time(LATER)
    world.kept.clear()
    world.sweep()
    gone = blob_of(TWO)
    assert gone.state == "gone"
    world.put(gone.key, TWO)
    world.put(STRAY, THREE)
    world.store.start_parts(STRAY)
    world.store.age += TOMORROW


def strays_gone(world: World) -> None:
    repaired()(world)
    assert list(world.objects()) == [blob_of(ONE).key]
    assert world.open_parts() == []


def prepare_contradictions(world: World) -> None:
    """A condemned blob that an image has, a proven one that none has, a pending one without an
    upload. That rows say so is the scenario's doing."""
    world.has(ONE, "latest")
    world.has(TWO)
    world.has(THREE)
    for content in (ONE, TWO, THREE):
        world.untrue.add(blob_of(content).key)
    world.proven.clear()
    Image.objects.filter(digest__in=[digest_of(TWO), digest_of(THREE)]).delete()
    Blob.objects.filter(pk=blob_of(ONE).pk).update(state="condemned", kept_until=Now() + SOON)
    Blob.objects.filter(pk=blob_of(THREE).pk).update(state="pending")
    ledger.forget_counts()


def contradictions_mended(world: World) -> None:
    repaired()(world)
    there(ONE, "latest")(world)
    not_there(TWO)(world)
    not_there(THREE)(world)


def prepare_lost_objects(world: World) -> None:
    """One object is gone, one is damaged and right again, one has another size."""
    prepare_damaged(world)
    world.put(blob_of(ONE).key, ONE)
    world.has(THREE)
    world.proven.clear()
    world.put(blob_of(TWO).key, None)
    world.put(blob_of(THREE).key, THREE[:-1])


def lost_ones_are_damaged(world: World) -> None:
    repaired("damaged")(world)
    healed(world) if blob_of(ONE).state != "proven" else there(ONE, "latest")(world)
    assert {blob_of(content).state for content in (TWO, THREE)} == {"damaged"}


# ── the ledger ──
def prepare_wrong_ledger(world: World) -> None:
    """Somebody has written into the ledger past the registry, a day ago."""
    world.has(ONE)
    world.has(TWO, path=OTHER_PATH)
    world.begin(THREE)
    world.untrue |= {"mara", "otto", "the site"}
    Charge.objects.filter(entity=world.mara.entity).delete()
    EntityUsage.objects.update(stored_bytes=7, counted_at=Now() - TOMORROW)
    SiteUsage.objects.update(reserved_bytes=7, counted_at=Now() - TOMORROW)


def ledger_right(world: World) -> None:
    assert list(ledger.drifts()) == []
    usage = EntityUsage.objects.get(entity=world.mara.entity)
    assert usage.stored_bytes == len(ONE)


def prepare_smaller_quota(world: World) -> None:
    """No room for what is being verified, since a moment ago."""
    world.has(TWO, "latest")
    upload = world.handed_over(ONE)
    world.tag(Image.objects.get(public_id=upload.announced_id), "latest")
    Entity.objects.filter(pk=world.mara.entity.pk).update(quota_bytes=len(TWO) + len(ONE) - 1)


def refused_for_room(world: World) -> None:
    refused(ONE, "was made smaller")(world)
    there(TWO, "latest")(world)
    assert EntityUsage.objects.get(entity=world.mara.entity).stored_bytes == len(TWO)


# ── dropping together ──
def prepare_full_container(world: World) -> None:
    """Removed and past its time: three images with tags, one that was removed before, and one
    whose bytes Otto's image has too."""
    world.has(THREE, path=OTHER_PATH)
    world.announce(THREE)
    prepare_place("container")(world)
    world.has(LARGE, "large")
    world.may_go(LARGE)
    world.remove(LARGE)
    remove_place(world)
    world.pass_time(LATER)
    sweeps.drop_left_parts()
    world.kept.clear()


def all_dropped(world: World) -> None:
    assert not Container.objects.filter(collection__entity__name="mara").exists()
    assert not RemovedImage.objects.exists()
    there(THREE, path=OTHER_PATH)(world)
    assert len(world.objects()) == 1, "bytes are left that nobody has"


def drop_one_by_one(world: World) -> None:
    """Something is in the way of doing it together: each goes by itself."""
    together = dropping._drop_inside

    def in_the_way(found: Any) -> int:
        if len(found) > 1:
            raise RuntimeError("Not together.")
        return together(found)

    with mock.patch.object(dropping, "_drop_inside", in_the_way):
        dropping.drop_images()
    sweeps.drop_removed()


KEEPING: tuple[Scenario, ...] = (
    Scenario(
        "a refused push is verified again",
        prepare_refused,
        told_and_verified_again,
        free_tags_moved,
        again=verify_again,
        settings=KEPT,
        least=3,
    ),
    Scenario(
        "a refused push is verified again, and refused again",
        prepare_refused_script,
        verify_again,
        refused_and_kept,
        settings=KEPT,
        least=3,
    ),
    Scenario(
        "a kept refusal goes for good",
        prepare_refused_script,
        end_keeping,
        not_there(SCRIPT),
        settings=KEPT,
        least=4,
    ),
    Scenario(
        "what was kept is past its time",
        prepare_past_keeping,
        sweeping(sweeps.collect_condemned),
        second_copy_gone,
        by_sweep=True,
        settings=KEPT,
        least=3,
    ),
    Scenario(
        "keeping ends where there is no room",
        prepare_refused_script,
        begin_in_the_full,
        room_was_made,
        again=begin_some_minutes_later,
        settings={**KEPT, "SITE_QUOTA_BYTES": len(SCRIPT) + len(TWO) - 1},
        least=6,
    ),
)

AGAIN: tuple[Scenario, ...] = (
    Scenario(
        "all parts had arrived, and it is announced again",
        prepare_all_sent,
        announce_again,
        # Whoever comes again while the first joining counts as alive sends it again, and need not
        # wait.
        there(LARGE, "latest"),
        clean_ends=nothing_sent_twice,
        least=6,
    ),
    Scenario(
        "a silent upload is given up when it is begun anew",
        prepare_silent,
        begin_anew,
        there(LARGE),
        again=pushed_again(LARGE),
        clean_ends=first_given_up,
        least=4,
    ),
    Scenario(
        "linked to what was condemned a moment before",
        prepare_condemned_meanwhile,
        linked_to_what_was_just_condemned,
        there(ONE),
        again=pushed_again(ONE),
        settings={"REMOVED_KEEP_DAYS": 0},
        least=5,
    ),
    Scenario(
        "a sweep that ends hands back what it reads",
        prepare_handed_over,
        hand_back,
        there(ONE),
        by_sweep=True,
        least=2,
    ),
)

DAMAGE: tuple[Scenario, ...] = (
    Scenario(
        "damage is found by rereading", prepare_flipped, reread, damaged, by_sweep=True, least=3
    ),
    Scenario(
        "damage is healed by a push",
        prepare_healing_push,
        verify,
        healed,
        by_sweep=True,
        least=4,
    ),
    Scenario(
        "damage is healed by a second copy that was kept",
        prepare_flipped_beside_a_spare,
        reread,
        healed,
        by_sweep=True,
        settings={**KEPT, **NO_SIGNING},
        least=6,
    ),
    Scenario(
        "damaged bytes are right again",
        prepare_right_again,
        reread,
        healed,
        by_sweep=True,
        least=2,
    ),
    Scenario(
        "the last image of damaged bytes is removed",
        prepare_to_remove_damaged,
        remove_damaged,
        not_there(ONE),
        settings={"REMOVED_KEEP_DAYS": 0},
    ),
)

REPAIRING: tuple[Scenario, ...] = (
    Scenario("fsck repairs strays", prepare_strays, repair, strays_gone, by_hand=True, least=4),
    Scenario(
        "fsck repairs contradictions",
        prepare_contradictions,
        repair,
        contradictions_mended,
        by_hand=True,
        least=4,
    ),
    Scenario(
        "fsck marks what is lost, and heals what is right again",
        prepare_lost_objects,
        repair,
        lost_ones_are_damaged,
        by_hand=True,
        least=4,
    ),
)

COUNTING: tuple[Scenario, ...] = (
    Scenario(
        "the ledger is counted anew",
        prepare_wrong_ledger,
        sweeping(ledger.recount_due),
        ledger_right,
        by_sweep=True,
        least=2,
    ),
    Scenario(
        "refused, the quota made smaller meanwhile",
        prepare_smaller_quota,
        verify,
        refused_for_room,
        by_sweep=True,
        least=5,
    ),
)

DROPPING: tuple[Scenario, ...] = (
    Scenario(
        "what is in a container past its time goes together",
        prepare_full_container,
        sweeping(dropping.drop_images, sweeps.drop_removed),
        all_dropped,
        by_sweep=True,
        least=4,
    ),
    Scenario(
        "what cannot go together goes one by one",
        prepare_full_container,
        drop_one_by_one,
        all_dropped,
        by_sweep=True,
        least=4,
    ),
)

CARE = (*KEEPING, *AGAIN, *DAMAGE, *REPAIRING, *COUNTING, *DROPPING)
