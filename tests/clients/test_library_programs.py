"""The libraries that the CLIs of both families are built on, against a live registry.

Each test runs once for each version. What only the CLI does (signing, its cache, its remotes) is
tested with the CLI. Where a release has no command for what a test asks, the test is skipped.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import MakeSif, NewLibrary
from tests.clients.library_program import Cannot, LibraryProgram, Release
from tests.clients.live import WRONG_TOKEN, Live
from tests.clients.outcome import Outcome, assert_done, assert_refused
from tests.sif_files import digest_of

# The first test of a session starts the registry; building a program may first fetch a compiler.
pytestmark = pytest.mark.timeout(900)

MIB = 1 << 20

# Above 64 MiB clients send parts, of that size: two.
TWO_PARTS = 70 * MIB


@pytest.fixture
def owner(new_library: NewLibrary, live: Live) -> LibraryProgram:
    return new_library(live.token)


@pytest.fixture
def anonymous(new_library: NewLibrary) -> LibraryProgram:
    return new_library()


@pytest.fixture
def stranger(new_library: NewLibrary, strangers_token: str) -> LibraryProgram:
    return new_library(strangers_token)


def assert_pulled(user: LibraryProgram, ref: str, digest: str, *, arch: str = "") -> None:
    """The user gets exactly the bytes of this digest."""
    pulled = user.home / "pulled.sif"
    assert_done(user.pull(ref, pulled, arch=arch))
    assert digest_of(pulled) == digest
    pulled.unlink()


def assert_missing(user: LibraryProgram, ref: str, *, arch: str = "") -> None:
    """The user is told that there is no such image, and is left without a file."""
    pulled = user.home / "not-pulled.sif"
    assert_refused(user.pull(ref, pulled, arch=arch), "image does not exist in the library")
    assert not pulled.exists()


# Pushing


@pytest.mark.action("push")
def test_an_image_is_pushed_under_two_tags(
    owner: LibraryProgram, anonymous: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    assert_done(owner.push(image.path, f"{ref}:v1,latest", description="Made by a test"))

    assert live.uploads(image.digest) == [("single", "done", 1)]
    assert live.tags(image.digest) == ["latest", "v1"]
    assert len(live.stored(image.digest)) == 1
    for name in ("v1", "latest"):
        assert_pulled(anonymous, f"{ref}:{name}", image.digest)


@pytest.mark.action("push-parts")
def test_70_mib_arrive_and_come_back_equal(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    release: Release,
    live: Live,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif(size=TWO_PARTS)

    assert_done(owner.push(image.path, f"{ref}:v1"))

    parts = ("multipart", "done", 2) if release.sends_parts else ("single", "done", 1)
    assert live.uploads(image.digest) == [parts]
    for user in (owner, anonymous):
        assert_pulled(user, f"{ref}:v1", image.digest)


@pytest.mark.action("push-again")
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


@pytest.mark.action("push-linked")
def test_an_image_that_its_pusher_has_in_another_container_is_not_sent_again(
    owner: LibraryProgram, anonymous: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1"))
    before = live.uploads(image.digest)

    assert_done(owner.push(image.path, f"{ref}-copy:v2"))

    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["v1", "v2"]
    assert len(live.stored(image.digest)) == 1
    assert_pulled(anonymous, f"{ref}-copy:v2", image.digest)
    assert_missing(anonymous, f"{ref}:v2")


@pytest.mark.action("push-arches")
def test_a_tag_means_one_image_for_each_architecture(
    owner: LibraryProgram, anonymous: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    images = {arch: make_sif(arch=arch) for arch in ("arm64", "amd64")}
    for arch, image in images.items():
        assert_done(owner.push(image.path, f"{ref}:v1", arch=arch))

    for arch, image in images.items():
        assert_pulled(anonymous, f"{ref}:v1", image.digest, arch=arch)


@pytest.mark.action("push-untagged")
def test_an_image_without_a_tag_is_kept_and_can_be_tagged_by_a_later_push(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    release: Release,
    live: Live,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif()
    default = [release.default_tag] if release.default_tag else []

    assert_done(owner.push(image.path, ref))

    before = live.uploads(image.digest)
    assert live.tags(image.digest) == default
    assert_pulled(anonymous, f"{ref}:sha256.{image.digest}", image.digest)

    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == [*default, "v1"]
    assert_pulled(anonymous, f"{ref}:v1", image.digest)


@pytest.mark.action("push-one-body")
def test_70_mib_arrive_as_one_body_where_parts_are_switched_off(
    new_library: NewLibrary, live_without_parts: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=TWO_PARTS)
    owner = new_library(live_without_parts.token, url=live_without_parts.library)

    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert live_without_parts.uploads(image.digest) == [("single", "done", 1)]
    assert_pulled(owner, f"{ref}:v1", image.digest)


@pytest.mark.action("push-old")
def test_an_image_is_sent_to_the_library_itself_where_that_says_it_is_old(
    new_library: NewLibrary,
    anonymous: LibraryProgram,
    older_library: str,
    live: Live,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif()
    owner = new_library(live.token, url=older_library)

    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert [upload[:2] for upload in live.uploads(image.digest)] == [("body", "done")]
    assert live.tags(image.digest) == ["v1"]
    assert_pulled(anonymous, f"{ref}:v1", image.digest)


@pytest.mark.action("usage")
def test_a_push_is_answered_with_the_quota_and_the_address(
    new_library: NewLibrary,
    release: Release,
    frugals_token: str,
    live: Live,
    make_sif: MakeSif,
    collection: str,
) -> None:
    if not release.reads_usage:
        raise Cannot("This release reads nothing of the answer to a push.")
    live.set_quota("frugal", 1 << 30)
    owner = new_library(frugals_token)
    image = make_sif()

    pushed = owner.push(image.path, f"library://frugal/{collection}/container:v1")

    assert_done(pushed)
    told = pushed.answer["result"]
    assert told["containerUrl"].lstrip("/") == f"library/frugal/{collection}/container", pushed
    assert told["quotaTotal"] == 1 << 30, pushed
    assert MIB <= told["quotaUsage"] < 1 << 30, pushed


# Pulling


@pytest.mark.action("pull-tag")
def test_a_public_image_is_pulled_without_a_token(
    owner: LibraryProgram, anonymous: LibraryProgram, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=12 * MIB)
    assert_done(owner.push(image.path, f"{ref}:v1"))
    pulled = folder / "pulled.sif"

    outcome = anonymous.pull(f"{ref}:v1", pulled)

    assert_done(outcome)
    assert outcome.answer["result"] == {"hash": f"sha256.{image.digest}", "size": 12 * MIB}
    assert digest_of(pulled) == image.digest


@pytest.mark.action("pull-token")
def test_a_public_image_is_pulled_by_those_who_are_logged_in(
    owner: LibraryProgram, stranger: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=12 * MIB)
    assert_done(owner.push(image.path, f"{ref}:v1"))

    for user in (owner, stranger):
        assert_pulled(user, f"{ref}:v1", image.digest)


@pytest.mark.action("pull-token")
def test_no_token_is_taken_along_to_a_store_that_refuses_it(
    new_library: NewLibrary, live_strict: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=12 * MIB)
    owner = new_library(live_strict.token, url=live_strict.library)
    anonymous = new_library(url=live_strict.library)
    assert_done(owner.push(image.path, f"{ref}:v1"))

    for user in (owner, anonymous):
        assert_pulled(user, f"{ref}:v1", image.digest)


@pytest.mark.action("pull-hash")
def test_an_image_is_pulled_by_its_hash(
    owner: LibraryProgram, anonymous: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1"))

    for user in (owner, anonymous):
        assert_pulled(user, f"{ref}:sha256.{image.digest}", image.digest)


@pytest.mark.action("pull-short")
def test_a_short_reference_means_the_sites_own_images(
    owner: LibraryProgram, anonymous: LibraryProgram, make_sif: MakeSif, collection: str
) -> None:
    image, other = make_sif(), make_sif()
    name = collection
    assert_done(owner.push(image.path, f"library://library/default/{name}:latest,v1"))
    assert_done(owner.push(other.path, f"library://library/{collection}/{name}:v1"))

    for user in (owner, anonymous):
        assert_pulled(user, f"library://{name}", image.digest)
        assert_pulled(user, f"library://{name}:v1", image.digest)
        assert_pulled(user, f"library://{collection}/{name}:v1", other.digest)


@pytest.mark.action("pull-private")
def test_a_private_image_is_pulled_by_its_owner(
    owner: LibraryProgram, live: Live, make_sif: MakeSif, collection: str
) -> None:
    image = make_sif(size=12 * MIB)
    ref = f"library://{live.entity}/{collection}/container"
    assert_done(owner.push(image.path, f"{ref}:v1"))
    live.make_private(collection)

    for name in ("v1", f"sha256.{image.digest}"):
        assert_pulled(owner, f"{ref}:{name}", image.digest)


@pytest.mark.action("pull-stream")
def test_an_image_is_pulled_from_a_registry_that_streams_to_everybody(
    new_library: NewLibrary, live_streaming: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=12 * MIB)
    owner = new_library(live_streaming.token, url=live_streaming.library)
    anonymous = new_library(url=live_streaming.library)
    assert_done(owner.push(image.path, f"{ref}:v1"))

    for user in (owner, anonymous):
        assert_pulled(user, f"{ref}:v1", image.digest)


# Searching


@pytest.mark.action("search")
def test_a_search_finds_what_the_caller_may_see(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    live: Live,
    make_sif: MakeSif,
    collection: str,
) -> None:
    needle = f"needle-in-{collection}"
    shown, hidden = make_sif(), make_sif()
    assert_done(owner.push(shown.path, f"library://{live.entity}/clients/{needle}:v1,v2"))
    assert_done(owner.push(hidden.path, f"library://{live.entity}/{collection}/{needle}:v1"))
    live.make_private(collection)

    found = found_images(anonymous.search(needle))

    assert [image["hash"] for image in found] == [f"sha256.{shown.digest}"]
    (image,) = found
    assert sorted(image["tags"]) == ["v1", "v2"]
    names = (image["entityName"], image["collectionName"], image["containerName"])
    assert names == (live.entity, "clients", needle)
    assert {image["hash"] for image in found_images(owner.search(needle))} == {
        f"sha256.{shown.digest}",
        f"sha256.{hidden.digest}",
    }
    assert found_images(anonymous.search(f"no-{needle}")) == []


@pytest.mark.action("search")
def test_a_search_finds_containers_and_their_tags(
    owner: LibraryProgram, anonymous: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    name = f"{ref.rpartition('/')[2]}-of-a-search"
    assert_done(owner.push(image.path, f"library://{live.entity}/clients/{name}:v1,v2"))

    (container,) = anonymous.search(name).answer["result"]["container"]

    assert container["name"] == name
    assert set(container["imageTags"]) == {"v1", "v2"}


@pytest.mark.action("search-arch")
def test_a_search_finds_the_images_of_one_architecture(
    owner: LibraryProgram, anonymous: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    needle = ref.rpartition("/")[2]
    images = {arch: make_sif(arch=arch) for arch in ("amd64", "arm64")}
    for arch, image in images.items():
        assert_done(owner.push(image.path, f"{ref}-needle:v1", arch=arch))

    for arch, image in images.items():
        found = found_images(anonymous.search(f"{needle}-needle", arch=arch))
        assert [(each["arch"], each["hash"]) for each in found] == [
            (arch, f"sha256.{image.digest}")
        ]


def found_images(search: Outcome) -> list[dict[str, Any]]:
    """The images that a search found; none may be null, as old clients have it."""
    assert_done(search)
    images: list[dict[str, Any]] = search.answer["result"]["image"]
    return images


# Deleting


@pytest.mark.action("delete")
def test_a_deleted_image_goes_with_all_its_tags(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    live: Live,
    make_sif: MakeSif,
    ref: str,
    unwanted: list[str],
) -> None:
    image, other = make_sif(), make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1,v2"))
    assert_done(owner.push(other.path, f"{ref}:v3"))

    assert_done(owner.delete(f"{ref}:v1"))

    assert live.tags(image.digest) == []
    for name in ("v1", "v2", f"sha256.{image.digest}"):
        for user in (owner, anonymous):
            assert_missing(user, f"{ref}:{name}")
    assert_pulled(anonymous, f"{ref}:v3", other.digest)
    # Again there is nothing to delete.
    assert_refused(owner.delete(f"{ref}:v1"), "not found")
    unwanted.append(image.digest)


@pytest.mark.action("delete-hash")
def test_an_image_is_deleted_by_its_hash(
    owner: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert_done(owner.delete(f"{ref}:sha256.{image.digest}"))

    assert live.tags(image.digest) == []
    for name in ("v1", f"sha256.{image.digest}"):
        assert_missing(owner, f"{ref}:{name}")


@pytest.mark.action("delete-arch")
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_image_of_one_architecture_is_deleted_and_the_other_stays(
    owner: LibraryProgram, make_sif: MakeSif, ref: str, arch: str
) -> None:
    images = {arch: make_sif(arch=arch) for arch in ("amd64", "arm64")}
    for each, image in images.items():
        assert_done(owner.push(image.path, f"{ref}:v1", arch=each))

    assert_done(owner.delete(f"{ref}:v1", arch=arch))

    (other,) = images.keys() - {arch}
    assert_missing(owner, f"{ref}:v1", arch=arch)
    assert_pulled(owner, f"{ref}:v1", images[other].digest, arch=other)


# Missing


@pytest.mark.action("missing")
def test_an_image_that_is_not_there_is_missing(
    owner: LibraryProgram, anonymous: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    for user in (owner, anonymous):
        assert_missing(user, f"{ref}:v1")
        assert_missing(user, f"{ref}:sha256.{'0' * 64}")

    assert_done(owner.push(make_sif().path, f"{ref}:v1"))

    assert_missing(anonymous, f"{ref}:v2")


@pytest.mark.action("missing-arch")
def test_an_image_of_another_architecture_is_missing(
    owner: LibraryProgram, make_sif: MakeSif, ref: str
) -> None:
    assert_done(owner.push(make_sif().path, f"{ref}:v1"))

    assert_missing(owner, f"{ref}:v1", arch="arm64")


@pytest.mark.action("missing-private")
def test_a_private_image_is_missing_for_others(
    owner: LibraryProgram,
    anonymous: LibraryProgram,
    stranger: LibraryProgram,
    live: Live,
    make_sif: MakeSif,
    collection: str,
) -> None:
    image = make_sif()
    ref = f"library://{live.entity}/{collection}/container"
    assert_done(owner.push(image.path, f"{ref}:v1"))
    live.make_private(collection)

    for user in (anonymous, stranger):
        for name in ("v1", f"sha256.{image.digest}"):
            assert_missing(user, f"{ref}:{name}")


# Refused


@pytest.mark.action("refused-token")
def test_a_push_with_a_wrong_token_is_refused_in_words(
    new_library: NewLibrary, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = new_library(WRONG_TOKEN).push(image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-nobody")
def test_a_push_without_a_token_is_refused_in_words(
    anonymous: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = anonymous.push(image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-elsewhere")
def test_a_push_into_somebody_elses_entity_is_refused_in_words(
    stranger: LibraryProgram, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = stranger.push(image.path, f"{ref}:v1")

    assert_refused(refused, "You may not push there", "stranger")
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-quota")
@pytest.mark.parametrize("size", [2 * MIB, TWO_PARTS])
def test_a_push_over_the_quota_is_refused_in_words(
    new_library: NewLibrary,
    frugals_token: str,
    live: Live,
    make_sif: MakeSif,
    collection: str,
    unwanted: list[str],
    size: int,
) -> None:
    live.set_quota("frugal", MIB)
    image = make_sif(size=size)
    owner = new_library(frugals_token)
    ref = f"library://frugal/{collection}/container"

    refused = owner.push(image.path, f"{ref}:v1")

    assert_refused(refused, "quota", "frugal")
    assert live.uploads(image.digest) == []
    assert_missing(owner, f"{ref}:v1")
    unwanted.append(image.digest)


@pytest.mark.action("refused-no-sif")
def test_what_is_no_image_is_refused_in_words(
    owner: LibraryProgram,
    live: Live,
    folder: Path,
    make_sif: MakeSif,
    ref: str,
    unwanted: list[str],
) -> None:
    earlier = make_sif()
    assert_done(owner.push(earlier.path, f"{ref}:v1"))
    file = folder / f"{ref.rpartition('/')[2]}.sif"
    file.write_bytes(random.Random(ref).randbytes(MIB))

    refused = owner.push(file, f"{ref}:v1")

    assert_refused(refused, "SIF")
    digest = digest_of(file)
    assert [state for _, state, _ in live.uploads(digest)] == ["refused"]
    assert_missing(owner, f"{ref}:sha256.{digest}")
    unwanted.append(digest)
    # The tag means what it meant.
    assert_pulled(owner, f"{ref}:v1", earlier.digest)


@pytest.mark.action("refused-delete")
def test_somebody_elses_image_is_not_deleted(
    owner: LibraryProgram,
    stranger: LibraryProgram,
    anonymous: LibraryProgram,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif()
    assert_done(owner.push(image.path, f"{ref}:v1"))

    assert_refused(stranger.delete(f"{ref}:v1"), "You may not delete", "stranger")
    assert_refused(anonymous.delete(f"{ref}:v1"), "token", "remote login")

    assert_pulled(anonymous, f"{ref}:v1", image.digest)
