"""The short form, run with all tests: each process is killed once in the middle of a push."""

from collections.abc import Callable

import pytest

from tests.faults import course
from tests.faults.conftest import MakeBench
from tests.faults.course import LOST_PART_BYTES, Course
from tests.faults.pushing import Moment
from tests.faults.registry import Victim

# The first test of a session may have to fetch its client.
pytestmark = pytest.mark.timeout(600)

# Four parts.
IMAGE_BYTES = 200 << 20


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        (Victim.WEB, Moment.SENDING),
        (Victim.POSTGRES, Moment.SENDING),
        (Victim.STORE, Moment.SENDING),
        (Victim.SWEEP, Moment.VERIFYING),
    ],
)
def test_a_push_that_was_hit_succeeds_when_it_is_repeated_and_nothing_is_left(
    make_bench: MakeBench, note: Callable[[Course], None], victim: Victim, moment: Moment
) -> None:
    bench = make_bench(size=IMAGE_BYTES)
    seen = course.run(
        bench,
        f"kill -9 {victim}",
        course.at(moment, bench.registry),
        course.killing(bench.registry, victim),
    )
    note(seen)
    assert seen.lost_bytes <= (LOST_PART_BYTES if victim is Victim.STORE else 0)
