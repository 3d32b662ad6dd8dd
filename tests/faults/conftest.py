"""Registries to be hit, each from a copy of one data folder, and what was seen when they were."""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import sif_files
from tests.clients import obtain
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import have
from tests.faults.course import Bench
from tests.faults.registry import Registry
from tests.quickstart.running import Quickstart, clean_environment, end, running

# Settings of a registry of the tests, which say nothing without its wires.
collect_ignore = ["proxied.py"]

SEEN = pytest.StashKey[list[str]]()
SEED = pytest.StashKey[int]()

MakeBench = Callable[..., Bench]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "faults: kills at every moment, for minutes; `make moments`")
    config.stash[SEED] = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().getrandbits(32))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long form out unless it is asked for."""
    if "faults" in str(config.option.markexpr):
        return
    long = [item for item in items if item.get_closest_marker("faults")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was seen, and the seed by which the same moments come again."""
    if config.stash.get(SEEN, []):
        terminalreporter.section("faults")
        terminalreporter.write_line(f"FAULTS_SEED={config.stash[SEED]}")
        for line in config.stash[SEEN]:
            terminalreporter.write_line(line)


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[object], None]:
    """Keeps what was seen for the end of the report."""
    seen = request.config.stash.setdefault(SEEN, [])
    return lambda what: seen.append(str(what))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The test's own: with the same seed it does the same, whichever tests run beside it."""
    return random.Random(f"{request.config.stash[SEED]} {request.node.name}")


@pytest.fixture(scope="session")
def apptainer_program(request: pytest.FixtureRequest) -> Path:
    return have(request.config, obtain.apptainer)


@pytest.fixture(scope="session")
def session_place() -> Iterator[Path]:
    """A folder that others can enter, for the database of a registry that root starts."""
    path = Path(tempfile.mkdtemp(prefix="shub-faults-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def used_folder(session_place: Path) -> Path:
    """A data folder after its first start and stop: the next start is a short one."""
    quickstart = Quickstart(session_place / "used")
    with running(quickstart):
        pass
    return quickstart.data_dir


@pytest.fixture
def make_bench(
    apptainer_program: Path, used_folder: Path, session_place: Path
) -> Iterator[MakeBench]:
    """Starts a registry of its own, with these settings, for an image of `size` bytes; all is gone
    after the test."""
    place = Path(tempfile.mkdtemp(dir=session_place))
    place.chmod(0o755)
    started = []

    def make(*, size: int, **environment: str) -> Bench:
        # cp keeps the owners, which shutil does not.
        subprocess.run(["cp", "-a", str(used_folder), str(place / "data")], check=True)
        quickstart = Quickstart(place / "data", environment=clean_environment(**environment))
        started.append(quickstart)
        facts = quickstart.start()
        cli = Apptainer(apptainer_program, place / "home")
        cli.use_remote(facts["url"], token=facts["token"])
        image = place / "image.sif"
        digest = sif_files.write_sif(image, size=size)
        ref = f"library://{facts['entity']}/faults/container:v1"
        return Bench(Registry(quickstart), cli, image, digest, ref)

    try:
        yield make
    finally:
        for quickstart in started:
            end(quickstart)
        shutil.rmtree(place, ignore_errors=True)
