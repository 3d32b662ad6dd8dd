"""Places for data folders, and one that has been used once."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.quickstart.running import Quickstart, running


@pytest.fixture(scope="session")
def session_place() -> Iterator[Path]:
    """A folder that others can enter: pytest's own are closed, which a start by root notices."""
    path = Path(tempfile.mkdtemp(prefix="quickstart-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def place(session_place: Path) -> Iterator[Path]:
    """A new folder for one test."""
    path = Path(tempfile.mkdtemp(dir=session_place))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def used_folder(session_place: Path) -> Path:
    """A data folder after its first start and stop."""
    quickstart = Quickstart(session_place / "used")
    with running(quickstart):
        pass
    return quickstart.data_dir


@pytest.fixture
def used(used_folder: Path, place: Path) -> Callable[[str], Quickstart]:
    """Makes a quickstart, not running, on a copy of the used folder: its start is a short one."""

    def copy(name: str = "data") -> Quickstart:
        target = place / name
        # cp keeps the owners, which shutil does not.
        subprocess.run(["cp", "-a", str(used_folder), str(target)], check=True)
        return Quickstart(target)

    return copy
