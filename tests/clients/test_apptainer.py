"""The Apptainer CLI against a live registry, as its users type it."""

import re
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients import live as registry
from tests.clients.apptainer import Apptainer
from tests.clients.conftest import MakeSif
from tests.clients.live import WRONG_TOKEN, Live
from tests.clients.outcome import assert_done, assert_refused
from tests.sif_files import digest_of

# The first test of a session starts the registry and may have to fetch its client.
pytestmark = pytest.mark.timeout(900)

NewApptainer = Callable[[], Apptainer]

MIB = 1 << 20

# Above 64 MiB clients send parts, of that size: three.
THREE_PARTS = 130 * MIB

MISSING = "image does not exist in the library"


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


def test_a_remote_is_added_used_logged_into_and_removed(
    new_apptainer: NewApptainer, live: Live, address_without_port: str, make_sif: MakeSif, ref: str
) -> None:
    cli = new_apptainer()
    image = make_sif()

    added = cli.run("remote", "add", "--no-login", "--insecure", "mine", address_without_port)
    assert_done(added)
    assert "mine" in cli.run("remote", "list").said
    assert_done(cli.run("remote", "use", "mine"))
    assert_done(cli.run("remote", "login", "mine", typed=f"{live.token}\n"))
    assert "(logged in)" in cli.run("remote", "status", "mine").said

    assert_done(cli.run("push", "-U", image.path, f"{ref}:v1"))
    assert_pulled(cli, f"{ref}:v1", image.digest)

    assert_done(cli.run("remote", "logout", "mine"))
    assert "(logged out)" in cli.run("remote", "status", "mine").said
    assert_refused(cli.run("push", "-U", image.path, f"{ref}:v2"), "remote login")
    assert_pulled(cli, f"{ref}:v1", image.digest)
    assert_done(cli.run("remote", "remove", "mine"))
    assert "mine" not in cli.run("remote", "list").said


def test_an_old_reference_leads_to_the_sites_own_public_image(
    owner: Apptainer, address_without_port: str, make_sif: MakeSif, folder: Path
) -> None:
    image = make_sif()
    tag = f"t{image.digest[:8]}"
    assert_done(owner.run("push", "-U", image.path, f"library://library/old/container:{tag}"))

    host = address_without_port.removeprefix("http://")
    old, pulled = f"shub://{host}/old/container:{tag}", folder / "pulled.sif"
    # The client does not make the folder of its cache that it needs for this kind of reference.
    assert_done(owner.run("pull", "--disable-cache", "--no-https", pulled, old))

    assert digest_of(pulled) == image.digest


def test_the_ready_remote_file_needs_only_a_login(
    new_apptainer: NewApptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    cli = new_apptainer()
    image = make_sif()
    with urllib.request.urlopen(f"{live.url}/remote.yaml") as answer:
        (cli.settings / "remote.yaml").write_bytes(answer.read())

    assert_done(cli.run("remote", "list"))
    assert_refused(cli.run("push", "-U", image.path, f"{ref}:v1"), "remote login")
    assert_done(cli.run("remote", "login", typed=f"{live.token}\n"))
    assert_done(cli.run("push", "-U", image.path, f"{ref}:v1"))

    assert_pulled(cli, f"{ref}:v1", image.digest)


def test_a_login_password_is_asked_for_in_vain_and_shows_no_token(
    owner: Apptainer, live: Live
) -> None:
    asked = owner.run("remote", "get-login-password")

    assert "no token was received" in asked.said, asked
    assert live.token not in asked.said


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


@pytest.mark.action("push")
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


@pytest.mark.action("push-parts")
def test_130_mib_arrive_in_parts_and_come_back_equal(
    owner: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=THREE_PARTS)
    pulled = folder / "pulled.sif"

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1", seconds=300))

    # Three, as the client was told: 64 MiB each, and the remainder.
    assert live.uploads(image.digest) == [("multipart", "done", 3)]

    assert_done(owner.run("pull", pulled, f"{ref}:v1", seconds=300))
    assert digest_of(pulled) == image.digest


@pytest.mark.action("push-again")
def test_a_second_push_of_the_same_image_sends_nothing(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    before = live.uploads(image.digest)

    assert_done(owner.run("push", "-U", image.path, f"{ref}:v2"))

    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["v1", "v2"]


@pytest.mark.action("push")
def test_several_tags_are_set_by_one_push(
    owner: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    assert_done(owner.run("push", "-U", image.path, f"{ref}:1.0,1,latest"))

    assert live.tags(image.digest) == ["1", "1.0", "latest"]
    assert_done(owner.run("pull", folder / "pulled.sif", ref))


@pytest.mark.action("push-linked")
def test_an_image_that_its_pusher_has_in_another_container_is_not_sent_again(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    before = live.uploads(image.digest)

    assert_done(owner.run("push", "-U", image.path, f"{ref}-copy:v2"))

    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["v1", "v2"]
    assert len(live.stored(image.digest)) == 1
    assert_pulled(owner, f"{ref}-copy:v2", image.digest)


@pytest.mark.action("push-untagged")
def test_a_push_without_a_tag_sets_latest(
    owner: Apptainer, anonymous: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    assert_done(owner.run("push", "-U", image.path, ref))

    before = live.uploads(image.digest)
    assert live.tags(image.digest) == ["latest"]
    assert_pulled(anonymous, ref, image.digest)
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    assert live.uploads(image.digest) == before
    assert live.tags(image.digest) == ["latest", "v1"]


@pytest.mark.action("usage")
def test_a_push_tells_what_is_used_of_the_quota_and_where_the_image_is(
    frugal: Apptainer, live: Live, make_sif: MakeSif, collection: str
) -> None:
    live.set_quota("frugal", 1 << 30)

    pushed = frugal.run("push", "-U", make_sif().path, f"library://frugal/{collection}/it:v1")

    assert_done(pushed)
    assert re.search(r"Library storage: using [\d.]+ MiB out of 1.00 GiB quota", pushed.said), (
        pushed
    )
    (address,) = re.findall(r"Container URL: (.*)", pushed.said)
    assert address == f"{live.url}/library/frugal/{collection}/it", pushed
    with urllib.request.urlopen(address) as page:
        assert f"{collection}/it" in page.read().decode()


@pytest.mark.action("push-arches")
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


@pytest.mark.action("refused-token")
def test_a_push_with_a_wrong_token_is_refused_in_words(
    new_apptainer: NewApptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    cli = new_apptainer()
    cli.use_remote(live.url, token=WRONG_TOKEN)

    refused = cli.run("push", "-U", image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-elsewhere")
def test_a_push_into_somebody_elses_entity_is_refused_in_words(
    owner: Apptainer, live: Live, strangers_token: str, make_sif: MakeSif
) -> None:
    image = make_sif()

    refused = owner.run("push", "-U", image.path, "library://stranger/clients/container:v1")

    assert_refused(refused, "You may not push there", live.username, live.entity)
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-elsewhere")
def test_a_push_into_an_entity_that_is_not_there_reads_the_same(
    owner: Apptainer, live: Live, make_sif: MakeSif
) -> None:
    refused = owner.run("push", "-U", make_sif().path, "library://nobody/clients/container:v1")

    assert_refused(refused, "You may not push there", live.username, live.entity)


@pytest.mark.action("refused-nobody")
def test_a_push_without_a_token_is_refused_in_words(
    anonymous: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()

    refused = anonymous.run("push", "-U", image.path, f"{ref}:v1")

    assert_refused(refused, "token", "remote login")
    assert live.uploads(image.digest) == []


@pytest.mark.action("refused-quota")
def test_a_push_over_the_quota_is_refused_in_words(
    frugal: Apptainer, live: Live, make_sif: MakeSif, collection: str, unwanted: list[str]
) -> None:
    live.set_quota("frugal", MIB)
    image = make_sif(size=2 * MIB)
    ref = f"library://frugal/{collection}/container:v1"

    refused = frugal.run("push", "-U", image.path, ref)

    assert_refused(refused, "quota of frugal", str(MIB), str(2 * MIB))
    assert live.uploads(image.digest) == []
    assert_missing(frugal, ref)
    unwanted.append(image.digest)


@pytest.mark.action("refused-no-sif")
def test_what_is_no_image_is_not_sent(owner: Apptainer, live: Live, folder: Path, ref: str) -> None:
    file = folder / "no-image.sif"
    file.write_bytes(b"not an image" * 100_000)

    refused = owner.run("push", "-U", file, f"{ref}:v1")

    assert_refused(refused, "SIF")
    assert live.uploads(digest_of(file)) == []


@pytest.mark.action("refused-no-sif")
def test_what_the_client_takes_for_an_image_and_is_none_is_refused_in_words(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str, unwanted: list[str]
) -> None:
    image = make_sif()
    with image.path.open("r+b") as file:
        file.truncate(MIB // 2)
    digest = digest_of(image.path)

    refused = owner.run("push", "-U", image.path, f"{ref}:v1")

    assert_refused(refused, "cut short")
    assert [state for _, state, _ in live.uploads(digest)] == ["refused"]
    assert_missing(owner, f"{ref}:v1")
    unwanted.append(digest)


# Pulling


@pytest.mark.action("pull-token")
def test_a_public_image_is_pulled_by_those_who_are_logged_in(
    owner: Apptainer, stranger: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif(size=12 * MIB)
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    for user in (owner, stranger):
        assert_pulled(user, f"{ref}:v1", image.digest)


@pytest.mark.action("pull-token")
def test_no_token_is_taken_along_to_a_store_that_refuses_it(
    new_apptainer: NewApptainer, live_strict: Live, make_sif: MakeSif
) -> None:
    image = make_sif(size=12 * MIB)
    ref = f"library://{live_strict.entity}/clients/container:v1"
    cli, anonymous = new_apptainer(), new_apptainer()
    cli.use_remote(live_strict.url, token=live_strict.token)
    anonymous.use_remote(live_strict.url)
    assert_done(cli.run("push", "-U", image.path, ref))

    for user in (cli, anonymous):
        assert_pulled(user, ref, image.digest)


@pytest.mark.action("pull-short")
def test_a_short_reference_means_the_sites_own_images(
    owner: Apptainer, anonymous: Apptainer, make_sif: MakeSif, collection: str
) -> None:
    image, other = make_sif(), make_sif()
    name = collection
    push = ("push", "-U")
    assert_done(owner.run(*push, image.path, f"library://library/default/{name}:latest,v1"))
    assert_done(owner.run(*push, other.path, f"library://library/{collection}/{name}:v1"))

    assert_pulled(anonymous, f"library://{name}", image.digest)
    assert_pulled(anonymous, f"library://{name}:v1", image.digest)
    assert_pulled(anonymous, f"library://{collection}/{name}:v1", other.digest)


def test_an_image_is_pulled_by_the_id_in_its_header(
    owner: Apptainer, anonymous: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    with image.path.open("rb") as file:
        id_ = uuid.UUID(bytes=file.read(64)[48:])

    assert_pulled(anonymous, f"{ref}:sif.{id_}", image.digest)
    assert_missing(anonymous, f"{ref}:sif.{uuid.UUID(int=0)}")


def test_an_image_that_has_not_changed_comes_from_the_clients_cache(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))
    first, second = folder / "first.sif", folder / "second.sif"
    assert_done(owner.run("pull", first, f"{ref}:v1"))

    again = owner.run("pull", second, f"{ref}:v1")

    assert_done(again)
    assert "Using cached image" in again.said, again
    assert digest_of(second) == image.digest


@pytest.mark.action("pull-hash")
def test_an_image_is_pulled_by_its_hash(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    pulled = folder / "pulled.sif"
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(owner.run("pull", pulled, f"{ref}:sha256.{image.digest}"))

    assert digest_of(pulled) == image.digest


@pytest.mark.action("pull-tag")
def test_a_public_image_is_pulled_without_a_token_from_a_named_library(
    owner: Apptainer, anonymous: Apptainer, live: Live, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    pulled = folder / "pulled.sif"
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(anonymous.run("pull", "--library", live.library, pulled, f"{ref}:v1"))

    assert digest_of(pulled) == image.digest


@pytest.mark.action("missing")
def test_an_image_that_is_not_there_is_missing(owner: Apptainer, folder: Path, ref: str) -> None:
    pulled = folder / "pulled.sif"

    refused = owner.run("pull", pulled, f"{ref}:v1")

    assert_refused(refused, MISSING)
    assert not pulled.exists()


@pytest.mark.action("missing-arch")
def test_an_image_of_another_architecture_is_missing(
    owner: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    assert_done(owner.run("push", "-U", make_sif().path, f"{ref}:v1"))

    refused = owner.run("pull", "--arch", "arm64", folder / "pulled.sif", f"{ref}:v1")

    assert_refused(refused, MISSING, "arm64")


@pytest.mark.action("pull-private")
@pytest.mark.action("missing-private")
def test_a_private_image_is_its_owners_and_missing_for_others(
    owner: Apptainer,
    anonymous: Apptainer,
    stranger: Apptainer,
    live: Live,
    folder: Path,
    make_sif: MakeSif,
    collection: str,
) -> None:
    image = make_sif()
    ref = f"library://{live.entity}/{collection}/container:v1"
    assert_done(owner.run("push", "-U", image.path, ref))
    live.make_private(collection)
    pulled, not_pulled = folder / "pulled.sif", folder / "not-pulled.sif"

    # Never from the owner's cache: the bytes must come from the registry again.
    assert_done(owner.run("pull", "--disable-cache", pulled, ref))
    assert digest_of(pulled) == image.digest

    for other in (anonymous, stranger):
        refused = other.run("pull", not_pulled, ref)
        assert_refused(refused, MISSING)
        assert not not_pulled.exists()


@pytest.mark.action("missing-private")
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

    assert_refused(refused, MISSING)


# Another way to send


@pytest.mark.action("push-one-body")
def test_130_mib_arrive_as_one_body_where_parts_are_switched_off(
    new_apptainer: NewApptainer, live_without_parts: Live, folder: Path, make_sif: MakeSif
) -> None:
    image = make_sif(size=THREE_PARTS)
    pulled = folder / "pulled.sif"
    ref = f"library://{live_without_parts.entity}/clients/container:v1"
    cli = new_apptainer()
    cli.use_remote(live_without_parts.url, token=live_without_parts.token)

    assert_done(cli.run("push", "-U", image.path, ref, seconds=300))
    assert live_without_parts.uploads(image.digest) == [("single", "done", 1)]

    assert_done(cli.run("pull", pulled, ref, seconds=300))
    assert digest_of(pulled) == image.digest


def test_parts_arrive_where_clients_are_told_that_the_store_takes_no_hashes(
    new_apptainer: NewApptainer, folder: Path, make_sif: MakeSif
) -> None:
    image = make_sif(size=THREE_PARTS)
    pulled = folder / "pulled.sif"
    cli = new_apptainer()
    with registry.started(MINIO_SIGN_CONTENT_SHA256="false") as running:
        ref = f"library://{running.entity}/clients/container:v1"
        cli.use_remote(running.url, token=running.token)

        assert_done(cli.run("push", "-U", image.path, ref, seconds=300))
        assert_done(cli.run("pull", pulled, ref, seconds=300))

        assert running.uploads(image.digest) == [("multipart", "done", 3)]
    assert digest_of(pulled) == image.digest


@pytest.mark.action("push-old")
def test_an_image_is_sent_to_the_library_itself_where_that_says_it_is_old(
    new_apptainer: NewApptainer,
    anonymous: Apptainer,
    live: Live,
    older_library: str,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif()
    cli = new_apptainer()
    cli.use_remote(older_library, token=live.token)

    assert_done(cli.run("push", "-U", image.path, f"{ref}:v1"))

    assert [upload[:2] for upload in live.uploads(image.digest)] == [("body", "done")]
    assert live.tags(image.digest) == ["v1"]
    assert_pulled(anonymous, f"{ref}:v1", image.digest)


@pytest.mark.action("pull-stream")
def test_an_image_is_pulled_from_a_registry_that_streams_to_everybody(
    new_apptainer: NewApptainer, live_streaming: Live, make_sif: MakeSif
) -> None:
    image = make_sif(size=12 * MIB)
    ref = f"library://{live_streaming.entity}/clients/container:v1"
    cli, anonymous = new_apptainer(), new_apptainer()
    cli.use_remote(live_streaming.url, token=live_streaming.token)
    anonymous.use_remote(live_streaming.url)
    assert_done(cli.run("push", "-U", image.path, ref))

    for user in (cli, anonymous):
        assert_pulled(user, ref, image.digest)


# Searching


@pytest.mark.action("search")
def test_a_search_shows_what_the_caller_may_see(
    owner: Apptainer, anonymous: Apptainer, live: Live, make_sif: MakeSif, collection: str
) -> None:
    needle = f"needle-in-{collection}"
    shown = f"library://{live.entity}/clients/{needle}"
    hidden = f"library://{live.entity}/{collection}/{needle}"
    assert_done(owner.run("push", "-U", make_sif().path, f"{shown}:v1,v2"))
    assert_done(owner.run("push", "-U", make_sif().path, f"{hidden}:v1"))
    live.make_private(collection)

    found = anonymous.run("search", needle)

    assert_done(found)
    assert re.search(rf"{shown}:(v1,v2|v2,v1)$", found.said, re.MULTILINE), found
    assert hidden not in found.said, found
    assert hidden in owner.run("search", needle).said
    nothing = anonymous.run("search", f"no-{needle}")
    assert_done(nothing)
    assert "No container images found" in nothing.said, nothing


@pytest.mark.action("search-arch")
def test_a_search_shows_the_images_of_one_architecture(
    owner: Apptainer, anonymous: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    needle = f"{ref}-needle"
    for arch in ("amd64", "arm64"):
        assert_done(owner.run("push", "-U", make_sif(arch=arch).path, f"{needle}:{arch}"))

    for arch in ("amd64", "arm64"):
        found = anonymous.run("search", "--arch", arch, needle.rpartition("/")[2])
        assert_done(found)
        assert re.findall(rf"{needle}:(\w+)", found.said) == [arch], found


def test_a_search_for_signed_images_shows_no_others_and_names_the_key(
    owner: Apptainer, anonymous: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    signed, unsigned = make_sif(), make_sif()
    owner.make_key()
    owner.sign(signed.path)
    assert_done(owner.run("push", signed.path, f"{ref}-needle:signed"))
    assert_done(owner.run("push", "-U", unsigned.path, f"{ref}-needle:unsigned"))

    found = anonymous.run("search", "--signed", f"{ref}-needle".rpartition("/")[2])

    assert_done(found)
    assert re.findall(rf"{ref}-needle:(\w+)", found.said) == ["signed"], found
    assert fingerprint_of(owner) in found.said, found


# Deleting


@pytest.mark.action("delete")
def test_a_deleted_image_goes_with_all_its_tags(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str, unwanted: list[str]
) -> None:
    image, other = make_sif(), make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1,v2"))
    assert_done(owner.run("push", "-U", other.path, f"{ref}:v3"))

    deleted = owner.run("delete", "--force", f"{ref}:v1")

    assert_done(deleted)
    assert "deleted" in deleted.said, deleted
    for name in ("v1", "v2", f"sha256.{image.digest}"):
        assert_missing(owner, f"{ref}:{name}")
    assert live.tags(image.digest) == []
    assert_pulled(owner, f"{ref}:v3", other.digest)
    assert_refused(owner.run("delete", "--force", f"{ref}:v1"), "not found")
    unwanted.append(image.digest)


@pytest.mark.action("delete")
def test_an_image_is_kept_when_its_owner_has_second_thoughts(
    owner: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert "Are you sure" in owner.run("delete", f"{ref}:v1", typed="n\n").said

    assert_pulled(owner, f"{ref}:v1", image.digest)
    assert_done(owner.run("delete", f"{ref}:v1", typed="y\n"))
    assert_missing(owner, f"{ref}:v1")


@pytest.mark.action("delete-hash")
def test_an_image_is_deleted_by_its_hash(
    owner: Apptainer, live: Live, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(owner.run("delete", "--force", f"{ref}:sha256.{image.digest}"))

    assert live.tags(image.digest) == []
    assert_missing(owner, f"{ref}:v1")


@pytest.mark.action("delete-arch")
def test_the_image_of_one_architecture_is_deleted_and_the_other_stays(
    owner: Apptainer, make_sif: MakeSif, ref: str
) -> None:
    images = {arch: make_sif(arch=arch) for arch in ("amd64", "arm64")}
    for image in images.values():
        assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    assert_done(owner.run("delete", "--force", "--arch", "arm64", f"{ref}:v1"))

    assert_missing(owner, f"{ref}:v1", "--arch", "arm64")
    assert_pulled(owner, f"{ref}:v1", images["amd64"].digest)


@pytest.mark.action("refused-delete")
def test_somebody_elses_image_is_not_deleted(
    owner: Apptainer,
    anonymous: Apptainer,
    stranger: Apptainer,
    make_sif: MakeSif,
    ref: str,
) -> None:
    image = make_sif()
    assert_done(owner.run("push", "-U", image.path, f"{ref}:v1"))

    refused = stranger.run("delete", "--force", f"{ref}:v1")
    assert_refused(refused, "You may not delete", "stranger")
    refused = anonymous.run("delete", "--force", f"{ref}:v1")
    assert_refused(refused, "token", "remote login")

    assert_pulled(anonymous, f"{ref}:v1", image.digest)


# Keys, which this registry does not keep


def test_the_keystore_refuses_a_key_in_words_and_finds_none(
    owner: Apptainer, anonymous: Apptainer
) -> None:
    owner.make_key()
    fingerprint = fingerprint_of(owner)

    refused = owner.run("key", "push", fingerprint)

    assert_refused(refused, "does not keep keys", "key export")
    for text in ("Tester", "tester@example.org", fingerprint):
        found = anonymous.run("key", "search", text)
        assert_done(found)
        assert "Showing 0 results" in found.said, found
    refused = anonymous.run("key", "pull", fingerprint)
    assert_refused(refused, "no matching keys found")


def test_an_image_is_verified_by_a_key_that_came_another_way(
    owner: Apptainer, anonymous: Apptainer, folder: Path, make_sif: MakeSif, ref: str
) -> None:
    image = make_sif()
    owner.make_key()
    owner.sign(image.path)
    assert_done(owner.run("push", image.path, f"{ref}:v1"))
    pulled, key = folder / "pulled.sif", folder / "key.asc"

    # The image is there; its signature cannot be judged, and the user reads so.
    unjudged = anonymous.run("pull", pulled, f"{ref}:v1")
    assert_done(unjudged)
    assert "signature made by unknown entity" in unjudged.said, unjudged
    assert digest_of(pulled) == digest_of(image.path)
    assert_refused(anonymous.run("verify", pulled))

    assert_done(owner.run("key", "export", "--armor", key, typed="0\n"))
    assert_done(anonymous.run("key", "import", key))
    assert_done(anonymous.run("verify", pulled))


def fingerprint_of(cli: Apptainer) -> str:
    """The fingerprint of the only key in the user's keyring."""
    (fingerprint,) = re.findall(r"\b[0-9A-F]{40}\b", cli.run("key", "list").said)
    assert isinstance(fingerprint, str)
    return fingerprint


# What several tests ask


def assert_pulled(cli: Apptainer, ref: str, digest: str, *options: str) -> None:
    """The user gets exactly the bytes of this digest, and from the registry, not from a cache."""
    pulled = cli.home / "pulled.sif"
    assert_done(cli.run("pull", "--disable-cache", *options, pulled, ref))
    assert digest_of(pulled) == digest
    pulled.unlink()


def assert_missing(cli: Apptainer, ref: str, *options: str) -> None:
    """The user is told that there is no such image, and is left without a file."""
    pulled = cli.home / "not-pulled.sif"
    assert_refused(cli.run("pull", *options, pulled, ref), MISSING)
    assert not pulled.exists()
