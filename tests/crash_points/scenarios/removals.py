"""Of a removal: of an image, a container, a collection, an account; and the way back."""

from shub.accounts.models import User
from shub.audit.models import Event
from shub.containers import deletion, dropping, freezing, removal, restoring
from shub.containers.models import Container, Image, RemovedImage
from shub.errors import NotFound
from shub.uploads import sweeps
from tests.crash_points.breaking import Scenario, Step
from tests.crash_points.scenarios.steps import all_of, not_there, sweeping, there
from tests.crash_points.scenarios.tags import link
from tests.crash_points.world import LATER, ONE, OTHER_PATH, PATH, THREE, TWO, World, digest_of
from tests.factories import make_person


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
