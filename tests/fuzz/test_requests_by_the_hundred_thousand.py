"""The long form, run by `make fuzz`: FUZZ_REQUESTS of them (100,000), in FUZZ_MINUTES (40) at most.

FUZZ_SEED chooses them; it is printed at the end. The threads take turns as they like, so what one
of them finds in the registry is not the same each time.
"""

import os

import pytest

from tests.faults.registry import Registry
from tests.fuzz.conftest import MakeCampaign
from tests.fuzz.test_requests_of_all_kinds import check
from tests.fuzz.world import World

REQUESTS = int(os.environ.get("FUZZ_REQUESTS") or 100_000)
MINUTES = float(os.environ.get("FUZZ_MINUTES") or 40)

# What a run leaves is swept by the hundred.
AFTERWARDS_SECONDS = 1800

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(MINUTES * 60 + AFTERWARDS_SECONDS)]


def test_no_request_is_answered_wrongly_and_none_leaves_anything(
    make_campaign: MakeCampaign, registry: Registry, world: World
) -> None:
    check(make_campaign, registry, count=REQUESTS, seconds=MINUTES * 60)
