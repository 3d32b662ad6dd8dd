"""Whoever is killed, before or after whatever lasting change: nothing that was acknowledged is
lost, nothing is left behind, and nothing is stuck."""

from typing import Any

import pytest

from shub.storage import ObjectStore
from tests.crash_points import breaking
from tests.crash_points.breaking import Scenario
from tests.crash_points.scenarios import ON_A_REAL_STORE, SCENARIOS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WAYS = [(scenario, way) for scenario in SCENARIOS for way in scenario.ways]
REAL_WAYS = [(scenario, way) for scenario in ON_A_REAL_STORE for way in scenario.ways]


@pytest.fixture(autouse=True)
def _as_scenarios_need_it(settings: Any) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.UPLOAD_PART_BYTES = 1024**2


@pytest.mark.parametrize(("scenario", "way"), WAYS, ids=str)
def test_killed_at_any_act_nothing_is_lost_left_or_stuck(
    scenario: Scenario, way: str, kills: list[int]
) -> None:
    count, faults = breaking.faults(scenario, way)
    kills.append(count)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("scenario", "way"), REAL_WAYS, ids=str)
def test_on_a_real_store_it_is_the_same(
    scenario: Scenario, way: str, store: ObjectStore, kills: list[int], new_bucket: Any
) -> None:
    count, faults = breaking.faults(scenario, way, new_bucket)
    kills.append(count)
    assert not faults, "\n".join(faults)
