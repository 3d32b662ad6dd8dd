"""A registry that nobody else uses, people of it, and the seed by which the same requests come."""

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.registry import Registry
from tests.fuzz.campaign import Campaign
from tests.fuzz.standing import make_world
from tests.fuzz.world import World
from tests.quickstart.running import Quickstart, clean_environment, running

SEEN = pytest.StashKey[list[str]]()
SEED = pytest.StashKey[int]()

# All requests come from one address, and most tokens are wrong.
LIMITS = ("LIMIT_BAD_TOKENS", "LIMIT_ANONYMOUS_SEARCHES", "LIMIT_USER_SEARCHES")
UNLIMITED = clean_environment(**dict.fromkeys(LIMITS, "0"))

MakeCampaign = Callable[..., Campaign]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fuzz: 100,000 odd requests, for minutes; `make fuzz`")
    config.stash[SEED] = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().getrandbits(32))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long form out unless it is asked for."""
    if "fuzz" in str(config.option.markexpr):
        return
    long = [item for item in items if item.get_closest_marker("fuzz")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was asked, and the seed by which the same is asked again."""
    if config.stash.get(SEEN, []):
        terminalreporter.section("fuzz")
        terminalreporter.write_line(f"FUZZ_SEED={config.stash[SEED]}")
        for line in config.stash[SEEN]:
            terminalreporter.write_line(line)


@pytest.fixture
def registry() -> Iterator[Registry]:
    """One for the test; the database of a registry that root starts has to enter the folder."""
    place = Path(tempfile.mkdtemp(prefix="shub-fuzz-", dir="/tmp"))
    place.chmod(0o755)
    try:
        with running(Quickstart(place / "data", environment=UNLIMITED)) as quickstart:
            yield Registry(quickstart)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def world(registry: Registry) -> World:
    return make_world(registry.live)


@pytest.fixture
def make_campaign(request: pytest.FixtureRequest, registry: Registry, world: World) -> MakeCampaign:
    """Runs `count` requests, for `seconds` at most, and keeps what was seen for the report."""

    def make(*, count: int, seconds: float) -> Campaign:
        seed = request.config.stash[SEED]
        campaign = Campaign(world, registry.live.url, seed, count, seconds)
        campaign.run()
        request.config.stash.setdefault(SEEN, []).append(str(campaign))
        return campaign

    return make
