"""How far a verification is: on the row while it is read, in the answer, and on the pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from shub.containers import freezing
from shub.containers.models import Container, Image
from shub.errors import Unavailable
from shub.storage import ObjectStore, reading
from shub.storage.reading import Read
from shub.uploads import verification
from shub.uploads.models import Upload
from tests.factories import Person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.web.reading import text_of
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
CONTENT = sif_bytes(seed=8, size=200_000)


@pytest.fixture(autouse=True)
def _small_pieces(settings: Any, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    monkeypatch.setattr(reading, "PIECE_BYTES", 50_000)
    monkeypatch.setattr(verification, "RENEW_EVERY_SECONDS", -1)


@pytest.fixture
def waiting(mara: Person) -> Upload:
    """An upload that has arrived whole."""
    complete(mara)
    upload = Upload.objects.get()
    assert upload.state == Upload.State.VERIFYING
    return upload


def complete(person: Person) -> Any:
    """The answer to having sent all of it."""
    client = wire(person)
    image = client.announce(PATH, CONTENT)
    assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
    answer = client.put(f"/v2/imagefile/{image['id']}/_complete", {})
    assert answer.status == 200
    return answer


def far(upload: Upload, *, bytes_read: int) -> None:
    Upload.objects.filter(pk=upload.pk).update(verified_bytes=bytes_read)


def watched(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Do this each time that the lease is renewed."""
    renew = verification.renew

    def renew_and_act(upload: Upload, verified_bytes: int) -> None:
        renew(upload, verified_bytes)
        act(verified_bytes)

    monkeypatch.setattr(verification, "renew", renew_and_act)


def test_the_row_says_how_far_it_is_with_each_renewal(
    waiting: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    watched(monkeypatch, lambda size: seen.append((size, Upload.objects.get().verified_bytes)))
    sweep()
    assert seen == [(size, size) for size in (50_000, 100_000, 150_000, 200_000)]
    assert (Upload.objects.get().state, Upload.objects.get().verified_bytes) == (
        Upload.State.DONE,
        len(CONTENT),
    )


def test_a_renewal_is_one_statement(waiting: Upload) -> None:
    upload = verification.take_next()
    assert upload is not None
    with CaptureQueriesContext(
        connection,
    ) as asked:
        verification.renew(upload, 7)
    assert len(asked) == 1
    waiting.refresh_from_db()
    assert waiting.verified_bytes == 7


def test_whoever_begins_anew_begins_at_nothing(
    waiting: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> Read:
        assert Upload.objects.get().verified_bytes == 0
        raise Unavailable("Away.")

    far(waiting, bytes_read=150_000)
    monkeypatch.setattr(verification, "read_and_hash", away)
    assert verification.verify_next()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.verified_bytes) == (Upload.State.VERIFYING, 0)


def test_who_lost_the_lease_says_nothing(waiting: Upload) -> None:
    upload = verification.take_next()
    assert upload is not None
    Upload.objects.update(lease="f" * 24, verified_bytes=100_000)
    with pytest.raises(verification.LeaseLost):
        verification.renew(upload, 7)
    assert Upload.objects.get().verified_bytes == 100_000


def test_who_sends_much_keeps_nobody_waiting_and_else_the_oldest_is_first(
    mara: Person, otto: Person
) -> None:
    names = ("mara/a/one", "mara/a/two", "mara/a/three", "otto/a/four")
    for minutes, path in zip((4, 3, 2, 1), names, strict=True):
        client = wire(mara if path.startswith("mara") else otto)
        image = client.announce(path, CONTENT)
        assert send(client.begin_single(image["id"], CONTENT), CONTENT).status == 200
        assert client.complete_single(image["id"]).status == 200
        Upload.objects.filter(pk=Upload.objects.latest("id").pk).update(
            active_at=timezone.now() - timedelta(minutes=minutes)
        )
    taken = [verification.take_next() for _ in names]
    order = [str(upload.container).rpartition("/")[2] for upload in taken if upload]
    assert order == ["one", "four", "two", "three"]


def test_into_what_was_frozen_on_the_way_nothing_comes(
    mara: Person, waiting: Upload, store: ObjectStore
) -> None:
    container = Container.objects.select_related("collection__entity").get()
    freezing.set_container_frozen(container, frozen=True, by=mara.caller)
    assert verification.verify_next()
    waiting.refresh_from_db()
    assert (waiting.state, "was frozen while this" in waiting.reason) == ("refused", True)
    assert not Image.objects.exists()
    # Nobody needs the bytes, and no sweep has to come for them.
    assert stored_keys(store) == []


def test_a_second_copy_of_what_is_there_is_not_refused_for_what_changed_since(
    mara: Person,
) -> None:
    client = wire(mara)
    image = client.announce(PATH, CONTENT)
    begun = [client.begin_parts(image["id"], len(CONTENT))["uploadID"] for _ in range(2)]
    for upload in begun:
        etag = send(client.part_address(image["id"], upload, 1, CONTENT), CONTENT).etag
        assert client.complete_parts(image["id"], upload, [etag]).status == 200
    assert verification.verify_next()
    container = Container.objects.select_related("collection__entity").get()
    freezing.set_container_frozen(container, frozen=True, by=mara.caller)
    assert verification.verify_next()
    assert set(Upload.objects.values_list("state", flat=True)) == {"done"}
    assert Image.objects.get().is_proven


@pytest.mark.rows_by_hand
def test_what_has_ended_while_it_was_read_stays_as_it_ended(waiting: Upload) -> None:
    upload = verification.take_next()
    assert upload is not None
    finding = verification.examine(upload, lambda size: None)
    Upload.objects.update(state=Upload.State.EXPIRED)
    with pytest.raises(verification.LeaseLost):
        verification.settle(upload, finding)
    assert Upload.objects.get().state == "expired"
    assert not Image.objects.get().is_proven


def test_the_answer_says_what_still_goes_on(mara: Person) -> None:
    client = wire(mara)
    answer = complete(mara)
    assert answer.data["verification"] == {
        "state": "verifying",
        "verifiedBytes": 0,
        "size": len(CONTENT),
    }
    far(Upload.objects.get(), bytes_read=50_000)
    # Who asks again is told how far it has come since.
    image = Image.objects.get()
    again = client.put(f"/v2/imagefile/{image.public_id}/_complete", {})
    assert again.data["verification"]["verifiedBytes"] == 50_000
    sweep()
    done = client.put(f"/v2/imagefile/{image.public_id}/_complete", {})
    assert set(done.data) == {"quota", "containerUrl"}


def test_the_pages_say_how_far_it_is(mara: Person, administrator: Person, waiting: Upload) -> None:
    pages = {
        "/setup?since=0": mara,
        f"/library/{PATH}": mara,
        f"/library/{PATH}/-/images/sha256.{waiting.digest}": mara,
        "/admin-area/uploads": administrator,
    }
    for address, person in pages.items():
        assert "<progress" not in text_of(person.browser.get(address)), address
    far(waiting, bytes_read=85_000)
    for address, person in pages.items():
        page = text_of(person.browser.get(address))
        assert "42 % read" in page, address
        assert 'value="42"' in page, address
        assert 'aria-label="Verified"' in page, address
    sweep()
    for address, person in pages.items():
        assert "<progress" not in text_of(person.browser.get(address)), address


def test_a_page_that_watches_is_told_of_each_tenth_and_no_more(
    mara: Person, waiting: Upload
) -> None:
    part = {"HX-Request": "true"}

    def look(address: str) -> Any:
        return mara.browser.get(address, headers=part)

    poll = mara.browser.get("/setup?since=0").context["poll"]
    assert look(poll).status_code == 204
    far(waiting, bytes_read=19_000)
    assert look(poll).status_code == 204
    far(waiting, bytes_read=21_000)
    found = look(poll)
    assert "10 % read" in found.content.decode()
    assert look(found.context["poll"]).status_code == 204


def test_no_more_than_all_is_read(waiting: Upload) -> None:
    waiting.verified_bytes = 3 * waiting.size
    assert waiting.verified_percent == 100


# ── what follows a verdict ──
@pytest.mark.parametrize(
    "fault", [RuntimeError("A fault of ours."), Unavailable("The store stands still.")]
)
@pytest.mark.parametrize("act", ["damage.heal_digest", "blobs.collect"])
def test_what_fails_after_the_verdict_is_logged_and_is_no_matter_of_the_upload(
    waiting: Upload,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    act: str,
    fault: Exception,
) -> None:
    def fail(_: object) -> None:
        raise fault

    monkeypatch.setattr(f"shub.uploads.verification.{act}", fail)
    monkeypatch.setattr(verification, "put_off", never)
    monkeypatch.setattr(verification, "postpone", never)
    with caplog.at_level("INFO"):
        assert verification.verify_next()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.failures, waiting.retry_at) == (Upload.State.DONE, 0, None)
    assert Image.objects.get().is_proven
    assert "is left to the sweep" in caplog.text
    assert str(fault) in caplog.text


def test_what_could_not_be_collected_does_not_keep_others_from_being_healed(
    waiting: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("A fault of ours.")

    healed: list[str] = []
    monkeypatch.setattr("shub.uploads.verification.blobs.collect", fail)
    monkeypatch.setattr("shub.uploads.verification.damage.heal_digest", healed.append)
    assert verification.verify_next()
    assert healed == [waiting.digest]


def never(*_: object) -> None:
    raise AssertionError("The upload is over.")
