"""Rounds of faults under load, in their short form: one of each layout.

The long form is `make faults`. FAULTS_SEED chooses the plan, FAULTS_SECONDS how long a round may
last, FAULTS_ROUNDS how many there are of each layout.
"""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.faults.conftest import SEED
from tests.faults.rounds import LAYOUTS, Ground, Result, ground, play

# The first test of a session may have to fetch its client.
pytestmark = pytest.mark.timeout(600)

SECONDS = float(os.environ.get("FAULTS_SECONDS") or 30)
ROUNDS = int(os.environ.get("FAULTS_ROUNDS") or 1)

# Enough for each kind of process to be hit.
MOST_FAULTS = 15
LONGEST_FREEZE_SECONDS = 3.0


@pytest.fixture(scope="module")
def on() -> Iterator[Ground]:
    with ground() as found:
        yield found


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_acknowledged_outlives_what_is_done_to_the_registry_and_nothing_is_left(
    request: pytest.FixtureRequest,
    on: Ground,
    note: Callable[[Result], None],
    layout: str,
    number: int,
) -> None:
    seed = f"{request.config.stash[SEED]}" + (f".{number}" if number else "")
    result = play(
        layout,
        seed,
        on,
        seconds=SECONDS,
        most_faults=MOST_FAULTS,
        longest_freeze_seconds=LONGEST_FREEZE_SECONDS,
        clients=4,
    )
    note(result)
    assert result.findings == [], str(result)
    assert result.kills >= 1
    assert result.acts["done"]["push"] >= 1
