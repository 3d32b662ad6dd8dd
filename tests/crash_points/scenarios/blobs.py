"""Of a blob: condemned bytes are collected, or come back, or wait for a backup."""

from django.utils import timezone

from shub.containers import pausing
from shub.containers.models import Blob, CollectionPause, RemovedImage
from shub.uploads import sweeps
from tests.crash_points.breaking import Scenario, Step
from tests.crash_points.scenarios.steps import pushed_again, sweeping, there
from tests.crash_points.world import ONE, THREE, TWO, World, digest_of


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


BLOBS: tuple[Scenario, ...] = (
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
)
