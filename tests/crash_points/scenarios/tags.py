"""Of tags, and of images that come without being sent."""

from shub.containers import tagging
from shub.errors import NotFound
from tests.crash_points.breaking import Scenario
from tests.crash_points.scenarios.steps import there
from tests.crash_points.world import ONE, OTHER_PATH, TWO, World, digest_of


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
