"""The Apptainer CLI against a live registry, as its users type it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients import live as registry
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import MakeSif
from tests.clients.live import Live
from tests.clients.outcome import assert_done, assert_refused
from tests.sif_files import digest_of

# The first test of a session starts the registry and may have to fetch its client.
pytestmark = pytest.mark.timeout(900)

NewApptainer = Callable[[], Apptainer]

MIB = 1 << 20

# It has a token's beginning and length, so that a client takes it; it is nobody's.
WRONG_TOKEN = "shub_" + "0" * 219


# Logging in


def test_remote_login_takes_a_good_token_and_status_says_so(
    anonymous: Apptainer, live: Live
) -> None:
    assert_done(anonymous.run("remote", "login", typed=f"{live.token}\n"))

    status = anonymous.run("remote", "status")

    assert_done(status)
    assert "Valid authentication token set (logged in)" in status.said, status
    assert f"Logged in as: {live.username}" in status.said, status


def test_remote_login_refuses_a_wrong_token_in_words(anonymous: Apptainer) -> None:
    refused = anonymous.run("remote", "login", typed=f"{WRONG_TOKEN}\n")

    assert_refused(refused, "Invalid Credentials")


def test_remote_status_works_without_a_token(anonymous: Apptainer) -> None:
    status = anonymous.run("remote", "status")

    assert_done(status)
    assert "N/A" not in status.said, status


# Pushing


def test_an_unsigned_image_is_pushed_only_when_the_user_insists(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = owner.run("push", image.path, f"{ref}:v1")

    assert_refused(refused, "signature")
    assert live.uploads(image.digest) == []

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert live.tags(image.digest) == ["v1"]


def test_a_signed_image_is_pushed_pulled_and_verified(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    owner.make_key()
    owner.sign(image.path)
    pulled = folder / "pulled.sif"

    assert_done(owner.run("push", image.path, f"{ref}:v1"))
    assert_done(owner.run("pull", pulled, f"{ref}:v1"))

    assert digest_of(pulled) == digest_of(image.path)
    assert_done(owner.run("verify", pulled))


def test_200_mib_arrive_in_parts_and_come_back_equal(
    owner: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=200 * MIB)
    pulled = folder / "pulled.sif"

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1", seconds=300))

    # Four, as the client was told: 64 MiB each, and the remainder.
    assert live.uploads(image.digest) == [("multipart", "done", 4)]

    assert_done(owner.run("pull", pulled, f"{ref}:v1", seconds=300))
    assert digest_of(pulled) == image.digest


def test_a_second_push_of_the_same_image_sends_nothing(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    before = live.uploads(image.digest)

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v2"))

    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["v1", "v2"]


def test_several_tags_are_set_by_one_push(
    owner: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    assert_done(owner.run("push", "-U", image.path, f"{ref}:1.0,1,latest"))

    assert live.tags(image.digest) == ["1", "1.0", "latest"]
    assert_done(owner.run("pull", folder / "pulled.sif", ref))


def test_a_tag_means_one_image_for_each_architecture(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    images = {arch: make_sif(arch=arch) for arch in ("amd64", "arm64")}
    for image in images.values():
        assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    for arch, image in images.items():
        pulled = folder / f"{arch}.sif"
        assert_done(owner.run("pull", "--arch", arch, pulled, f"{ref}:v1"))
        assert digest_of(pulled) == image.digest


def test_a_push_with_a_wrong_token_is_refused_in_words(
    new_apptainer: NewApptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    cli = new_apptainer()
    cli.use_remote(live.url, token=WRONG_TOKEN)

    refused = cli.run("push", "-U", image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


def test_a_push_into_somebody_elses_entity_is_refused_in_words(
    owner: Apptainer, live: Live, strangers_token: str, make_sif: MakeSif
) -> None:
    image = make_sif()

    refused = owner.run("push", "-U", image.path, "library://stranger/clients/container:v1")

    assert_refused(refused, "You may not push there", live.username, live.entity)
    assert live.uploads(image.digest) == []


def test_a_push_into_an_entity_that_is_not_there_reads_the_same(
    owner: Apptainer, live: Live, make_sif: MakeSif
) -> None:
    refused = owner.run("push", "-U", make_sif().path, "library://nobody/clients/container:v1")

    assert_refused(refused, "You may not push there", live.username, live.entity)


# Pulling


def test_an_image_is_pulled_by_its_hash(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    pulled = folder / "pulled.sif"
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(owner.run("pull", pulled, f"{ref}:sha256.{image.digest}"))

    assert digest_of(pulled) == image.digest


def test_a_public_image_is_pulled_without_a_token_from_a_named_library(
    owner: Apptainer, anonymous: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    pulled = folder / "pulled.sif"
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(anonymous.run("pull", "--library", live.library, pulled, f"{ref}:v1"))

    assert digest_of(pulled) == image.digest


def test_an_image_that_is_not_there_is_missing(owner: Apptainer, folder: Path, ref: str) -> None:
    pulled = folder / "pulled.sif"

    refused = owner.run("pull", pulled, f"{ref}:v1")

    assert_refused(refused, "image does not exist in the library")
    assert not pulled.exists()


def test_an_image_of_another_architecture_is_missing(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    assert_done(owner.run("push", "-U", make_sif().path, f"{ref}:v1"))

    refused = owner.run("pull", "--arch", "arm64", folder / "pulled.sif", f"{ref}:v1")

    assert_refused(refused, "image does not exist in the library", "arm64")


def test_a_private_image_is_its_owners_and_missing_for_others(
    owner: Apptainer,
    anonymous: Apptainer,
    new_apptainer: NewApptainer,
    live: Live,
    strangers_token: str,
    folder: Path,
    make_sif: MakeSif,
    collection: str,
) -> None:
    image = make_sif()
    ref = f"library://{live.entity}/{collection}/container:v1"
    assert_done(owner.run("push", "-U", image.path, ref))
    live.make_private(collection)
    stranger = new_apptainer()
    stranger.use_remote(live.url, token=strangers_token)
    pulled, not_pulled = folder / "pulled.sif", folder / "not-pulled.sif"

    # Never from the owner's cache: the bytes must come from the registry again.
    assert_done(owner.run("pull", "--disable-cache", pulled, ref))
    assert digest_of(pulled) == image.digest

    for other in (anonymous, stranger):
        refused = other.run("pull", not_pulled, ref)
        assert_refused(refused, "image does not exist in the library")
        assert not not_pulled.exists()


def test_a_private_image_cannot_be_pulled_by_its_hash_either(
    owner: Apptainer,
    anonymous: Apptainer,
    live: Live,
    folder: Path,
    make_sif: MakeSif,
    collection: str,
) -> None:
    image = make_sif()
    container = f"library://{live.entity}/{collection}/container"
    assert_done(owner.run("push", "-U", image.path, f"{container}:v1"))
    live.make_private(collection)

    refused = anonymous.run("pull", folder / "no.sif", f"{container}:sha256.{image.digest}")

    assert_refused(refused, "image does not exist in the library")


# Another way to send


@pytest.fixture(scope="module")
def live_without_parts() -> Iterator[Live]:
    """A second registry, which takes each image as one body."""
    with registry.started(MINIO_MULTIPART_UPLOAD="false") as running:
        yield running


def test_200_mib_arrive_as_one_body_where_parts_are_switched_off(
    new_apptainer: NewApptainer, live_without_parts: Live, folder: Path, make_sif: MakeSif
) -> None:
    image = make_sif(size=200 * MIB)
    pulled = folder / "pulled.sif"
    ref = f"library://{live_without_parts.entity}/clients/container:v1"
    cli = new_apptainer()
    cli.use_remote(live_without_parts.url, token=live_without_parts.token)

    assert_done(cli.run("push", "-U", image.path, ref, seconds=300))
    assert live_without_parts.uploads(image.digest) == [("single", "done", 1)]

    assert_done(cli.run("pull", pulled, ref, seconds=300))
    assert digest_of(pulled) == image.digest
