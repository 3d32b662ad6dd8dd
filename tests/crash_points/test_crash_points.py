"""Whoever is killed, before or after whatever lasting change: nothing that was acknowledged is
lost, nothing is left behind, and nothing is stuck."""

import re
from typing import Any

import pytest

from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.clients.live import PROJECT
from tests.crash_points import breaking
from tests.crash_points.acts import Act
from tests.crash_points.breaking import Scenario
from tests.crash_points.care import CARE
from tests.crash_points.scenarios import ON_A_REAL_STORE, SCENARIOS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

WAYS = [
    pytest.param(scenario, way, marks=[pytest.mark.faults] if scenario.is_like else [])
    for scenario in (*SCENARIOS, *CARE)
    for way in scenario.ways
]
REAL_WAYS = [(scenario, way) for scenario in ON_A_REAL_STORE for way in scenario.ways]


# By name and kind of store: each is run cleanly once, whatever the ways of going on.
_learned: dict[tuple[str, bool], list[Act]] = {}


def acts_of(scenario: Scenario, make_store: Any = None) -> list[Act]:
    key = scenario.name, make_store is not None
    if key not in _learned:
        _learned[key] = breaking.learn(scenario, make_store)
    return _learned[key]


@pytest.mark.parametrize(("scenario", "way"), WAYS, ids=str)
def test_killed_at_any_act_nothing_is_lost_left_or_stuck(
    scenario: Scenario, way: str, kills: list[int]
) -> None:
    count, faults = breaking.faults(scenario, way, acts=acts_of(scenario))
    kills.append(count)
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("scenario", "way"), REAL_WAYS, ids=str)
def test_on_a_real_store_it_is_the_same(
    scenario: Scenario, way: str, store: ObjectStore, kills: list[int], new_bucket: Any
) -> None:
    count, faults = breaking.faults(scenario, way, new_bucket, acts_of(scenario, new_bucket))
    kills.append(count)
    assert not faults, "\n".join(faults)


def test_the_docs_name_each_scenario_where_its_transition_stands() -> None:
    page = (PROJECT / "docs/explanation/life-of-bytes.md").read_text(encoding="utf-8")
    listed = page.partition("### Which scenario kills which")[2]
    told = re.findall(r"`([^`]+)`", "".join(re.findall(r"(?m)^\|[^|]*\|([^|]*)\|$", listed)))
    kinds = rf"\b({'|'.join(['container', 'collection', *Upload.Kind.values])})\b"
    named = {re.sub(kinds, "KIND", scenario.name) for scenario in (*SCENARIOS, *CARE)}
    assert {re.sub(kinds, "KIND", name) for name in told} == named


def test_what_is_of_the_long_form_is_like_one_of_the_short() -> None:
    short = {scenario.name for scenario in (*SCENARIOS, *CARE) if not scenario.is_like}
    assert {scenario.is_like for scenario in (*SCENARIOS, *CARE) if scenario.is_like} <= short
