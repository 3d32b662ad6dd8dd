"""Containers only where they are asked for."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deployment import front as fronts
from tests.deployment import site as sites
from tests.deployment.front import Behind, Front


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "deployment: by a Docker engine; `make deployment`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the containers out unless they are asked for."""
    if "deployment" in str(config.option.markexpr):
        lack = sites.engine_missing()
        for item in items:
            if lack and item.get_closest_marker("deployment"):
                item.add_marker(pytest.mark.skip(reason=lack))
        return
    contained = [item for item in items if item.get_closest_marker("deployment")]
    if contained:
        config.hook.pytest_deselected(items=contained)
        items[:] = [item for item in items if item not in contained]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how long each step took."""
    if sites.TIMES in config.stash:
        terminalreporter.section("deployment")
        for what, seconds in config.stash[sites.TIMES].seconds.items():
            terminalreporter.write_line(f"{seconds:7.1f} s  {what}")


@pytest.fixture
def web() -> Iterator[Behind]:
    """In the registry's place."""
    with fronts.recording() as behind:
        yield behind


@pytest.fixture
def store() -> Iterator[Behind]:
    """In the store's place."""
    with fronts.recording() as behind:
        yield behind


@pytest.fixture
def front(web: Behind, store: Behind) -> Iterator[Front]:
    """The deployed nginx.conf before the two."""
    with fronts.running(web=web.host, store=store.host) as running:
        yield running
