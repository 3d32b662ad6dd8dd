"""A push that begins again takes over what has arrived, or drops what was left."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub.accounts import tokens
from shub.containers import granting
from shub.containers.models import Image, Role
from shub.storage import ObjectStore
from shub.storage.s3 import S3Store
from shub.uploads import resuming, room
from shub.uploads.models import Upload
from shub.uploads.parts import arrived_parts
from tests.factories import Person
from tests.protocol.library.test_queries import counted
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import Wire, digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
MIB = 1024**2
CONTENT = sif_bytes(size=6 * MIB)
SMALL = sif_bytes(seed=4)


@pytest.fixture(autouse=True)
def _small_parts(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.UPLOAD_PART_BYTES = 5 * MIB


def begun(client: Wire, *numbers: int) -> tuple[dict[str, Any], Upload]:
    """An image that was announced and of which these parts have arrived; the client is gone."""
    image = client.announce(PATH, CONTENT)
    upload = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
    for number in numbers:
        part = CONTENT[(number - 1) * 5 * MIB : number * 5 * MIB]
        assert send(client.part_address(image["id"], upload, number, part), part).status == 200
    return image, Upload.objects.get(public_id=upload)


def test_a_push_whose_parts_have_all_arrived_need_not_send_them_again(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image, upload = begun(client, 1, 2)
    again = client.announce(PATH, CONTENT)
    assert (again["uploaded"], again["id"]) == (True, image["id"])
    assert client.tag(again["container"], again["id"], "latest").status == 200
    sweep()
    found = client.get(f"/v1/images/{PATH}:latest?arch=amd64").data
    assert found["hash"] == f"sha256.{digest(CONTENT)}"
    upload.refresh_from_db()
    assert upload.state == "done"
    assert stored_keys(store) == [upload.key]
    assert Upload.objects.count() == 1


def test_one_body_to_one_address_is_taken_over_too(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, SMALL)
    assert send(client.begin_single(image["id"], SMALL), SMALL).status == 200
    assert client.announce(PATH, SMALL)["uploaded"] is True
    sweep()
    assert Image.objects.get().is_proven


@pytest.mark.parametrize("numbers", [(), (1,), (2,)])
def test_where_parts_are_missing_all_are_sent_again(mara: Person, numbers: tuple[int, ...]) -> None:
    client = wire(mara)
    _, upload = begun(client, *numbers)
    assert client.announce(PATH, CONTENT)["uploaded"] is False
    upload.refresh_from_db()
    assert upload.state == "open"


@pytest.mark.rows_by_hand
def test_a_part_that_is_cut_short_does_not_count(
    mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = wire(mara)
    begun(client, 1, 2)
    Upload.objects.update(size=len(CONTENT) + 1)
    assert client.announce(PATH, CONTENT)["uploaded"] is False
    assert Upload.objects.get().state == "open"


def test_nothing_of_anybody_elses_is_taken_over(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    _, upload = begun(wire(mara), 1, 2)
    assert wire(otto).announce(PATH, CONTENT)["uploaded"] is False
    upload.refresh_from_db()
    assert upload.state == "open"


def test_the_token_of_now_counts_where_the_one_of_then_was_revoked(mara: Person) -> None:
    begun(wire(mara), 1, 2)
    mara.token.__class__.objects.update(revoked_at=timezone.now())
    _, text = tokens.issue(user=mara.user, name="another")
    assert Wire(token=text).announce(PATH, CONTENT)["uploaded"] is True
    sweep()
    assert Image.objects.get().is_proven


def test_where_what_arrived_is_refused_the_client_sends_it_again(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MINIO_SIGN_CONTENT_SHA256 = False
    client = wire(mara)
    image = client.announce(PATH, SMALL)
    other = sif_bytes(seed=5)
    assert len(other) == len(SMALL)
    assert send(client.begin_single(image["id"], SMALL), other).status == 200
    # The sweep is fast enough for the one who waits.
    monkeypatch.setattr(resuming, "wait_for_verdict", lambda upload: (sweep(), upload)[1])
    again = client.announce(PATH, SMALL)
    assert again["uploaded"] is False
    assert Upload.objects.get().state == "refused"
    # It is announced anew, so that it can be sent.
    assert client.begin_parts(again["id"], len(SMALL))["totalParts"] == 1


def test_without_room_for_it_the_client_is_told_when_it_begins(mara: Person) -> None:
    client = wire(mara)
    image, _ = begun(client, 1, 2)
    type(mara.entity).objects.filter(pk=mara.entity.pk).update(quota_bytes=10)
    assert client.announce(PATH, CONTENT)["uploaded"] is False
    answer = client.post(f"/v2/imagefile/{image['id']}/_multipart", {"filesize": len(CONTENT)})
    assert answer.status == 507


def test_the_store_is_asked_only_where_the_caller_has_an_open_upload(
    mara: Person, otto: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    asked = []
    real = S3Store.list_parts

    def list_parts(self: S3Store, *which: str) -> Any:
        asked.append(which)
        return real(self, *which)

    monkeypatch.setattr(S3Store, "list_parts", list_parts)
    client = wire(mara)
    client.announce(PATH, CONTENT)
    with counted() as queries:
        client.announce(PATH, CONTENT)
    assert asked == []
    begun(wire(otto), 1)
    with counted() as more:
        client.announce(PATH, CONTENT)
    assert asked == []
    assert len(more) == len(queries)
    begun(client, 1)
    client.announce(PATH, CONTENT)
    assert len(asked) == 1


# ── begun anew ──
def silence(upload: Upload, minutes: float) -> None:
    """As though its client had said nothing for so long."""
    then = timezone.now() - timedelta(minutes=minutes)
    Upload.objects.filter(pk=upload.pk).update(active_at=then)
    Image.objects.update(created_at=then)


def test_what_was_left_is_dropped_at_once_when_its_image_is_begun_anew(
    mara: Person, store: ObjectStore
) -> None:
    client = wire(mara)
    image, upload = begun(client, 1)
    silence(upload, 11)
    new = client.begin_parts(image["id"], len(CONTENT))["uploadID"]
    upload.refresh_from_db()
    assert upload.state == "aborted"
    assert arrived_parts(upload) == []
    assert [each.key for each in open_parts(store)] == [Upload.objects.get(public_id=new).key]


@pytest.mark.parametrize("minutes", [0, 9])
def test_one_that_may_be_alive_is_left_alone(mara: Person, minutes: float) -> None:
    client = wire(mara)
    image, upload = begun(client, 1)
    silence(upload, minutes)
    client.begin_parts(image["id"], len(CONTENT))
    upload.refresh_from_db()
    assert upload.state == "open"


@pytest.mark.rows_by_hand
def test_a_large_part_may_be_on_its_way_for_longer(mara: Person) -> None:
    client = wire(mara)
    image, upload = begun(client, 1)
    Upload.objects.update(part_bytes=600 * MIB, size=1200 * MIB)
    silence(upload, 15)
    client.begin_parts(image["id"], len(CONTENT))
    upload.refresh_from_db()
    assert upload.state == "open"


def test_somebody_elses_is_left_alone(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    image, upload = begun(wire(mara), 1)
    silence(upload, 60)
    wire(otto).begin_parts(image["id"], len(CONTENT))
    upload.refresh_from_db()
    assert upload.state == "open"


def test_one_that_moves_at_that_moment_is_left_alone(mara: Person) -> None:
    _, upload = begun(wire(mara), 1)
    assert not resuming.give_up(upload, silent_since=timezone.now() - timedelta(minutes=10))


def test_a_fresh_image_costs_no_query_for_that(mara: Person) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    # The entity's first upload ever also opens its account.
    client.begin_parts(image["id"], len(CONTENT))
    with counted() as few:
        client.begin_parts(image["id"], len(CONTENT))
    Image.objects.update(created_at=timezone.now() - timedelta(days=1))
    with counted() as more:
        client.begin_parts(image["id"], len(CONTENT))
    assert len(more) == len(few) + 1


# ── begun anew, without room for two ──
def begin_again(client: Wire, image: dict[str, Any]) -> Any:
    return client.post(f"/v2/imagefile/{image['id']}/_multipart", {"filesize": len(CONTENT)})


def state_of(upload: Upload) -> str:
    upload.refresh_from_db()
    return upload.state


def test_a_push_that_was_killed_does_not_keep_the_next_one_out_of_a_full_site(
    mara: Person, settings: Any, store: ObjectStore
) -> None:
    settings.SITE_QUOTA_BYTES = len(CONTENT) + MIB
    client = wire(mara)
    image, dead = begun(client, 1)
    silence(dead, 7)
    again = begin_again(client, image)
    assert (again.status, state_of(dead)) == (200, "aborted")
    new = Upload.objects.get(public_id=again.data["uploadID"])
    assert [each.key for each in open_parts(store)] == [new.key]


def test_of_two_pushes_at_once_the_first_goes_on_where_there_is_no_room_for_two(
    mara: Person, settings: Any
) -> None:
    settings.SITE_QUOTA_BYTES = len(CONTENT) + MIB
    client = wire(mara)
    image, first = begun(client, 1)
    for minutes in (0, 5.9):
        silence(first, minutes)
        refused = begin_again(client, image)
        assert refused.status == 503
        assert "an earlier push of yours of this same image" in refused.message
        assert f"push again in {7 - round(minutes)} minute" in refused.message
    assert (state_of(first), Upload.objects.count()) == ("open", 1)
    # It goes on as though nothing had been.
    part = CONTENT[5 * MIB :]
    assert send(client.part_address(image["id"], first.public_id, 2, part), part).status == 200
    # The other one is announced by now, and need not be sent.
    assert client.announce(PATH, CONTENT)["uploaded"] is True
    sweep()
    assert (state_of(first), Image.objects.get().is_proven) == ("done", True)


def test_a_large_part_may_be_on_its_way_for_longer_without_room_too(
    mara: Person, settings: Any
) -> None:
    settings.SITE_QUOTA_BYTES = len(CONTENT) + MIB
    settings.UPLOAD_PART_BYTES = 600 * MIB
    client = wire(mara)
    image, first = begun(client)
    silence(first, 10)
    assert begin_again(client, image).status == 503
    assert state_of(first) == "open"


def test_room_that_has_come_meanwhile_is_taken_and_nobody_is_told_to_wait(
    mara: Person, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_QUOTA_BYTES = len(CONTENT) + MIB
    client = wire(mara)
    image, first = begun(client, 1)
    check = room.check_room

    def check_and_find_room_after_it(size: int) -> None:
        try:
            check(size)
        finally:
            settings.SITE_QUOTA_BYTES = 0

    monkeypatch.setattr(room, "check_room", check_and_find_room_after_it)
    assert begin_again(client, image).status == 200
    assert state_of(first) == "open"


def test_nobody_is_told_to_wait_for_what_would_not_be_enough(mara: Person, settings: Any) -> None:
    client = wire(mara)
    image, first = begun(client, 1)
    settings.SITE_QUOTA_BYTES = len(CONTENT) - 1
    assert begin_again(client, image).status == 507
    assert state_of(first) == "open"


def test_room_that_is_kept_for_somebody_else_is_not_taken(
    mara: Person, otto: Person, settings: Any
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    image, upload = begun(wire(mara), 1)
    settings.SITE_QUOTA_BYTES = len(CONTENT) + MIB
    silence(upload, 60)
    assert begin_again(wire(otto), image).status == 507
    assert state_of(upload) == "open"


def test_of_its_entitys_quota_an_image_takes_its_room_once_however_often_it_is_begun(
    mara: Person,
) -> None:
    type(mara.entity).objects.filter(pk=mara.entity.pk).update(quota_bytes=len(CONTENT))
    client = wire(mara)
    image, dead = begun(client, 1)
    assert begin_again(client, image).status == 200
    assert state_of(dead) == "open"
