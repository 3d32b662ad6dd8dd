"""Of an upload: begun, sent, joined, given up, expired; as parts, as one body, from a folder."""

import io
import tempfile
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag

from shub.containers import ledger
from shub.containers.models import Blob
from shub.errors import Invalid, Refusal
from shub.operations.importing import files
from shub.operations.importing.naming import Target
from shub.operations.importing.planning import Planned
from shub.operations.importing.taking import Work, take
from shub.storage.keys import blob_key
from shub.uploads import body, joining, multipart, sweeps, verification
from shub.uploads.models import Upload
from tests.crash_points.breaking import Scenario, Step, nothing
from tests.crash_points.scenarios.steps import (
    NO_SIGNING,
    all_of,
    ended,
    none_open,
    not_there,
    pushed_again,
    refused,
    sweeping,
    there,
)
from tests.crash_points.world import LARGE, ONE, PART_BYTES, SOON, TOMORROW, TWO, World, digest_of

State = Upload.State
Kind = Upload.Kind

UNKNOWN = blob_key("ab" * 32, "0" * 24)


# ── a push ──
def whole_push(kind: Kind, content: bytes) -> Step:
    """From its first request to its last, and the proof of it."""

    def act(world: World) -> None:
        world.push(content, "latest", kind=kind)
        verification.verify_next()

    return act


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
