"""An upload that was refused is verified again, while its bytes are kept."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from shub.audit.models import Event
from shub.containers import freezing, granting, removal
from shub.containers.models import Blob, Container, Image, PendingTag, Role, Tag
from shub.errors import Conflict, Denied, NotFound, OverQuota, Unavailable
from shub.sif import UnreadableSIF
from shub.storage import ObjectStore
from shub.uploads import bringing_back, verification
from shub.uploads.bringing_back import verify_again
from shub.uploads.models import Upload
from tests.factories import Person, make_auditor
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=3)


@pytest.fixture(autouse=True)
def _kept(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    settings.CONDEMNED_KEEP_DAYS = 7


@pytest.fixture
def refused(mara: Person, monkeypatch: pytest.MonkeyPatch) -> Upload:
    """A good image that a reader of ours did not know, pushed to be tagged `1.0` and `latest`."""
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    assert client.complete_single(image["id"]).status == 200
    for tag in ("1.0", "latest"):
        assert client.tag(image["container"], image["id"], tag).status == 200

    def not_known(*_: Any) -> None:
        raise UnreadableSIF("It is no SIF image.")

    with monkeypatch.context() as changed:
        changed.setattr(verification, "read_facts", not_known)
        sweep()
    upload = Upload.objects.get()
    assert (upload.state, upload.image) == ("refused", None)
    assert not Image.objects.exists()
    return upload


def gcc() -> Container:
    return Container.objects.select_related("collection__entity").get(name="gcc")


def test_it_is_verified_again_and_is_what_was_pushed_with_the_tags_that_waited(
    mara: Person, refused: Upload, store: ObjectStore
) -> None:
    back = verify_again(public_id=refused.public_id, by=mara.caller)
    assert (back.tags, back.tags_taken) == (["1.0", "latest"], [])
    refused.refresh_from_db()
    assert (refused.state, refused.reason) == ("verifying", "")
    blob = Blob.objects.get()
    assert (blob.state, blob.kept_until) == ("pending", None)
    sweep()
    image = Image.objects.get()
    assert image.is_proven
    # Under the id that its client was told.
    assert image.public_id == refused.announced_id
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["1.0", "latest"]
    assert wire().get(f"/v1/imagefile/{PATH}:1.0?arch=amd64").status == 303
    assert stored_keys(store) == [refused.key]
    event = Event.objects.get(action="upload.restored")
    assert (event.actor, event.detail["push"]) == ("mara", refused.public_id)


def test_a_second_verdict_may_be_the_same_and_leaves_what_the_first_one_left(
    mara: Person, refused: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify_again(public_id=refused.public_id, by=mara.caller)

    def not_known(*_: Any) -> None:
        raise UnreadableSIF("It is still no SIF image.")

    monkeypatch.setattr(verification, "read_facts", not_known)
    sweep()
    refused.refresh_from_db()
    assert (refused.state, refused.reason) == ("refused", "It is still no SIF image.")
    assert refused.waiting_tags == [["1.0", "amd64"], ["latest", "amd64"]]
    assert not Image.objects.exists()
    blob = Blob.objects.get()
    assert (blob.state, blob.kept_until is not None) == ("condemned", True)


def test_a_tag_that_means_another_image_by_now_stays_with_it(mara: Person, refused: Upload) -> None:
    other = wire(mara).push(PATH, sif_bytes(seed=8), "latest")
    back = verify_again(public_id=refused.public_id, by=mara.caller)
    assert (back.tags, back.tags_taken) == (["1.0"], ["latest"])
    sweep()
    assert Tag.objects.get(name="latest").image.public_id == other["id"]
    assert Tag.objects.get(name="1.0").image.digest == digest(CONTENT)


def test_a_tag_that_is_set_while_it_is_verified_again_is_the_latest_word(
    mara: Person, refused: Upload
) -> None:
    verify_again(public_id=refused.public_id, by=mara.caller)
    other = wire(mara).push(PATH, sif_bytes(seed=8), "latest")
    sweep()
    assert Tag.objects.get(name="latest").image.public_id == other["id"]
    assert not PendingTag.objects.exists()


def test_it_is_there_no_more_when_its_time_is_over(
    mara: Person, refused: Upload, store: ObjectStore
) -> None:
    Blob.objects.update(kept_until=Now())
    with pytest.raises(NotFound):
        verify_again(public_id=refused.public_id, by=mara.caller)
    assert bringing_back.removed_in(None, by=None) == []
    sweep()
    with pytest.raises(NotFound):
        verify_again(public_id=refused.public_id, by=None)
    assert stored_keys(store) == []


def test_one_whose_bytes_are_leaving_is_not_brought_back(mara: Person, refused: Upload) -> None:
    Blob.objects.update(state="leaving")
    with pytest.raises(NotFound):
        verify_again(public_id=refused.public_id, by=mara.caller)
    refused.refresh_from_db()
    assert refused.state == "refused"


def test_twice_at_once_is_once(
    mara: Person, refused: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = bringing_back._find(refused.public_id, by=mara.caller)
    verify_again(public_id=refused.public_id, by=mara.caller)
    monkeypatch.setattr(bringing_back, "_find", lambda *_, **__: found)
    with pytest.raises(NotFound):
        verify_again(public_id=refused.public_id, by=mara.caller)


def test_where_the_image_was_pushed_again_it_is_not_listed_and_not_brought_back(
    mara: Person, refused: Upload
) -> None:
    wire(mara).push(PATH, CONTENT)
    assert bringing_back.removed_in(mara.entity, by=mara.caller) == []
    with pytest.raises(Conflict, match="is there"):
        verify_again(public_id=refused.public_id, by=mara.caller)
    assert Blob.objects.get(upload=refused).state == "condemned"


@pytest.mark.parametrize("act", [verify_again, bringing_back.end_keeping])
def test_who_may_not_push_there_is_told_the_same_as_of_what_never_was(
    act: Callable[..., Any], mara: Person, otto: Person, refused: Upload
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.READER, by=mara.caller)
    said = set()
    for by in (otto.caller, make_auditor().caller):
        for public_id in (refused.public_id, "0" * 24):
            with pytest.raises(NotFound) as refusal:
                act(public_id=public_id, by=by)
            said.add(refusal.value.message.replace(public_id, "…"))
        assert bringing_back.removed_in(mara.entity, by=by) == []
    assert len(said) == 1
    refused.refresh_from_db()
    assert refused.state == "refused"


def test_a_colleague_who_may_push_answers_for_it_and_does_not_end_it(
    mara: Person, otto: Person, refused: Upload
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    (listed,) = bringing_back.removed_in(gcc(), by=otto.caller)
    assert (listed.kind, listed.reason) == ("upload", "It is no SIF image.")
    assert (listed.size, listed.removed_by, listed.tags) == (
        len(CONTENT),
        "mara",
        ["1.0", "latest"],
    )
    with pytest.raises(Denied):
        bringing_back.end_keeping(public_id=refused.public_id, by=otto.caller)
    # Whoever pushed it may no longer: that is not in the way.
    mara.token.__class__.objects.filter(pk=mara.token.pk).update(revoked_at=Now())
    verify_again(public_id=refused.public_id, by=otto.caller)
    sweep()
    assert Image.objects.get().is_proven
    assert Event.objects.get(action="image.pushed").actor == "otto"
    assert Event.objects.get(action="upload.restored").detail["pusher"] == "mara"


def test_a_colleague_cannot_take_it_from_its_pusher_and_then_end_it(
    mara: Person, otto: Person, refused: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    verify_again(public_id=refused.public_id, by=otto.caller)

    def not_known(*_: Any) -> None:
        raise UnreadableSIF("It is still no SIF image.")

    monkeypatch.setattr(verification, "read_facts", not_known)
    sweep()
    assert Event.objects.get(action="upload.restored").actor == "otto"
    with pytest.raises(Denied):
        bringing_back.end_keeping(public_id=refused.public_id, by=otto.caller)
    bringing_back.end_keeping(public_id=refused.public_id, by=mara.caller)


def test_at_the_terminal_it_stays_the_pushers_who_must_still_be_allowed_to(
    mara: Person, refused: Upload
) -> None:
    mara.token.__class__.objects.filter(pk=mara.token.pk).update(revoked_at=Now())
    verify_again(public_id=refused.public_id, by=None)
    sweep()
    refused.refresh_from_db()
    assert "may no longer push" in refused.reason


def test_a_frozen_container_a_read_only_site_and_a_full_quota_refuse_it(
    mara: Person, administrator: Person, refused: Upload
) -> None:
    container = gcc()
    freezing.set_container_frozen(container, frozen=True, by=mara.caller)
    with pytest.raises(Conflict, match="frozen"):
        verify_again(public_id=refused.public_id, by=mara.caller)
    freezing.set_container_frozen(container, frozen=False, by=mara.caller)
    freezing.set_read_only("Back at noon.", by=administrator.caller)
    for act in (verify_again, bringing_back.end_keeping):
        with pytest.raises(Unavailable, match="noon"):
            act(public_id=refused.public_id, by=mara.caller)
    freezing.set_read_only("", by=administrator.caller)
    type(mara.entity).objects.filter(pk=mara.entity.pk).update(quota_bytes=len(CONTENT) - 1)
    with pytest.raises(OverQuota):
        verify_again(public_id=refused.public_id, by=mara.caller)
    assert Blob.objects.get().state == "condemned"


def test_what_was_in_a_removed_container_comes_back_after_it(mara: Person, refused: Upload) -> None:
    removal.remove_container(gcc(), by=mara.caller)
    with pytest.raises(NotFound):
        verify_again(public_id=refused.public_id, by=mara.caller)
    with pytest.raises(Conflict, match="was removed too"):
        verify_again(public_id=refused.public_id, by=None)


def test_it_is_ended_by_its_pusher_and_the_next_sweep_removes_it(
    mara: Person, refused: Upload, store: ObjectStore
) -> None:
    bringing_back.end_keeping(public_id=refused.public_id, by=mara.caller)
    with pytest.raises(NotFound):
        bringing_back.end_keeping(public_id=refused.public_id, by=mara.caller)
    sweep()
    assert stored_keys(store) == []
    assert Event.objects.get(action="upload.removed_for_good").actor == "mara"


@pytest.mark.rows_by_hand
def test_the_list_asks_as_often_however_long_it_is(
    mara: Person, refused: Upload, django_assert_num_queries: Any
) -> None:
    blob = Blob.objects.get()
    for number in range(20):
        copy = Blob.objects.create(
            digest=f"{number:064x}",
            size=1,
            state="condemned",
            key=f"blobs/{number}",
            kept_until=blob.kept_until,
        )
        Upload.objects.create(
            container=gcc(),
            kind="single",
            state="refused",
            reason="No.",
            digest=copy.digest,
            size=1,
            part_bytes=1,
            key=copy.key,
            blob=copy,
            created_by=mara.user,
        )
    container = gcc()
    with django_assert_num_queries(1):
        assert len(bringing_back.refused_in(container, by=mara.caller, most=10)) == 10


# ── the terminal ──
def said(*words: str) -> str:
    out = StringIO()
    call_command("removed", *words, stdout=out)
    return out.getvalue()


def test_the_terminal_lists_it_with_the_reason_and_brings_it_back(
    mara: Person, refused: Upload
) -> None:
    name = f"{PATH}:sha256.{digest(CONTENT)}"
    (line,) = said("list").splitlines()
    assert line.startswith(
        f"upload {refused.public_id} {name}: {len(CONTENT)} bytes, tags 1.0 latest; refused 20"
    )
    assert "UTC sent by mara, kept until 20" in line
    assert line.endswith(": It is no SIF image.")
    told = said("restore", refused.public_id)
    assert told.strip() == f"{name} is being verified again. Then its tags move: 1.0, latest."
    assert said("list") == ""
    sweep()
    assert Image.objects.get().is_proven


def test_the_terminal_drops_it(mara: Person, refused: Upload, store: ObjectStore) -> None:
    assert "cannot be brought back any more" in said("drop", refused.public_id)
    with pytest.raises(CommandError):
        call_command("removed", "drop", refused.public_id, stderr=StringIO())
    sweep()
    assert stored_keys(store) == []


# ── the page ──
def test_the_page_of_what_was_removed_shows_it_and_verifies_it_again(
    mara: Person, refused: Upload
) -> None:
    for place in ("mara", "mara/tools", PATH):
        page = mara.browser.get(f"/library/{place}/-/removed").content.decode()
        assert "It is no SIF image." in page
        assert f"{refused.public_id}/restore" in page
    browser = mara.browser
    assert f"{refused.public_id}/restore" in browser.get(f"/library/{PATH}").content.decode()
    answer = browser.post(f"/library/{PATH}/-/removed/{refused.public_id}/restore", follow=True)
    assert "It is being verified again." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"/library/{PATH}"
    sweep()
    assert Image.objects.get().is_proven


def test_the_page_ends_it_when_its_hash_is_written(
    mara: Person, refused: Upload, store: ObjectStore
) -> None:
    page = f"/library/{PATH}/-/removed/{refused.public_id}/for-good"
    assert "verified again" in mara.browser.get(page).content.decode()
    assert mara.browser.post(page, {"name": digest(CONTENT)[:8]}).status_code == 302
    sweep()
    assert stored_keys(store) == []


def test_a_writer_sees_the_page_and_a_reader_does_not(
    mara: Person, otto: Person, refused: Upload
) -> None:
    page = f"/library/{PATH}/-/removed"
    granting.grant(place=mara.entity, holder=otto.user, role=Role.READER, by=mara.caller)
    assert otto.browser.get(page).status_code == 403
    assert otto.browser.post(f"{page}/{refused.public_id}/restore").status_code == 403
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    assert otto.browser.get(page).status_code == 200
    refused.refresh_from_db()
    assert refused.state == "refused"
