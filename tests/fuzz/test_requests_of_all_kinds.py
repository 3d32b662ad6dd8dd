"""The short form, run with all tests: some thousand random and mutated requests."""

import pytest

from tests.faults.registry import Registry
from tests.fuzz import aftermath
from tests.fuzz.conftest import MakeCampaign
from tests.fuzz.world import World

pytestmark = pytest.mark.timeout(300)

COUNT = 3_000

# Half of this on a machine that does nothing else.
SECONDS = 60


def test_no_request_is_answered_wrongly_and_none_leaves_anything(
    make_campaign: MakeCampaign, registry: Registry, world: World
) -> None:
    check(make_campaign, registry, count=COUNT, seconds=SECONDS)


def check(make_campaign: MakeCampaign, registry: Registry, *, count: int, seconds: float) -> None:
    """Ask so much; look at the answers, then at the log, then at what is left."""
    before = aftermath.take_standing(registry.live)
    campaign = make_campaign(count=count, seconds=seconds)
    assert not campaign.faults, campaign.report()
    assert campaign.asked >= count // 10, f"too slow: {campaign}"
    aftermath.assert_quiet_logs(registry)
    found = aftermath.sweep_until_quiet(registry)
    aftermath.assert_nothing_left(found)
    aftermath.assert_explained(registry.live, before)
    aftermath.assert_quiet_logs(registry)
