"""Of an upload, its verdict: done, or refused, for every reason that there is."""

from shub.containers import freezing, granting, removal
from shub.containers.models import Collection, Image, Role, TagMove
from shub.uploads import verification
from shub.uploads.models import Upload
from tests.crash_points.breaking import Scenario, Step
from tests.crash_points.scenarios.steps import (
    NO_SIGNING,
    SCRIPT,
    not_there,
    pushed_again,
    refused,
    there,
)
from tests.crash_points.world import ONE, OTHER_PATH, THREE, TWO, World, digest_of

State = Upload.State


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
