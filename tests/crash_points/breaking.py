"""Breaking: a scenario is run cleanly to learn its acts, then once for each point at which it can
be killed, in each way that things go on afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.test import override_settings

from shub.storage import ObjectStore
from tests.crash_points import judging
from tests.crash_points.acts import AFTER, BEFORE, Act, Course, Killed, Point
from tests.crash_points.world import LATER, SOON, World, inhabited

Step = Callable[[World], None]
MakeStore = Callable[[], ObjectStore] | None


def nothing(world: World) -> None:
    """No step."""


@dataclass(frozen=True)
class Scenario:
    """One transition, or a few that belong together.

    prepare: what is there before. act: what is killed, at each act of it. again: what is done by
    whoever asked, after the kill; a client pushes again. A `by_sweep` act is done again by the
    sweeps, and there is nobody who would ask: `again` is then something that a client does
    meanwhile. ends: what holds when it was done, whether it was killed on its way or not.
    """

    name: str
    prepare: Step
    act: Step
    ends: Step
    again: Step | None = None
    clean_ends: Step | None = None
    """What holds after the act alone, where that is not what `again` comes to."""
    by_sweep: bool = False
    by_hand: bool = False
    """No sweep goes on with it: whoever asked has to ask again."""
    least: int = 1
    """So many acts at least: a scenario that does nothing tests nothing."""
    is_like: str = ""
    """The scenario whose acts these are too, for another reason: this one is of the long form."""
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    @property
    def ways(self) -> tuple[str, ...]:
        """How things go on after a kill."""
        if self.by_hand:
            return (AGAIN,)
        return (SWEEPS, AGAIN) if self.again or not self.by_sweep else (SWEEPS,)

    def go_on(self, world: World) -> None:
        """What whoever asked does after the kill."""
        (self.again or self.act)(world)


# Only the sweeps run; or whoever asked does it again first.
SWEEPS, AGAIN = "sweeps", "again"


def learn(scenario: Scenario, make_store: MakeStore = None) -> list[Act]:
    """The acts of a clean run, which ends as it should."""
    with override_settings(**scenario.settings), inhabited(make_store) as world:
        scenario.prepare(world)
        judging.assert_honest(world)
        course = Course()
        _do(scenario.act, world, course)
        judging.assert_honest(world)
        _soon(world)
        (scenario.clean_ends or scenario.ends)(world)
        _settle(world)
    acts = course.acts
    assert len(acts) >= scenario.least, f"{scenario}: only {[act.what for act in acts]}"
    return acts


def points(acts: list[Act], way: str) -> list[Point]:
    """Where it is killed: before the first act, between each two, and after the last.

    What is after the one is before the next: nothing lasting lies between. So each side of an act
    is tried with one of the ways of going on.
    """
    if way == SWEEPS:
        return [*(Point(act, BEFORE) for act in acts), Point(acts[-1], AFTER)]
    return [Point(acts[0], BEFORE), *(Point(act, AFTER) for act in acts)]


def break_at(point: Point, scenario: Scenario, way: str, make_store: MakeStore = None) -> None:
    """Run it, killed at the point, and go on that way; judged at every step."""
    with override_settings(**scenario.settings), inhabited(make_store) as world:
        scenario.prepare(world)
        course = Course(point)
        try:
            _do(scenario.act, world, course)
        except Killed:
            pass
        assert course.is_dead, f"{point}: nothing was killed"
        judging.assert_honest(world)
        if way == AGAIN:
            scenario.go_on(world)
            judging.assert_honest(world)
        world.sweep()
        judging.assert_honest(world)
        _soon(world)
        if way == AGAIN or scenario.by_sweep:
            scenario.ends(world)
        _settle(world)


def faults(
    scenario: Scenario, way: str, make_store: MakeStore = None, acts: list[Act] | None = None
) -> tuple[int, list[str]]:
    """How many kills there were, and what was wrong after which of them. `acts` are those of a
    clean run, where there was one already."""
    every = points(acts or learn(scenario, make_store), way)
    wrong = (fault_at(point, scenario, way, make_store) for point in every)
    return len(every), [fault for fault in wrong if fault]


def fault_at(point: Point, scenario: Scenario, way: str, make_store: MakeStore = None) -> str:
    """What was wrong after this kill; empty where nothing was: each point is tried, and all faults
    are told."""
    try:
        break_at(point, scenario, way, make_store)
    except Exception as fault:  # noqa: BLE001  whatever it is, it was found
        return f"{scenario}, {point}, then {way}: {type(fault).__name__}: {fault}"
    return ""


def _do(act: Step, world: World, course: Course) -> None:
    world.store.course = course
    try:
        with course.watched():
            act(world)
    finally:
        world.store.course = None
        if course.is_dead:
            connection.close()


def _soon(world: World) -> None:
    """Some minutes later: leases have ended, and what was left by others is gone on with."""
    _until(judging.assert_arrived, world, lambda: world.pass_time(SOON), times=2)


def _settle(world: World) -> None:
    """Past UPLOAD_IDLE_HOURS, and all that is kept."""
    world.kept.clear()
    world.pass_time(LATER)
    # Images first, then what they were in: a pass for each.
    _until(judging.assert_settled, world, lambda: None, times=4)


def _until(holds: Step, world: World, meanwhile: Callable[[], None], *, times: int) -> None:
    """Sweep, so many times at most, until it holds."""
    for left in reversed(range(times)):
        meanwhile()
        world.sweep()
        try:
            holds(world)
        except AssertionError:
            if not left:
                raise
        else:
            return
