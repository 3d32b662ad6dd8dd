"""A push whose verification takes longer than clients are kept waiting, by each library."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import live as registry
from tests.clients.conftest import MakeSif
from tests.clients.library_program import LibraryProgram, Release
from tests.clients.live import Live
from tests.clients.outcome import assert_done
from tests.sif_files import digest_of

pytestmark = pytest.mark.timeout(900)

MIB = 1 << 20
PATIENCE_SECONDS = 120


@pytest.fixture(scope="module")
def impatient() -> Iterator[Live]:
    """A registry that keeps nobody waiting for a verdict."""
    with registry.started(VERIFY_WAIT_SECONDS="0") as running:
        yield running


@contextlib.contextmanager
def nobody_verifies(live: Live) -> Iterator[None]:
    """The sweep stands still meanwhile, as if what it reads were very large."""
    os.kill(live.pids["sweep"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(live.pids["sweep"], signal.SIGCONT)


def pulled(user: LibraryProgram, ref: str) -> str:
    """The digest of what the user gets."""
    file = user.home / "pulled.sif"
    assert_done(user.pull(ref, file))
    found = digest_of(file)
    file.unlink()
    return found


def test_a_push_ends_before_its_image_is_proven_and_the_tag_moves_by_itself(
    impatient: Live, release: Release, folder: Path, make_sif: MakeSif
) -> None:
    home = folder / "home"
    home.mkdir()
    owner = LibraryProgram(release.program, home, impatient.library, impatient.token)
    name = release.program.name.replace(".", "-").lower()
    ref = f"library://{impatient.entity}/clients/{name}"
    before, large = make_sif(), make_sif(size=70 * MIB)
    assert_done(owner.push(before.path, f"{ref}:v1"))
    await_tag(impatient, before.digest)

    with nobody_verifies(impatient):
        assert_done(owner.push(large.path, f"{ref}:v1"))
        ((_, state, _),) = impatient.uploads(large.digest)
        assert state == "verifying"
        assert pulled(owner, f"{ref}:v1") == before.digest
        assert impatient.tags(large.digest) == []

    await_tag(impatient, large.digest)
    assert impatient.tags(before.digest) == []
    assert pulled(owner, f"{ref}:v1") == large.digest


def await_tag(live: Live, digest: str) -> None:
    """Return once a tag means these bytes."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while live.tags(digest) != ["v1"]:
        assert time.monotonic() < give_up_at, live.uploads(digest)
        time.sleep(0.1)
