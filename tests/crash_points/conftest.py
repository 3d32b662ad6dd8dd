"""How many kills there were, and buckets for runs on a real store."""

import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest

from shub.containers import fixity
from shub.operations.fsck import looking
from shub.operations.fsck.checks import rows
from shub.storage import ObjectStore

KILLS = pytest.StashKey[list[int]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "faults: kills at every moment, for minutes; `make moments`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long form out unless it is asked for."""
    if "faults" in str(config.option.markexpr):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> list[int]:
    """Takes the number of kills of each test."""
    return request.config.stash.setdefault(KILLS, [])


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how many there were."""
    found = config.stash.get(KILLS, [])
    if found:
        terminalreporter.write_line(
            f"crash points: {sum(found)} kills, {time.process_time():.0f} s on a core"
        )


@pytest.fixture
def new_bucket(store: ObjectStore, settings: Any) -> Callable[[], ObjectStore]:
    """Makes the store empty: each run has a bucket of its own."""

    def make() -> ObjectStore:
        settings.MINIO_BUCKET = f"test-{secrets.token_hex(6)}"
        store.make_bucket()
        return store

    return make


@pytest.fixture(autouse=True)
def _as_scenarios_need_it(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits: neither for a verdict, nor before a second look."""
    settings.VERIFY_WAIT_SECONDS = 0
    settings.UPLOAD_PART_BYTES = 1024**2
    monkeypatch.setattr(fixity, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(rows, "AGAIN_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(looking, "PAUSE_SECONDS", 0.0)
