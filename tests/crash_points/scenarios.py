"""The scenarios: each transition of uploads, blobs and removals, and what is to be the end of it.

To add one is one entry of SCENARIOS: what was there before, what is killed, how it ends. The acts
at which it is killed are found by running it.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag

from django.utils import timezone

from shub.accounts.models import User
from shub.audit.models import Event
from shub.containers import (
    deletion,
    dropping,
    freezing,
    granting,
    ledger,
    pausing,
    removal,
    restoring,
    tagging,
)
from shub.containers.models import (
    Blob,
    Collection,
    CollectionPause,
    Container,
    Image,
    RemovedImage,
    Role,
    TagMove,
)
from shub.errors import Invalid, NotFound, Refusal
from shub.operations.importing import files
from shub.operations.importing.naming import Target
from shub.operations.importing.planning import Planned
from shub.operations.importing.taking import Work, take
from shub.storage.keys import blob_key
from shub.uploads import body, joining, multipart, sweeps, verification
from shub.uploads.models import Upload
from tests.crash_points.breaking import Scenario, Step, nothing
from tests.crash_points.world import (
    LARGE,
    LATER,
    ONE,
    OTHER_PATH,
    PART_BYTES,
    PATH,
    SOON,
    THREE,
    TOMORROW,
    TWO,
    World,
    digest_of,
)
from tests.factories import make_person

State = Upload.State
Kind = Upload.Kind

NO_SIGNING = {"MINIO_SIGN_CONTENT_SHA256": False}
SCRIPT = b"#!/bin/sh\n" * 4000
UNKNOWN = blob_key("ab" * 32, "0" * 24)


# ── what holds in the end ──
def there(content: bytes, *tags: str, path: str = PATH) -> Step:
    """The image is there, proven, and the tags mean it."""

    def ends(world: World) -> None:
        image = world.image(content, path)
        assert image is not None, "no image"
        assert image.is_proven, "not proven"
        for tag in tags:
            assert world.tags(path).get(tag) == digest_of(content), world.tags(path)

    return ends


def not_there(content: bytes, path: str = PATH) -> Step:
    """Neither the image nor its bytes are there."""

    def ends(world: World) -> None:
        assert world.image(content, path) is None
        assert not any(digest_of(content) in key for key in world.objects())

    return ends


def refused(content: bytes, words: str) -> Step:
    """The upload was refused for that reason, and nothing of it is left."""

    def ends(world: World) -> None:
        not_there(content)(world)
        upload = Upload.objects.filter(digest=digest_of(content)).latest("id")
        assert upload.state == State.REFUSED, upload
        assert words in upload.reason

    return ends


def ended(state: str) -> Step:
    """The only upload is in that state, and the store has nothing of it."""

    def ends(world: World) -> None:
        upload = Upload.objects.get()
        assert upload.state == state, upload
        assert world.objects() == {}
        none_open(world)

    return ends


def none_open(world: World) -> None:
    """The store has no upload in parts."""
    assert world.open_parts() == [], "the store still has parts"


def sweeping(*acts: Callable[[], object]) -> Step:
    """Some of what the sweep process does."""

    def act(world: World) -> None:
        for each in acts:
            # As it is called now: tests of the judge put another in its place.
            getattr(sys.modules[each.__module__], each.__name__)()

    return act


def all_of(*steps: Step) -> Step:
    """One step after the other."""

    def step(world: World) -> None:
        for each in steps:
            each(world)

    return step


# ── a push ──
def whole_push(kind: Kind, content: bytes) -> Step:
    """From its first request to its last, and the proof of it."""

    def act(world: World) -> None:
        world.push(content, "latest", kind=kind)
        verification.verify_next()

    return act


def pushed_again(content: bytes, *tags: str) -> Step:
    """The client pushes again, from the beginning."""

    def again(world: World) -> None:
        world.push(content, *tags)

    return again


def begun(kind: Kind, content: bytes = ONE) -> Step:
    def act(world: World) -> None:
        world.begin(content, kind=kind)

    return act


def open_still(world: World) -> None:
    """Nobody has given it up yet."""
    assert Upload.objects.get().state == State.OPEN


def prepare_open(world: World) -> None:
    """An upload that has been silent for so long that its next sign of life is written down."""
    world.notes["upload"] = world.begin(LARGE)
    world.pass_time(timedelta(minutes=2))


def sign(world: World) -> None:
    upload = Upload.objects.get(pk=world.notes["upload"].pk)
    world.sign(upload, 1, LARGE[:PART_BYTES])


def prepare_sent(kind: Kind, content: bytes = ONE) -> Step:
    def prepare(world: World) -> None:
        world.notes["sent"] = world.sent(content, kind=kind)

    return prepare


def complete(world: World) -> None:
    """As the request says it, which may come twice."""
    upload, parts = world.notes["sent"]
    world.complete(upload, parts)
    world.told_well(ONE if upload.digest == digest_of(ONE) else LARGE)


def complete_and_be_refused(world: World) -> None:
    upload, parts = world.notes["sent"]
    try:
        world.complete(upload, parts)
    except Invalid:
        return
    raise AssertionError("it was taken")


def complete_again(world: World) -> None:
    """Where a sweep has yet to join what was sent, the client is told that all is well so far."""
    upload, parts = world.notes["sent"]
    try:
        world.complete(upload, parts)
    except Invalid:
        pass


def prepare_short(kind: Kind) -> Step:
    """One byte is missing in the store."""

    def prepare(world: World) -> None:
        world.notes["sent"] = world.sent(ONE, kind=kind, bytes_sent=ONE[:-1])

    return prepare


def prepare_lacking(world: World) -> None:
    """The client believes that it sent two parts; the store has lost one."""
    upload, parts = world.sent(LARGE)
    world.store.abort_parts(upload.key, upload.store_id)
    again = world.store.start_parts(upload.key)
    Upload.objects.filter(pk=upload.pk).update(store_id=again)
    upload.refresh_from_db()
    world.store.put_part(upload.key, again, 1, LARGE[:PART_BYTES])
    world.notes["sent"] = upload, parts


def open_again_or_sent_anew(world: World) -> None:
    """Nothing was made of parts that are not all there; who pushes again has the image."""
    assert {upload.state for upload in Upload.objects.all()} <= {State.OPEN, State.DONE}
    assert not Blob.objects.exclude(state="proven").exists()


# ── joining that was left ──
def prepare_joining(world: World) -> None:
    """The request was killed before the store heard of it; the client had been told nothing."""
    upload, parts = world.sent(LARGE)
    joining.start_joining(upload, parts)
    world.pass_time(SOON)


def prepare_joined(world: World) -> None:
    """The request was killed when the store had joined the parts."""
    upload, parts = world.sent(LARGE)
    joining.start_joining(upload, parts)
    world.store.finish_parts(upload.key, upload.store_id, parts)
    world.pass_time(SOON)


def prepare_joining_of_lost_parts(world: World) -> None:
    upload, parts = world.sent(ONE)
    joining.start_joining(upload, parts)
    world.store.abort_parts(upload.key, upload.store_id)
    world.pass_time(SOON)


# ── verification ──
def verify(world: World) -> None:
    while verification.verify_next():
        pass


def prepare_verifying(world: World) -> None:
    world.has(TWO, "latest")
    upload = world.handed_over(ONE)
    image = Image.objects.get(public_id=upload.announced_id)
    for tag in ("latest", "new"):
        world.tag(image, tag)
    world.told_well(ONE)


def tags_have_moved(world: World) -> None:
    there(ONE, "latest", "new")(world)
    moves = TagMove.objects.filter(name="latest").order_by("id")
    assert [move.to_digest for move in moves][:2] == [digest_of(TWO), digest_of(ONE)]


def prepare_known_elsewhere(world: World) -> None:
    """Otto has the same bytes, where Mara does not see them: she sends them, and they are kept
    once."""
    world.has(ONE, "latest", path=OTHER_PATH)
    Collection.objects.filter(entity=world.otto.entity).update(visibility="private")
    world.handed_over(ONE)
    world.told_well(ONE)


def kept_once(world: World) -> None:
    there(ONE)(world)
    assert sum(digest_of(ONE) in key for key in world.objects()) == 1


def prepare_twice(world: World) -> None:
    """Two uploads of one image, both handed over: the first proven wins."""
    for _ in range(2):
        world.notes["sent"] = world.sent(ONE)
        upload, parts = world.notes["sent"]
        world.complete(upload, parts)
    world.told_well(ONE)


def prepare_removed_meanwhile(world: World) -> None:
    world.handed_over(ONE)
    world.remove(ONE)


def nobody_wants_it(world: World) -> None:
    not_there(ONE)(world)
    assert Upload.objects.get().state == State.DONE


def prepare_other_bytes(world: World) -> None:
    world.has(TWO, "latest")
    upload = world.handed_over(ONE, bytes_sent=THREE)
    world.tag(Image.objects.get(public_id=upload.announced_id), "latest")


def other_bytes_refused(world: World) -> None:
    refused(ONE, "do not have the SHA-256")(world)
    there(TWO, "latest")(world)


def prepare_script(world: World) -> None:
    world.handed_over(SCRIPT)


def prepare_frozen(world: World) -> None:
    world.handed_over(ONE)
    freezing.set_container_frozen(world.container(), frozen=True, by=world.mara.caller)


def prepare_right_lost(world: World) -> None:
    grant = granting.grant(
        place=world.mara.entity, holder=world.otto.user, role=Role.WRITER, by=world.mara.caller
    )
    world.handed_over(ONE, by=world.otto)
    granting.revoke(place=world.mara.entity, grant_id=grant.pk, by=world.mara.caller)


def prepare_place_removed(kind: str) -> Step:
    def prepare(world: World) -> None:
        world.handed_over(ONE)
        container = world.container()
        if kind == "container":
            removal.remove_container(container, by=world.mara.caller)
        else:
            removal.remove_collection(container.collection, by=world.mara.caller)

    return prepare


# ── the end of uploads ──
def abort(world: World) -> None:
    upload = world.notes["sent"][0]
    multipart.abort(image_id=upload.announced_id, upload_id=upload.public_id, by=world.mara.client)


def prepare_idle(world: World) -> None:
    world.sent(ONE)
    world.pass_time(TOMORROW)


def prepare_left_parts(world: World) -> None:
    """It was aborted, and a part that was on its way has opened it again: the store has parts."""
    world.sent(ONE)
    Upload.objects.update(state=State.ABORTED)
    ledger.forget_counts()
    world.pass_time(TOMORROW)


def prepare_unknown_parts(world: World) -> None:
    world.store.start_parts(UNKNOWN)
    world.store.age += TOMORROW


def prepare_idle_claim(world: World) -> None:
    world.announce(ONE)
    world.pass_time(TOMORROW)


# ── one body ──
def send_body(sent: bytes) -> Step:
    def act(world: World) -> None:
        image = world.announce(ONE)
        if image.is_proven:
            return
        upload = body.begin(image_id=image.public_id, size=len(ONE), by=world.mara.client)
        try:
            body.receive(upload, io.BytesIO(sent))
        except Refusal:
            assert sent != ONE
        else:
            world.told_well(ONE)

    return act


def body_refused(world: World) -> None:
    """The claim may be there still, for the sake of an upload that was killed before."""
    assert Upload.objects.latest("id").state == State.REFUSED
    assert world.objects() == {}


# ── without sending ──
def prepare_readable_elsewhere(world: World) -> None:
    world.has(ONE, "latest", path=OTHER_PATH)


def link(world: World) -> None:
    assert world.announce(ONE).is_proven


# ── tags ──
def prepare_two_images(world: World) -> None:
    world.has(ONE, "latest", "old")
    world.has(TWO)


def set_tags(world: World) -> None:
    """Two tags, by one request."""
    image = world.image(TWO)
    assert image is not None
    tagging.set_tags(
        container_id=image.container.public_id,
        tags={"latest": image.public_id, "new": image.public_id},
        by=world.mara.client,
    )


def prepare_untagged_verifying(world: World) -> None:
    world.has(TWO, "latest")
    world.handed_over(ONE)
    world.told_well(ONE)


def set_pending_tag(world: World) -> None:
    image = world.image(ONE)
    assert image is not None
    world.tag(image, "latest")


def remove_tag(world: World) -> None:
    try:
        tagging.remove_tag(world.container(), name="latest", arch=None, by=world.mara.caller)
    except NotFound:
        pass


def only_one_tag(world: World) -> None:
    assert world.tags() == {"old": digest_of(ONE)}


# ── removal and return ──
def prepare_to_remove(world: World) -> None:
    world.has(ONE, "latest", "old")
    world.has(TWO)
    world.may_go(ONE)


def remove_one(world: World) -> None:
    world.remove(ONE, again=True)


def removed_one(world: World) -> None:
    assert world.image(ONE) is None
    assert world.tags() == {}
    assert (world.removed(ONE) is not None) == bool(Event.objects.filter(action="image.removed"))
    assert Event.objects.filter(action="image.removed").count() == 1


def prepare_removed(world: World) -> None:
    prepare_to_remove(world)
    world.remove(ONE)
    removed = world.removed(ONE)
    assert removed is not None
    world.notes["removed"] = removed.public_id


def restore_one(world: World) -> None:
    try:
        restoring.restore_image(public_id=world.notes["removed"], by=world.mara.caller)
    except NotFound:
        assert world.image(ONE) is not None


def came_back(world: World) -> None:
    there(ONE, "latest", "old")(world)
    assert world.removed(ONE) is None
    world.proven[PATH, digest_of(ONE)] = ONE


def prepare_removed_and_pushed_again(world: World) -> None:
    """The image is there again by another push, whose bytes are the same blob or another."""
    prepare_removed(world)
    world.has(ONE)


def prepare_place(kind: str) -> Step:
    def prepare(world: World) -> None:
        world.has(ONE, "latest")
        world.has(TWO)
        container = world.container()
        world.notes["place"] = container if kind == "container" else container.collection
        world.may_go(ONE)
        world.may_go(TWO)

    return prepare


def remove_place(world: World) -> None:
    place = world.notes["place"]
    if isinstance(place, Container):
        removal.remove_container(place, by=world.mara.caller)
    else:
        removal.remove_collection(place, by=world.mara.caller)


def place_is_removed(world: World) -> None:
    place = world.notes["place"]
    assert type(place).objects.get(pk=place.pk).removed_at is not None
    assert world.image(ONE) is None


def prepare_removed_place(kind: str) -> Step:
    return all_of(prepare_place(kind), remove_place)


def restore_place(world: World) -> None:
    place = world.notes["place"]
    try:
        restoring.restore(
            "container" if isinstance(place, Container) else "collection",
            place.public_id,
            by=world.mara.caller,
        )
    except NotFound:
        assert world.image(ONE) is not None


def place_is_back(world: World) -> None:
    there(ONE, "latest")(world)
    there(TWO)(world)
    for content in (ONE, TWO):
        world.proven[PATH, digest_of(content)] = content


def remove_for_good(world: World) -> None:
    place = world.notes["place"]
    kind = "container" if isinstance(place, Container) else "collection"
    world.kept.clear()
    try:
        restoring.remove_for_good(kind, place.public_id, by=world.mara.caller)
    except NotFound:
        pass


def prepare_past(prepare: Step) -> Step:
    """Removed, and past the time that it is kept."""

    def past(world: World) -> None:
        prepare(world)
        world.pass_time(LATER)
        world.kept.clear()

    return past


def dropped_one(world: World) -> None:
    not_there(ONE)(world)
    assert not RemovedImage.objects.exists()
    assert Event.objects.filter(action="image.dropped").count() == 1
    there(TWO)(world)


def dropped_place(world: World) -> None:
    assert world.objects() == {}
    assert not Image.objects.exists()
    assert Event.objects.filter(action="image.dropped").count() == 2


def prepare_shared(world: World) -> None:
    """Two images have the same blob; the one was removed, and is past its time."""
    world.has(ONE, path=OTHER_PATH)
    link(world)
    world.proven[PATH, digest_of(ONE)] = ONE
    world.may_go(ONE)
    world.remove(ONE)
    world.pass_time(LATER)
    world.kept.clear()


def shared_bytes_stay(world: World) -> None:
    assert not RemovedImage.objects.exists()
    there(ONE, path=OTHER_PATH)(world)


# ── collecting ──
def prepare_condemned(*states: str) -> Step:
    """Blobs that no row needs, in these states, beside one that is needed."""

    def prepare(world: World) -> None:
        world.has(THREE)
        for content in (ONE, TWO):
            world.has(content)
            world.may_go(content)
            world.remove(content)
        world.kept.clear()
        RemovedImage.objects.all().delete()
        for content, state in zip((ONE, TWO), states, strict=True):
            Blob.objects.filter(digest=digest_of(content)).update(state=state)

    return prepare


def collected(world: World) -> None:
    assert [digest_of(THREE) in key for key in world.objects()] == [True]
    assert Blob.objects.filter(state="gone").count() == 2


def only_condemned_ones_go(world: World) -> None:
    """What was pushed again has bytes of its own."""
    there(THREE)(world)
    if world.image(ONE) is not None:
        there(ONE)(world)
    assert Blob.objects.filter(state="gone").count() == 2


def pause_and_collect(world: World) -> None:
    """As a backup does: nothing leaves while it copies."""
    pause = pausing.begin("a backup")
    before = world.objects()
    sweeps.collect_condemned()
    assert world.objects() == before
    pausing.move_on(pause)
    pausing.end(pause)
    sweeps.collect_condemned()


def collected_after_the_pause(world: World) -> None:
    assert not CollectionPause.objects.filter(until__gt=timezone.now()).exists()
    collected(world)


# ── accounts ──
def prepare_account(world: World) -> None:
    """Mara's images, one of them frozen and one removed; and one that Otto has too."""
    world.notes["root"] = make_person("root", is_administrator=True)
    world.has(ONE, "latest")
    world.has(TWO)
    world.has(THREE, path=OTHER_PATH)
    world.announce(THREE)
    world.remove(TWO)
    freezing.set_container_frozen(world.container(), frozen=True, by=world.mara.caller)
    world.proven.pop((PATH, digest_of(ONE)))
    world.proven.pop((PATH, digest_of(TWO)))


def delete_account(world: World) -> None:
    user = User.objects.filter(username="mara").first()
    if user is not None:
        deletion.delete_account(user, images=deletion.REMOVE, by=world.notes["root"].caller)


def account_is_gone(world: World) -> None:
    assert not User.objects.filter(username="mara").exists()
    assert not Image.objects.filter(container__collection__entity__name="mara").exists()
    assert [digest_of(THREE) in key for key in world.objects()] == [True]


def prepare_retired(world: World) -> None:
    prepare_account(world)
    delete_account(world)


# ── a folder ──
def import_file(world: World) -> None:
    """One file of a folder, with its tag."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder).resolve() / "gcc.sif"
        path.write_bytes(ONE)
        planned = Planned(
            image=files.Image(name="gcc.sif", path=path, size=len(ONE)),
            targets=(Target("tools", "gcc", "latest"),),
            arch="amd64",
        )
        work = Work(
            folder=path.parent,
            entity=world.mara.entity,
            by=world.mara.caller,
            move_tags=False,
            stopping=Flag(),
            read=lambda _: None,
        )
        take(planned, work)


def import_again(world: World) -> None:
    # Some minutes later, beside a sweep that goes on with what was sent before.
    for _ in range(2):
        world.pass_time(SOON)
        world.sweep()
    import_file(world)


UPLOADS: tuple[Scenario, ...] = (
    Scenario(
        "a whole push in parts",
        prepare=nothing,
        act=whole_push(Kind.MULTIPART, LARGE),
        again=pushed_again(LARGE, "latest"),
        ends=there(LARGE, "latest"),
        least=9,
    ),
    Scenario(
        "a whole push of one part",
        prepare=nothing,
        act=whole_push(Kind.SINGLE, ONE),
        again=pushed_again(ONE, "latest"),
        ends=there(ONE, "latest"),
        least=9,
        is_like="a whole push in parts",
    ),
    *(
        Scenario(
            f"begin, {kind.value}",
            prepare=nothing,
            act=begun(kind),
            again=pushed_again(ONE),
            ends=there(ONE),
            clean_ends=open_still,
            least=3,
            is_like="" if kind == Kind.MULTIPART else "begin, multipart",
        )
        for kind in Kind
    ),
    Scenario(
        "sign a part",
        prepare=prepare_open,
        act=sign,
        again=all_of(sign, pushed_again(LARGE)),
        ends=there(LARGE),
        clean_ends=open_still,
    ),
    Scenario(
        "complete, in parts",
        prepare=prepare_sent(Kind.MULTIPART, LARGE),
        act=complete,
        ends=there(LARGE),
        least=3,
    ),
    Scenario(
        "complete, in parts, and the client begins anew",
        prepare=prepare_sent(Kind.MULTIPART, LARGE),
        act=complete,
        again=pushed_again(LARGE),
        ends=there(LARGE),
        least=3,
        is_like="complete, in parts",
    ),
    Scenario(
        "complete, of one part",
        prepare=prepare_sent(Kind.SINGLE),
        act=complete,
        ends=there(ONE),
        least=3,
    ),
    Scenario(
        "complete with parts that the store does not have",
        prepare=prepare_lacking,
        act=complete_and_be_refused,
        again=complete_again,
        ends=open_again_or_sent_anew,
        least=3,
    ),
    Scenario(
        "joined to another size than was announced",
        prepare=prepare_short(Kind.MULTIPART),
        act=complete_and_be_refused,
        again=complete_again,
        ends=refused(ONE, "Expected"),
        settings=NO_SIGNING,
        least=3,
    ),
    Scenario(
        "one part of another size than was announced",
        prepare=prepare_short(Kind.SINGLE),
        act=complete_and_be_refused,
        again=complete_again,
        ends=refused(ONE, "Expected"),
        settings=NO_SIGNING,
        least=2,
    ),
    Scenario(
        "a joining that was left is gone on with",
        prepare=prepare_joining,
        act=sweeping(sweeps.resume_joining),
        again=pushed_again(LARGE),
        ends=there(LARGE),
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "a joining that was left when the store had joined",
        prepare=prepare_joined,
        act=sweeping(sweeps.resume_joining),
        ends=there(LARGE),
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "a joining whose parts the store has lost",
        prepare=prepare_joining_of_lost_parts,
        act=sweeping(sweeps.resume_joining),
        ends=refused(ONE, "no longer has the parts"),
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "abort",
        prepare=prepare_sent(Kind.MULTIPART),
        act=abort,
        ends=ended(State.ABORTED),
        least=2,
    ),
    Scenario(
        "expire",
        prepare=prepare_idle,
        act=sweeping(sweeps.expire_idle, sweeps.drop_left_parts),
        again=pushed_again(ONE),
        ends=lambda world: None if world.image(ONE) else ended(State.EXPIRED)(world),
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "drop parts that an ended upload has left",
        prepare=prepare_left_parts,
        act=sweeping(sweeps.drop_left_parts),
        ends=ended(State.ABORTED),
        by_sweep=True,
        least=2,
    ),
    Scenario(
        "drop parts that no row knows",
        prepare=prepare_unknown_parts,
        act=sweeping(sweeps.drop_unknown_parts),
        ends=none_open,
        by_sweep=True,
    ),
    Scenario(
        "drop a claim that never came",
        prepare=prepare_idle_claim,
        act=sweeping(sweeps.drop_idle_claims),
        ends=not_there(ONE),
        by_sweep=True,
    ),
    Scenario(
        "one body",
        prepare=nothing,
        act=send_body(ONE),
        ends=there(ONE),
        least=6,
    ),
    Scenario(
        "one body of other bytes",
        prepare=nothing,
        act=send_body(TWO),
        ends=body_refused,
        least=6,
    ),
    Scenario(
        "one body that breaks off",
        prepare=nothing,
        act=send_body(ONE[:-1]),
        again=send_body(ONE),
        ends=there(ONE),
        clean_ends=ended(State.ABORTED),
        least=4,
        is_like="one body",
    ),
    Scenario(
        "a file of a folder is imported",
        prepare=nothing,
        act=import_file,
        again=import_again,
        ends=there(ONE, "latest"),
        least=8,
    ),
)

VERIFICATION: tuple[Scenario, ...] = (
    Scenario(
        "verified and done, tags move",
        prepare=prepare_verifying,
        act=verify,
        again=pushed_again(ONE, "latest", "new"),
        ends=tags_have_moved,
        by_sweep=True,
        least=2,
    ),
    Scenario(
        "verified, and the bytes were there already",
        prepare=prepare_known_elsewhere,
        act=verify,
        again=pushed_again(ONE),
        ends=kept_once,
        by_sweep=True,
        least=5,
    ),
    Scenario(
        "two uploads of one image",
        prepare=prepare_twice,
        act=verify,
        again=pushed_again(ONE),
        ends=kept_once,
        by_sweep=True,
        least=7,
    ),
    Scenario(
        "verified, and the image was removed meanwhile",
        prepare=prepare_removed_meanwhile,
        act=verify,
        ends=nobody_wants_it,
        by_sweep=True,
        least=5,
        is_like="verified, and the bytes were there already",
    ),
    Scenario(
        "refused for other bytes",
        prepare=prepare_other_bytes,
        act=verify,
        ends=other_bytes_refused,
        by_sweep=True,
        settings=NO_SIGNING,
        least=5,
    ),
    Scenario(
        "refused for other bytes, and the client sends the right ones",
        prepare=prepare_other_bytes,
        act=verify,
        again=pushed_again(ONE, "latest"),
        ends=lambda world: None,
        by_sweep=True,
        settings=NO_SIGNING,
        least=5,
    ),
    Scenario(
        "refused, being no SIF",
        prepare=prepare_script,
        act=verify,
        ends=refused(SCRIPT, "no SIF image"),
        by_sweep=True,
        least=5,
    ),
    Scenario(
        "refused, frozen meanwhile",
        prepare=prepare_frozen,
        act=verify,
        ends=refused(ONE, "was frozen"),
        by_sweep=True,
        least=5,
        is_like="refused, being no SIF",
    ),
    Scenario(
        "refused, the right to push lost meanwhile",
        prepare=prepare_right_lost,
        act=verify,
        ends=refused(ONE, "may no longer push"),
        by_sweep=True,
        least=5,
        is_like="refused, being no SIF",
    ),
    *(
        Scenario(
            f"refused, the {kind} removed meanwhile",
            prepare=prepare_place_removed(kind),
            act=verify,
            ends=refused(ONE, "may no longer push"),
            by_sweep=True,
            least=5,
            is_like="" if kind == "container" else "refused, the container removed meanwhile",
        )
        for kind in ("container", "collection")
    ),
)

TAGS: tuple[Scenario, ...] = (
    Scenario("link at announcement", prepare_readable_elsewhere, link, there(ONE), least=4),
    Scenario(
        "two tags by one request",
        prepare_two_images,
        set_tags,
        there(TWO, "latest", "new"),
    ),
    Scenario(
        "a tag of an image that is being verified",
        prepare_untagged_verifying,
        set_pending_tag,
        there(ONE, "latest"),
    ),
    Scenario("a tag is removed", prepare_two_images, remove_tag, only_one_tag),
)

REMOVAL: tuple[Scenario, ...] = (
    Scenario("an image is removed", prepare_to_remove, remove_one, removed_one),
    Scenario(
        "an image is removed for good at once",
        prepare_to_remove,
        all_of(lambda world: world.kept.clear(), remove_one),
        not_there(ONE),
        settings={"REMOVED_KEEP_DAYS": 0},
    ),
    Scenario("an image comes back", prepare_removed, restore_one, came_back),
    Scenario(
        "an image comes back that was pushed again",
        prepare_removed_and_pushed_again,
        restore_one,
        came_back,
    ),
    *(
        Scenario(f"a {kind} is removed", prepare_place(kind), remove_place, place_is_removed)
        for kind in ("container", "collection")
    ),
    *(
        Scenario(f"a {kind} comes back", prepare_removed_place(kind), restore_place, place_is_back)
        for kind in ("container", "collection")
    ),
    *(
        Scenario(
            f"a removed {kind} goes for good",
            prepare_removed_place(kind),
            remove_for_good,
            dropped_place,
            is_like="" if kind == "container" else "a removed container goes for good",
        )
        for kind in ("container", "collection")
    ),
    Scenario(
        "a removed image past its time is dropped",
        prepare_past(prepare_removed),
        sweeping(dropping.drop_images),
        dropped_one,
        by_sweep=True,
    ),
    Scenario(
        "a removed image past its time shares its bytes",
        prepare_shared,
        sweeping(dropping.drop_images),
        shared_bytes_stay,
        by_sweep=True,
    ),
    *(
        Scenario(
            f"a removed {kind} past its time is dropped",
            prepare_past(prepare_removed_place(kind)),
            sweeping(sweeps.drop_left_parts, sweeps.drop_removed),
            dropped_place,
            by_sweep=True,
            least=6,
            is_like=(
                "" if kind == "collection" else "what is in a container past its time goes together"
            ),
        )
        for kind in ("container", "collection")
    ),
    Scenario(
        "condemned bytes are collected",
        prepare_condemned("condemned", "condemned"),
        sweeping(sweeps.collect_condemned),
        collected,
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "condemned bytes are collected, and somebody pushes them again",
        prepare_condemned("condemned", "condemned"),
        sweeping(sweeps.collect_condemned),
        only_condemned_ones_go,
        again=pushed_again(ONE),
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "bytes that were left leaving are collected",
        prepare_condemned("leaving", "condemned"),
        sweeping(sweeps.collect_condemned),
        collected,
        by_sweep=True,
        least=3,
    ),
    Scenario(
        "a backup pauses the collection",
        prepare_condemned("condemned", "leaving"),
        pause_and_collect,
        collected_after_the_pause,
        by_sweep=True,
        least=5,
    ),
    Scenario("an account is deleted", prepare_account, delete_account, account_is_gone),
    Scenario(
        "what a deleted account had is removed",
        prepare_retired,
        sweeping(removal.empty_retired),
        account_is_gone,
        by_sweep=True,
        least=2,
    ),
)

SCENARIOS = (*UPLOADS, *VERIFICATION, *TAGS, *REMOVAL)

# What is run on a real store too: every verb of the store that changes anything, killed on both
# sides. The rest differs only in rows, and rows are in a real Postgres in any case.
ON_A_REAL_STORE = tuple(
    scenario
    for scenario in SCENARIOS
    if scenario.name
    in {
        "a whole push of one part",
        "complete, of one part",
        "one body",
        "abort",
        "expire",
        "drop parts that no row knows",
        "joined to another size than was announced",
        "verified, and the bytes were there already",
        "condemned bytes are collected",
    }
)
