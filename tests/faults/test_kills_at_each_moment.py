"""The long form: each process is hit at each moment of a push, and any of them at any moment.

Run by `make moments`, for some minutes. FAULTS_SEED chooses the moments (it is printed at the end),
FAULTS_ROUNDS how many are left to chance.
"""

import os
import random
from collections.abc import Callable

import pytest

from tests.faults import course
from tests.faults.conftest import MakeBench
from tests.faults.course import LOST_PART_BYTES, Course
from tests.faults.pushing import Moment
from tests.faults.registry import Victim

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

Note = Callable[[Course], None]

ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 12)

# Large enough for the moments to last; the smaller one for those that are not waited for.
IMAGE_BYTES = 400 << 20
SMALLER_BYTES = 200 << 20

# How long after its beginning a moment may be hit: about as long as it lasts.
LATER_SECONDS = {Moment.SENDING: 0.8, Moment.JOINING: 0.05, Moment.VERIFYING: 0.8}

# From before the first request to after the last one, for the smaller image.
PUSH_SECONDS = 3.0

# In verification longer than the lease of 15 s, so that another thread takes over.
FROZEN_SECONDS = {Moment.SENDING: 5, Moment.JOINING: 5, Moment.VERIFYING: 20}


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("victim", Victim)
def test_a_push_is_hit_at_a_moment_of_its_course(
    make_bench: MakeBench, note: Note, chance: random.Random, victim: Victim, moment: Moment
) -> None:
    bench = make_bench(size=IMAGE_BYTES)
    later = chance.uniform(0, LATER_SECONDS[moment])
    seen = course.run(
        bench,
        f"kill -9 {victim}",
        course.at(moment, bench.registry, later=later),
        course.killing(bench.registry, victim),
    )
    note(seen)
    assert seen.lost_bytes <= (LOST_PART_BYTES if victim is Victim.STORE else 0)


@pytest.mark.parametrize("moment", Moment)
def test_a_store_that_stands_still_for_a_while_delays_a_push_and_no_more(
    make_bench: MakeBench, note: Note, moment: Moment
) -> None:
    bench = make_bench(size=IMAGE_BYTES)
    seconds = FROZEN_SECONDS[moment]
    seen = course.run(
        bench,
        f"SIGSTOP {Victim.STORE}, SIGCONT {seconds} s later",
        course.at(moment, bench.registry),
        course.freezing(bench.registry, Victim.STORE, seconds),
    )
    note(seen)
    assert seen.first.returncode == 0, seen.first
    assert seen.lost_bytes == 0


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_anything_is_hit_at_any_moment(
    make_bench: MakeBench, note: Note, chance: random.Random, _round: int
) -> None:
    bench = make_bench(size=SMALLER_BYTES)
    victim = chance.choice(list(Victim))
    seen = course.run(
        bench,
        f"kill -9 {victim}",
        course.after(chance.uniform(0, PUSH_SECONDS)),
        course.killing(bench.registry, victim),
    )
    note(seen)
    assert seen.lost_bytes <= (LOST_PART_BYTES if victim is Victim.STORE else 0)
