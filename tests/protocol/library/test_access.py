"""Who may do what through the library's door; what one may not see does not exist."""

from typing import Any

import pytest

from shub.containers.models import Collection, Container, Image, PendingTag, Tag
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.wire import Wire, digest, send, sweep, sweep_after, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=7)
HASH = f"sha256.{digest(CONTENT)}"


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


@pytest.fixture
def private_image(mara: Person) -> dict[str, Any]:
    """An image of Mara's, in a collection that is private."""
    image = wire(mara).push(PATH, CONTENT, "latest")
    Collection.objects.filter(name="tools").update(visibility="private")
    return image


def names_of_it(image: dict[str, Any]) -> list[str]:
    """Every address by which the private image, or something above it, could be read."""
    return [
        "/v1/collections/mara/tools",
        "/v1/containers/mara/tools/gcc",
        f"/v1/images/{PATH}:latest",
        f"/v1/images/{PATH}:latest?arch=amd64",
        f"/v1/images/{PATH}:{HASH}",
        f"/v1/imagefile/{PATH}:latest",
        f"/v1/imagefile/{PATH}:{HASH}",
        f"/v1/tags/{image['container']}",
        f"/v2/tags/{image['container']}",
    ]


def test_what_is_private_is_missing_to_strangers_and_to_nobody(
    private_image: dict[str, Any], otto: Person
) -> None:
    for stranger in (wire(otto), wire()):
        for address in names_of_it(private_image):
            assert stranger.get(address).status == 404, address


def test_what_is_private_is_there_for_its_owner_and_administrators(
    private_image: dict[str, Any], mara: Person, administrator: Person
) -> None:
    for friend in (wire(mara), wire(administrator)):
        for address in names_of_it(private_image):
            assert friend.get(address).status == 200, address


def test_an_entity_of_which_one_may_see_nothing_is_missing(
    private_image: dict[str, Any], mara: Person, otto: Person
) -> None:
    assert wire(otto).get("/v1/entities/mara").status == 404
    assert wire(mara).get("/v1/entities/mara").status == 200
    Collection.objects.filter(name="tools").update(visibility="public")
    assert wire(otto).get("/v1/entities/mara").status == 200


def test_a_refusal_reads_the_same_for_what_is_hidden_and_for_what_is_not_there(
    private_image: dict[str, Any], otto: Person
) -> None:
    stranger = wire(otto)
    hidden = writes(stranger, entity="mara", collection_id=collection_id(), image=private_image)
    nowhere = writes(
        stranger,
        entity="nobody",
        collection_id="0" * 24,
        image={"id": "0" * 24, "container": "0" * 24},
    )
    assert hidden == nowhere
    assert {status for status, _ in hidden} == {403}


def test_nobody_but_the_owner_writes_anywhere_and_nothing_changes(
    mara: Person, otto: Person, administrator: Person
) -> None:
    image = wire(mara).push(PATH, CONTENT, "latest")
    before = [Collection.objects.count(), Container.objects.count(), Image.objects.count()]
    for stranger in (wire(otto), wire(administrator)):
        answers = writes(stranger, entity="mara", collection_id=collection_id(), image=image)
        assert {status for status, _ in answers} == {403}
    anonymous = writes(wire(), entity="mara", collection_id=collection_id(), image=image)
    assert {status for status, _ in anonymous} == {401}
    after = [Collection.objects.count(), Container.objects.count(), Image.objects.count()]
    assert after == before
    assert Upload.objects.count() == 1


def test_nobody_signs_completes_or_aborts_somebody_elses_upload(mara: Person, otto: Person) -> None:
    owner = wire(mara)
    image = owner.announce(PATH, CONTENT)
    upload = owner.begin_parts(image["id"], len(CONTENT))["uploadID"]
    etag = send(owner.part_address(image["id"], upload, 1, CONTENT), CONTENT).etag
    stranger = wire(otto)
    own = stranger.announce("otto/tools/gcc", CONTENT)
    for image_id, status in ((image["id"], 403), (own["id"], 409)):
        assert stranger.sign_part(image_id, upload, 1, CONTENT).status == status
        assert stranger.complete_parts(image_id, upload, [etag]).status == status
        address = f"/v2/imagefile/{image_id}/_multipart_abort"
        assert stranger.put(address, {"uploadID": upload}).status == status
    assert sweep_after(lambda: owner.complete_parts(image["id"], upload, [etag])).status == 200


def test_one_who_may_push_there_too_has_no_say_over_anothers_upload(
    administrator: Person,
) -> None:
    first, second = wire(administrator), wire(make_person("second", is_administrator=True))
    image = first.announce("library/default/alpine", CONTENT)
    upload = first.begin_parts(image["id"], len(CONTENT))["uploadID"]
    assert second.sign_part(image["id"], upload, 1, CONTENT).status == 409
    assert second.complete_parts(image["id"], upload, ['"x"']).status == 409
    address = f"/v2/imagefile/{image['id']}/_multipart_abort"
    assert second.put(address, {"uploadID": upload}).status == 409
    assert Upload.objects.get().state == "open"


def test_a_tag_that_waited_does_not_move_for_one_who_may_no_longer_push(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    client.complete_single(image["id"])
    assert client.tag(image["container"], image["id"], "latest").status == 200
    mara.user.is_active = False
    mara.user.save()
    sweep()
    assert not Tag.objects.exists()
    assert not PendingTag.objects.exists()


def test_a_tag_cannot_be_moved_to_an_image_of_another_container(mara: Person, otto: Person) -> None:
    mine = wire(mara).push(PATH, CONTENT, "latest")
    other = wire(mara).push("mara/tools/other", sif_bytes(seed=8), "latest")
    theirs = wire(otto).push("otto/tools/gcc", sif_bytes(seed=9), "latest")
    for image in (other, theirs):
        answer = wire(mara).tag(mine["container"], image["id"], "latest")
        assert (answer.status, "has no image with the id" in answer.message) == (400, True)
    assert wire().get(f"/v1/images/{PATH}:latest").data["hash"] == mine["hash"]


def test_pushing_a_tag_leaves_the_same_tag_of_another_collection_alone(mara: Person) -> None:
    first = wire(mara).push("mara/a/app", sif_bytes(seed=1), "latest")
    wire(mara).push("mara/b/app", sif_bytes(seed=2), "latest")
    assert wire().get("/v1/images/mara/a/app:latest").data["hash"] == first["hash"]


def test_naming_the_hash_of_an_image_gives_nothing(
    private_image: dict[str, Any], otto: Person
) -> None:
    image = wire(otto).announce("otto/tools/copy", CONTENT)
    assert image["uploaded"] is False
    assert image["size"] == 0
    ref = f"otto/tools/copy:{HASH}"
    assert wire(otto).get(f"/v1/imagefile/{ref}").status == 404
    assert wire(otto).tag(image["container"], image["id"], "latest").status == 409


def test_only_administrators_push_into_the_sites_own_entity(
    mara: Person, administrator: Person
) -> None:
    assert wire(mara).post("/v1/entities", {"name": "library"}).status == 403
    image = wire(administrator).push("library/default/alpine", CONTENT, "latest")
    assert wire().get("/v1/images/alpine:latest").data["id"] == image["id"]
    assert wire().get("/v1/images/default/alpine:latest").data["id"] == image["id"]


def test_a_collection_is_private_from_its_first_push_where_the_owner_or_the_site_says_so(
    mara: Person, settings: Any
) -> None:
    client = wire(mara)
    client.container("mara/open/x")
    mara.entity.default_private = True
    mara.entity.save()
    client.container("mara/closed/x")
    mara.entity.default_private = False
    mara.entity.save()
    settings.DEFAULT_PRIVATE = True
    client.container("mara/shut/x")
    found = Collection.objects.filter(entity=mara.entity).values_list("name", "visibility")
    assert dict(found) == {"open": "public", "closed": "private", "shut": "private"}


def collection_id() -> str:
    """The id of Mara's collection."""
    return str(Collection.objects.get(name="tools").public_id)


def writes(
    client: Wire, *, entity: str, collection_id: str, image: dict[str, Any]
) -> list[tuple[int, str]]:
    """The answer to every request that would change something there."""
    image_id, container_id = image["id"], image["container"]
    answers = [
        client.post("/v1/entities", {"name": entity}),
        client.post("/v1/containers", {"name": "new", "collection": collection_id}),
        client.post("/v1/images", {"hash": f"sha256.{'0' * 64}", "container": container_id}),
        client.post(f"/v2/imagefile/{image_id}", {"filesize": 5}),
        client.complete_single(image_id),
        client.post(f"/v2/imagefile/{image_id}/_multipart", {"filesize": 5}),
        client.sign_part(image_id, "0" * 24, 1, b"12345"),
        client.complete_parts(image_id, "0" * 24, ['"x"']),
        client.put(f"/v2/imagefile/{image_id}/_multipart_abort", {"uploadID": "0" * 24}),
        client.tag(container_id, image_id, "latest"),
        client.post(f"/v1/tags/{container_id}", {"Tag": "latest", "ImageID": image_id}),
    ]
    return [(answer.status, answer.message) for answer in answers]


def test_a_browsers_session_counts_for_nothing_on_the_machines_doors(
    private_image: dict[str, Any], mara: Person
) -> None:
    browser = wire()
    browser.http.force_login(mara.user)
    for address in names_of_it(private_image):
        assert browser.get(address).status == 404, address
    answers = writes(browser, entity="mara", collection_id=collection_id(), image=private_image)
    assert {status for status, _ in answers} == {401}
    assert browser.call("DELETE", f"/v1/images/{PATH}:latest").status == 401
