"""One live registry for the session, and clients with homes of their own."""

import itertools
import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from tests import sif_files
from tests.clients import doors, matrix, obtain
from tests.clients import live as registry
from tests.clients.apptainer import Apptainer
from tests.clients.library_program import Cannot, LibraryProgram, Release
from tests.clients.live import Live
from tests.clients.matrix import Matrix, Seen

VERSIONS = pytest.StashKey[list[str]]()
MATRIX = pytest.StashKey[Matrix]()
VERDICT = pytest.StashKey[list[str]]()

# The CLI's column: its version is that of the day, and no part of the table.
CLI = "apptainer"
CLI_TITLE = "Apptainer, the CLI"

# Where the table is to be written; without it, it is compared with the one in PAGE.
TABLE = "CLIENTS_TABLE"
PAGE = obtain.HERE.parents[1] / "docs" / "reference" / "clients.md"

numbers = itertools.count(1)


@dataclass(frozen=True)
class Sif:
    """An image to push, and the digest of its bytes."""

    path: Path
    digest: str


class MakeSif(Protocol):
    """A new image of `size` bytes, like no other of the session."""

    def __call__(self, *, size: int = 1 << 20, **what: Any) -> Sif: ...


class NewLibrary(Protocol):
    """A new user of the Go program, of another library where `url` names one."""

    def __call__(self, token: str = "", *, url: str = "") -> LibraryProgram: ...


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "action(name): the row of the table that a test stands for")
    config.stash[MATRIX] = Matrix()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down what a client did. One that is not there did nothing."""
    report = yield
    for marker in item.iter_markers("action"):
        (action,) = marker.args
        assert action in matrix.ACTIONS, f"{item.name} stands for {action!r}, which is no row."
        seen = _seen(report, call)
        if seen is not None:
            test = getattr(item, "originalname", item.name)
            item.config.stash[MATRIX].record(_client_of(item), action, seen, test=test)
    return report


def _seen(report: pytest.TestReport, call: pytest.CallInfo[None]) -> Seen | None:
    if report.failed:
        return Seen.FAILED
    if call.excinfo is not None and call.excinfo.errisinstance(Cannot):
        return Seen.CANNOT
    return Seen.DONE if report.passed and report.when == "call" else None


def _client_of(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("library_program", CLI) if callspec else CLI


def columns() -> list[str]:
    """The clients in the order of the table: each family by age, then the CLI."""

    def age(name: str) -> tuple[bool, list[int]]:
        family, _, version = name.partition("-v")
        return family == "apptainer", [int(number) for number in version.split(".")]

    return [*sorted(obtain.go_client_names(), key=age), CLI]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After a run of the whole matrix, write the table, or fail where it is no longer true."""
    seen, page = session.config.stash[MATRIX], os.environ.get(TABLE)
    verdict = session.config.stash.setdefault(VERDICT, [])
    if not seen.is_complete(columns()):
        if page:
            verdict.append(f"No table was written into {page}: not every test took place.")
        return
    seen.titles[CLI] = CLI_TITLE
    table = seen.table(columns())
    if page:
        matrix.write_table(Path(page), table)
        verdict.append(f"The table in {page} is what was seen.")
    elif different := matrix.differences(matrix.table_in(PAGE), table):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        verdict.append(f"{PAGE.name} does not show what was seen; {TABLE}=FILE writes it anew:")
        verdict.extend(different)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which versions were tested: they are those of the day, not pinned ones."""
    for line in config.stash.get(VERSIONS, []):
        terminalreporter.write_line(f"client: {line}")
    for line in config.stash.get(VERDICT, []):
        terminalreporter.write_line(f"table: {line}")


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
def release(request: pytest.FixtureRequest, library_program: Path) -> Release:
    """What the Go program stands for."""
    found = Release.of(library_program)
    request.config.stash[MATRIX].titles[library_program.name] = found.cli
    return found


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """The registry that all tests share; each works under a container name of its own. What is
    removed is not kept: what then remains is asked for."""
    with registry.started(REMOVED_KEEP_DAYS="0", CONDEMNED_KEEP_DAYS="0") as running:
        yield running


@pytest.fixture(scope="session")
def live_without_parts() -> Iterator[Live]:
    """A second registry, which takes each image as one body."""
    with registry.started(MINIO_MULTIPART_UPLOAD="false") as running:
        yield running


@pytest.fixture(scope="session")
def live_streaming() -> Iterator[Live]:
    """A third one, which sends nobody to the store."""
    with registry.started(STREAM_ALWAYS="true") as running:
        yield running


@pytest.fixture(scope="session")
def live_strict() -> Iterator[Live]:
    """A fourth one, whose store is on its own host and refuses whoever brings a token along."""
    with doors.strict_store() as door:
        host = urlsplit(door.url).netloc
        with registry.started(MINIO_EXTERNAL_SERVER=host) as running:
            door.host = urlsplit(running.store["endpoint"]).netloc
            yield running


@pytest.fixture(scope="session")
def older_library(live: Live) -> Iterator[str]:
    """An address of the first registry at which its library seems to be of 2018."""
    with doors.older_library(live.url) as url:
        yield url


@pytest.fixture(scope="session")
def address_without_port(live: Live) -> Iterator[str]:
    """The first registry's address as `remote add` takes it."""
    try:
        door = doors.without_port(live.url)
    except PermissionError:
        pytest.skip("Only root may listen on port 80, and `remote add` takes no other port.")
    with door as url:
        yield url


@pytest.fixture(scope="session")
def unwanted() -> list[str]:
    """Digests of which nothing may be in the store in the end: deleted, or never accepted."""
    return []


@pytest.fixture(scope="session")
def strangers_token(live: Live) -> str:
    """Opens the door to somebody who owns the entity `stranger`."""
    return live.register("stranger")


@pytest.fixture(scope="session")
def frugals_token(live: Live) -> str:
    """Opens the door to somebody who owns the entity `frugal`, which has a quota."""
    return live.register("frugal")


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
def stranger(new_apptainer: Callable[[], Apptainer], live: Live, strangers_token: str) -> Apptainer:
    """A user of the CLI who is logged in as somebody else."""
    cli = new_apptainer()
    cli.use_remote(live.url, token=strangers_token)
    return cli


@pytest.fixture
def frugal(new_apptainer: Callable[[], Apptainer], live: Live, frugals_token: str) -> Apptainer:
    """A user of the CLI who is logged in as the one with a quota."""
    cli = new_apptainer()
    cli.use_remote(live.url, token=frugals_token)
    return cli


@pytest.fixture
def new_library(release: Release, folder: Path, live: Live) -> NewLibrary:
    """Makes users of the Go program, logged in with `token` where one is given."""

    def make(token: str = "", *, url: str = "") -> LibraryProgram:
        home = folder / f"home-{next(numbers)}"
        home.mkdir()
        return LibraryProgram(release.program, home, url or live.library, token)

    return make
