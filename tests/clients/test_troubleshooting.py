"""The page of typical mistakes still shows what the client says."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import mistakes
from tests.clients.live import Live
from tests.clients.mistakes import MISTAKES, PAGE, Desk

# The first test of a session starts the registry and may have to fetch its client.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def desk(live: Live, apptainer_program: Path) -> Iterator[Desk]:
    with tempfile.TemporaryDirectory(prefix="shub-mistakes-") as folder:
        yield Desk(live, apptainer_program, Path(folder))


def test_the_page_shows_every_mistake_once() -> None:
    page = PAGE.read_text()

    assert sorted(mistakes.marks(page)) == sorted(MISTAKES)
    for name in MISTAKES:
        assert mistakes.block(page, name), name


# Of those that cost a second, the ones whose words are the registry's own.
@pytest.mark.parametrize(
    "name",
    [
        "wrong-token-at-login",
        "https-to-http",
        "wrong-token-at-push",
        "expired-token",
        "somebody-elses-entity",
        "full-quota",
        "illegal-tag",
        "truncated-sif",
        "delete-without-right",
    ],
)
def test_the_client_still_says_what_the_page_shows(desk: Desk, name: str) -> None:
    said = "\n".join(desk.tidied(done) for done in MISTAKES[name].make(desk))

    assert failures(said) == failures(mistakes.block(PAGE.read_text(), name)), said
    assert failures(said)


def failures(said: str) -> list[str]:
    """The lines that tell how it ended. What comes before them is the client's alone."""
    return [line for line in said.splitlines() if line.startswith("FATAL")]
