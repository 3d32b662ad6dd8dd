"""Containers only where they are asked for."""

from collections.abc import Iterator

import pytest

from tests.deployment import front as fronts
from tests.deployment.front import Behind, Front


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "deployment: by a Docker engine; `make deployment`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the containers out unless they are asked for."""
    if "deployment" in str(config.option.markexpr):
        return
    contained = [item for item in items if item.get_closest_marker("deployment")]
    if contained:
        config.hook.pytest_deselected(items=contained)
        items[:] = [item for item in items if item not in contained]


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
