"""The libraries that the CLIs of both families are built on, against a live registry.

Each test runs once for each version. What only the CLI does (signing, its cache, its remotes) is
tested with the CLI.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import MakeSif
from tests.clients.library_program import LibraryProgram
from tests.clients.live import Live
from tests.clients.outcome import assert_done, assert_refused
from tests.sif_files import digest_of

# The first test of a session starts the registry; building a program may first fetch a compiler.
pytestmark = pytest.mark.timeout(900)

NewLibrary = Callable[..., LibraryProgram]

MIB = 1 << 20

# It has a token's beginning and length, so that a client takes it; it is nobody's.
WRONG_TOKEN = "shub_" + "0" * 219


@pytest.fixture
def owner(new_library: NewLibrary, live: Live) -> LibraryProgram:
    return new_library(live.token)


@pytest.fixture
def anonymous(new_library: NewLibrary) -> LibraryProgram:
    return new_library()


def test_an_image_is_pushed_and_pulled_by_tag_and_by_hash(
    owner: LibraryProgram, anonymous: LibraryProgram, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    pushed = owner.push(image.path, f"{ref}:v1,latest", description="Made by a test")

    assert_done(pushed)
    assert pushed.answer["result"]["containerUrl"].lstrip("/") == ref.replace("://", "/"), pushed
    for name in ("v1", "latest", f"sha256.{image.digest}"):
        pulled = folder / "pulled.sif"
        outcome = anonymous.pull(f"{ref}:{name}", pulled)
        assert_done(outcome)
        assert outcome.answer["result"] == {"hash": f"sha256.{image.digest}", "size": MIB}
        assert digest_of(pulled) == image.digest


def test_200_mib_arrive_in_parts_and_come_back_equal(
    owner: LibraryProgram, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=200 * MIB)
    pulled = folder / "pulled.sif"

    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert live.uploads(image.digest) == [("multipart", "done", 4)]
    assert_done(owner.pull(f"{ref}:v1", pulled))
    assert digest_of(pulled) == image.digest


def test_a_second_push_of_the_same_image_sends_nothing(
    owner: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1"))
    before = live.uploads(image.digest)

    again = owner.push(image.path, f"{ref}:v2")

    assert_done(again)
    assert again.answer["result"] is None, again
    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["v1", "v2"]


def test_a_push_with_a_wrong_token_is_refused_in_words(
    new_library: NewLibrary, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = new_library(WRONG_TOKEN).push(image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


def test_a_push_without_a_token_is_refused_in_words(
    anonymous: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = anonymous.push(image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


def test_a_push_into_somebody_elses_entity_is_refused_in_words(
    owner: LibraryProgram, live: Live, strangers_token: str, make_sif: MakeSif
) -> None:
    image = make_sif()

    refused = owner.push(image.path, "library://stranger/clients/container:v1")

    assert_refused(refused, "You may not push there", live.username, live.entity)
    assert live.uploads(image.digest) == []


def test_an_image_that_is_not_there_is_missing(
    owner: LibraryProgram, folder: Path, ref: str
) -> None:
    pulled = folder / "pulled.sif"

    refused = owner.pull(f"{ref}:v1", pulled)

    assert_refused(refused, "image does not exist in the library")
    assert not pulled.exists()


def test_a_private_image_is_its_owners_and_missing_for_others(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    new_library: NewLibrary,
    live: Live,
    strangers_token: str,
    folder: Path,
    make_sif: MakeSif,
    collection: str,
) -> None:
    image = make_sif()
    ref = f"library://{live.entity}/{collection}/container"
    assert_done(owner.push(image.path, f"{ref}:v1"))
    live.make_private(collection)
    pulled = folder / "pulled.sif"

    assert_done(owner.pull(f"{ref}:v1", pulled))
    assert digest_of(pulled) == image.digest

    for other in (anonymous, new_library(strangers_token)):
        for name in ("v1", f"sha256.{image.digest}"):
            refused = other.pull(f"{ref}:{name}", folder / "not-pulled.sif")
            assert_refused(refused, "image does not exist in the library")
