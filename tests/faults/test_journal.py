"""What a journal says must be, and what may be; and that a plan comes again with its seed."""

from itertools import islice

import pytest

from tests.faults import journal
from tests.faults.journal import AWAY, THERE, Act, End, Kind
from tests.faults.saboteur import KINDS, plan

PLACE = "mara/rounds/c1"


def act(
    kind: Kind, digest: str, begun_at: float, *, tag: str = "", end: End = End.DONE, cuts: int = 0
) -> Act:
    """One that took a second."""
    return Act("c1", kind, PLACE, digest, tag, begun_at, begun_at + 1, end, cuts)


@pytest.mark.parametrize(
    ("acts", "values"),
    [
        ([act(Kind.PUSH, "a", 0)], {THERE}),
        ([act(Kind.PUSH, "a", 0), act(Kind.DELETE, "a", 2)], {AWAY}),
        ([act(Kind.PUSH, "a", 0), act(Kind.DELETE, "a", 0.5)], {AWAY, THERE}),
        ([act(Kind.PUSH, "a", 0, cuts=1), act(Kind.DELETE, "a", 2)], {AWAY, THERE}),
        ([act(Kind.PUSH, "a", 0, end=End.CUT, cuts=1)], {AWAY, THERE}),
        ([act(Kind.PUSH, "a", 0), act(Kind.DELETE, "a", 2, end=End.REFUSED)], {THERE}),
        ([act(Kind.PUSH, "a", 0), act(Kind.DELETE, "a", 2, end=End.CUT, cuts=1)], {AWAY, THERE}),
        (
            [act(Kind.PUSH, "a", 0), act(Kind.DELETE, "a", 2), act(Kind.RESTORE, "a", 4)],
            {THERE},
        ),
    ],
)
def test_an_image_is_what_the_last_sure_word_says_or_what_came_with_or_after_it(
    acts: list[Act], values: set[str]
) -> None:
    assert journal.images(acts)[PLACE, "a"].values == values


@pytest.mark.parametrize(
    ("acts", "values"),
    [
        ([act(Kind.TAG, "a", 0, tag="t")], {"a"}),
        ([act(Kind.TAG, "a", 0, tag="t"), act(Kind.TAG, "b", 2, tag="t")], {"b"}),
        ([act(Kind.TAG, "a", 0, tag="t"), act(Kind.TAG, "b", 0.5, tag="t")], {"a", "b"}),
        ([act(Kind.TAG, "a", 0, tag="t", cuts=2), act(Kind.TAG, "b", 2, tag="t")], {"a", "b"}),
        ([act(Kind.TAG, "a", 0, tag="t"), act(Kind.DELETE, "a", 2)], {"a", ""}),
        ([act(Kind.DELETE, "a", 0), act(Kind.TAG, "a", 2, tag="t")], {"a"}),
        ([act(Kind.TAG, "a", 0, tag="t"), act(Kind.DELETE, "b", 2)], {"a"}),
        (
            [
                act(Kind.TAG, "a", 0, tag="t"),
                act(Kind.DELETE, "a", 2),
                act(Kind.TAG, "b", 4, tag="t"),
                act(Kind.DELETE, "b", 6),
                act(Kind.RESTORE, "a", 8),
            ],
            {"", "a", "b"},
        ),
    ],
)
def test_a_tag_means_what_the_last_sure_word_says_unless_its_image_went_or_came_back(
    acts: list[Act], values: set[str]
) -> None:
    assert journal.tags(acts)[PLACE, "t"].values == values


def test_a_tag_that_waited_for_an_image_that_was_deleted_unproven_means_what_it_meant() -> None:
    acts = [
        act(Kind.TAG, "a", 0, tag="t"),
        act(Kind.TAG, "b", 2, tag="t"),
        act(Kind.DELETE, "b", 4),
    ]
    assert "a" not in journal.tags(acts)[PLACE, "t"].values
    never_moved = frozenset({(PLACE, "t", "b")})
    assert journal.tags(acts, never_moved=never_moved)[PLACE, "t"].values == {"a", "b", ""}


def test_a_seed_brings_the_same_plan_again_and_all_kinds_of_faults_are_in_it() -> None:
    victims, wires = ("web", "sweep", "store"), ("front", "store")
    first, again = (list(islice(plan("7", victims, wires), 400)) for _ in range(2))
    assert first == again
    assert first != list(islice(plan("8", victims, wires), 400))
    assert {fault.kind for fault in first} == set(KINDS)
    assert {fault.target for fault in first} == {*victims, *wires}
    assert max(fault.seconds for fault in first) <= 20
