"""One live registry for the session, and clients with homes of their own."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests import sif_files
from tests.clients import live as registry
from tests.clients import obtain
from tests.clients.apptainer import Apptainer
from tests.clients.library_program import LibraryProgram
from tests.clients.live import Live

VERSIONS = pytest.StashKey[list[str]]()

numbers = itertools.count(1)


@dataclass(frozen=True)
class Sif:
    """An image to push, and the digest of its bytes."""

    path: Path
    digest: str


class MakeSif(Protocol):
    """A new image of `size` bytes, like no other of the session."""

    def __call__(self, *, size: int = 1 << 20, **what: Any) -> Sif: ...


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which versions were tested: they are those of the day, not pinned ones."""
    for line in config.stash.get(VERSIONS, []):
        terminalreporter.write_line(f"client: {line}")


def have(config: pytest.Config, get: Callable[[], obtain.Client]) -> Path:
    """The client's path. Where it is missing the test is skipped, and fails in CI."""
    try:
        client = get()
    except obtain.Missing as lack:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(str(lack), pytrace=False)
        pytest.skip(str(lack))
    config.stash.setdefault(VERSIONS, []).append(client.version)
    return client.path


@pytest.fixture(scope="session")
def apptainer_program(request: pytest.FixtureRequest) -> Path:
    return have(request.config, obtain.apptainer)


@pytest.fixture(scope="session", params=obtain.go_client_names())
def library_program(request: pytest.FixtureRequest) -> Path:
    return have(request.config, lambda: obtain.go_client(request.param))


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The registry that all tests share; each works under a container name of its own."""
    with registry.started() as running:
        yield running


@pytest.fixture(scope="session")
def strangers_token(live: Live) -> str:
    """Opens the door to somebody who owns the entity `stranger`."""
    return live.register("stranger")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that is gone after the test: pytest would keep images of three sessions."""
    with tempfile.TemporaryDirectory(prefix="shub-client-") as path:
        yield Path(path)


@pytest.fixture
def make_sif(folder: Path) -> MakeSif:
    def make(*, size: int = 1 << 20, **what: Any) -> Sif:
        number = next(numbers)
        path = folder / f"image-{number}.sif"
        digest = sif_files.write_sif(path, size=size, **{"seed": number, **what})
        return Sif(path, digest)

    return make


@pytest.fixture
def ref(live: Live) -> str:
    """A container that nobody has pushed to, in a public collection."""
    return f"library://{live.entity}/clients/container-{next(numbers)}"


@pytest.fixture
def collection() -> str:
    """The name of a collection that is not there yet, for one test to do with as it likes."""
    return f"collection-{next(numbers)}"


@pytest.fixture
def new_apptainer(apptainer_program: Path, folder: Path) -> Callable[[], Apptainer]:
    """Makes users of the CLI who have never used it."""
    return lambda: Apptainer(apptainer_program, folder / f"home-{next(numbers)}")


@pytest.fixture
def owner(new_apptainer: Callable[[], Apptainer], live: Live) -> Apptainer:
    """A user of the CLI who is logged in as the entity's owner."""
    cli = new_apptainer()
    cli.use_remote(live.url, token=live.token)
    return cli


@pytest.fixture
def anonymous(new_apptainer: Callable[[], Apptainer], live: Live) -> Apptainer:
    """A user of the CLI who knows the registry and is not logged in."""
    cli = new_apptainer()
    cli.use_remote(live.url)
    return cli


@pytest.fixture
def new_library(library_program: Path, folder: Path, live: Live) -> Callable[..., LibraryProgram]:
    """Makes users of the Go program, logged in with `token` where one is given."""

    def make(token: str = "") -> LibraryProgram:
        home = folder / f"home-{next(numbers)}"
        home.mkdir()
        return LibraryProgram(library_program, home, live.library, token)

    return make
