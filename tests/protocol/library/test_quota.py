"""A plain quota per entity: refused with the figures, at the start and at the end of a push."""

from io import BytesIO, StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from shub.accounts.models import Entity
from shub.audit.models import Event
from shub.containers import granting
from shub.containers.models import Image, Role
from shub.errors import OverQuota
from shub.storage import ObjectStore
from shub.uploads import body
from shub.uploads.models import Upload
from tests.factories import Person, make_collection, make_container
from tests.sif_files import sif_bytes
from tests.stored import open_parts
from tests.wire import send, sweep_after, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes()


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def give(person: Person, quota: int | None) -> None:
    Entity.objects.filter(user=person.user).update(quota_bytes=quota)


def test_every_way_to_send_is_refused_at_its_first_step(mara: Person, store: ObjectStore) -> None:
    give(mara, len(CONTENT) - 1)
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    for address in (f"/v2/imagefile/{image['id']}", f"/v2/imagefile/{image['id']}/_multipart"):
        answer = client.post(address, {"filesize": len(CONTENT)})
        assert answer.status == 507
        for figure in ("mara", len(CONTENT) - 1, len(CONTENT)):
            assert str(figure) in answer.message
    assert client.send_body(image["id"], CONTENT).status == 507
    assert not Upload.objects.exists()
    assert open_parts(store) == []


def test_what_fits_exactly_is_taken_and_the_answer_names_quota_and_usage(mara: Person) -> None:
    give(mara, len(CONTENT))
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    answer = sweep_after(lambda: client.complete_single(image["id"]))
    assert answer.data["quota"] == {"quotaTotal": len(CONTENT), "quotaUsage": len(CONTENT)}
    assert client.get("/v1/entities/mara").data["quota"] == len(CONTENT)
    assert wire().get("/v1/entities/mara").data["quota"] == 0


def test_the_same_bytes_count_once(mara: Person) -> None:
    give(mara, len(CONTENT))
    wire(mara).push(PATH, CONTENT)
    assert wire(mara).announce("mara/tools/copy", CONTENT)["uploaded"] is True


def test_room_is_kept_for_an_upload_from_its_beginning(mara: Person, store: ObjectStore) -> None:
    give(mara, len(CONTENT))
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    upload = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
    other = sif_bytes(seed=2)
    start = f"/v2/imagefile/{client.announce('mara/tools/other', other)['id']}"
    refused = client.post(start, {"filesize": len(other)})
    assert (refused.status, f"{len(CONTENT)} are promised" in refused.message) == (507, True)
    # The same bytes, on their way elsewhere in the entity, are paid once.
    copy = client.announce("mara/tools/copy", CONTENT)
    client.begin_single(copy["id"], CONTENT)
    assert len(open_parts(store)) == 2
    for each in (image, copy):
        abort = f"/v2/imagefile/{each['id']}/_multipart_abort"
        for found in Upload.objects.filter(image__public_id=each["id"]):
            assert client.put(abort, {"uploadID": found.public_id}).status == 200
    assert upload
    assert client.post(start, {"filesize": len(other)}).status == 200


def test_room_that_is_there_no_more_is_missed_at_completion(mara: Person) -> None:
    give(mara, len(CONTENT))
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    upload = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
    etag = send(client.part_address(image["id"], upload, 1, CONTENT), CONTENT).etag
    size = len(CONTENT)
    late = body.begin(image_id=image["id"], size=size, by=mara.client)
    give(mara, None)
    client.push("mara/tools/other", sif_bytes(seed=2))
    give(mara, len(CONTENT))
    assert client.complete_single(image["id"]).status == 507
    assert client.complete_parts(image["id"], upload, [etag]).status == 507
    assert Image.objects.filter(blob__isnull=False).count() == 1
    with pytest.raises(OverQuota):
        body.receive(late, BytesIO(CONTENT))
    late.refresh_from_db()
    assert late.state == "aborted"
    give(mara, None)
    assert sweep_after(lambda: client.complete_single(image["id"])).status == 200


def test_the_sites_default_counts_where_the_entity_has_none(mara: Person, settings: Any) -> None:
    settings.DEFAULT_QUOTA_BYTES = 10
    image = wire(mara).announce(PATH, CONTENT)
    start = f"/v2/imagefile/{image['id']}"
    assert wire(mara).post(start, {"filesize": len(CONTENT)}).status == 507
    give(mara, 0)
    assert wire(mara).post(start, {"filesize": len(CONTENT)}).status == 200


def test_the_command_says_and_changes_a_quota_and_writes_it_down(mara: Person) -> None:
    said = StringIO()
    call_command("quota", "mara", stdout=said)
    assert (
        said.getvalue() == "mara stores 0 bytes and may store without bound (the site's default).\n"
    )
    call_command("quota", "mara", "2GB", stdout=StringIO())
    assert Entity.objects.get(name="mara").quota_bytes == 2_000_000_000
    assert Event.objects.get(action="entity.quota").detail == {"before": None, "after": 2 * 10**9}
    call_command("quota", "mara", "default", stdout=StringIO())
    assert Entity.objects.get(name="mara").quota_bytes is None
    with pytest.raises(CommandError, match="no entity 'nobody'"):
        call_command("quota", "nobody", "none")
    with pytest.raises(CommandError, match="is no size"):
        call_command("quota", "mara", "much")


def test_one_who_pushes_into_a_collection_only_is_told_no_figures(
    mara: Person, otto: Person
) -> None:
    give(mara, 3 * len(CONTENT))
    wire(mara).push("mara/hidden/gcc", CONTENT)
    tools = make_collection(mara.entity, "tools", mara)
    make_container(tools, "gcc", mara)
    granting.grant(place=tools, holder=otto.user, role=Role.WRITER, by=mara.caller)
    client, content = wire(otto), sif_bytes(seed=2)
    image = client.announce(PATH, content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    for _ in range(2):
        answer = sweep_after(lambda: client.complete_single(image["id"]))
        assert answer.data["quota"] == {"quotaTotal": 0, "quotaUsage": 0}
    give(mara, len(CONTENT))
    image = client.announce(PATH, sif_bytes(seed=3))
    answer = client.post(f"/v2/imagefile/{image['id']}", {"filesize": 50_000})
    assert (answer.status, "has no room for the 50000 bytes" in answer.message) == (507, True)
    assert str(len(CONTENT)) not in answer.message
