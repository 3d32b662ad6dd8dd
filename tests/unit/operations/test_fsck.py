"""fsck: rows against store, store against rows, rows against rows, and every byte."""

import io
import itertools
import json
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from shub.audit.models import Event as AuditEvent
from shub.containers import fixity, ledger, pausing
from shub.containers.models import Blob, EntityUsage, Image, RemovedImage, SiteUsage, Tag
from shub.errors import Unavailable
from shub.operations.ending import raises_on_signal
from shub.operations.fsck import looking, repairing
from shub.operations.fsck.checks import bytes as reading
from shub.operations.fsck.checks import objects, parts, rows
from shub.operations.fsck.course import Course, Options
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import KINDS
from shub.operations.management.commands import fsck as command
from shub.operations.progress_line import ProgressLine
from shub.storage import Listed, ObjectStore, object_store, replace_object_store
from shub.storage.keys import blob_key
from shub.uploads import beats
from shub.uploads.models import Upload
from tests.damaging import blob_of, flipped, overwrite, remove
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import open_parts, stored_keys
from tests.wire import digest, send, sweep, wire

pytestmark = pytest.mark.django_db

PATH = "mara/tools/gcc"
ONE, TWO = sif_bytes(seed=1), sif_bytes(seed=2)
UNKNOWN = blob_key("ab" * 32, "0" * 24)


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    monkeypatch.setattr(fixity, "LOOK_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(rows, "AGAIN_AFTER_SECONDS", 0.0)


@pytest.fixture
def pushed(mara: Person) -> Blob:
    """The blob of an image with a tag; there is another beside it."""
    wire(mara).push(PATH, ONE, "1.0")
    wire(mara).push(PATH, TWO, "2.0")
    return blob_of(ONE)


def fsck(*words: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Exit status, findings and summary, as machines read them. Tests write rows past the product:
    what the ledger says is not looked at."""
    ledger.forget_counts()
    return fsck_of_all(*words)


def fsck_of_all(*words: str) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """The same, with the ledger."""
    out = io.StringIO()
    status = 0
    try:
        call_command("fsck", "--json", *words, stdout=out)
    except SystemExit as end:
        status = int(str(end.code))
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[-1]["type"] == "summary"
    assert lines[-1]["status"] == status
    return status, lines[:-1], lines[-1]


def kinds(findings: list[dict[str, Any]]) -> list[str]:
    return sorted(each["kind"] for each in findings)


def state(blob: Blob) -> str:
    blob.refresh_from_db()
    return blob.state


# ── well ──
def test_a_registry_in_which_all_is_well_is_clean(mara: Person, pushed: Blob) -> None:
    client = wire(mara)
    client.call("DELETE", f"/v1/images/{PATH}:2.0")
    image = client.announce(PATH, sif_bytes(seed=9))
    address = client.begin_single(image["id"], sif_bytes(seed=9))
    send(address, sif_bytes(seed=9))  # sent, and not complete
    status, findings, summary = fsck("--read")
    assert (status, findings, summary["left"]) == (0, [], {})
    assert summary["checks"] == ["objects", "parts", "rows", "ledger", "bytes"]
    assert summary["counted"]["objects"] == 2
    assert summary["counted"]["blobs read"] == 2
    assert summary["counted"]["bytes read"] == len(ONE) + len(TWO)


def test_it_is_told_to_people_too(pushed: Blob, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("fsck")
    assert "Rows and store agree." in capsys.readouterr().out
    remove(pushed.key)
    with pytest.raises(SystemExit) as end:
        call_command("fsck")
    assert end.value.code == 1
    said = capsys.readouterr().out
    assert f"missing-object (1): {KINDS['missing-object'].means}" in said
    assert pushed.key in said
    assert f"image {PATH}:sha256.{digest(ONE)}" in said
    assert "--repair: Marks the blob" in said
    assert "1 found, 0 repaired, 1 left to do." in said


# ── rows against the store ──
def test_a_lost_object_is_found_and_its_blob_marked(pushed: Blob) -> None:
    remove(pushed.key)
    status, findings, _ = fsck()
    assert (status, kinds(findings)) == (1, ["missing-object"])
    assert findings[0]["can_repair"]
    assert findings[0]["images"] == [f"{PATH}:sha256.{digest(ONE)}"]
    assert state(pushed) == "proven"
    status, findings, _ = fsck("--repair")
    assert (status, [each["repaired"] for each in findings]) == (0, ["marked as damaged"])
    assert state(pushed) == "damaged"
    # From then on it is known, and still not well.
    status, findings, _ = fsck("--repair")
    assert (status, kinds(findings)) == (1, ["damaged"])


def test_an_object_of_another_size_is_found(pushed: Blob) -> None:
    overwrite(pushed.key, ONE + b"more")
    assert kinds(fsck()[1]) == ["other-size"]
    assert fsck("--repair")[0] == 0
    assert state(pushed) == "damaged"


def test_other_bytes_of_the_same_size_are_found_by_reading(mara: Person, pushed: Blob) -> None:
    overwrite(pushed.key, flipped(ONE))
    assert fsck()[0] == 0
    status, findings, _ = fsck("--read")
    assert (status, kinds(findings)) == (1, ["other-bytes"])
    assert state(pushed) == "proven"
    assert fsck("--read", "--repair")[0] == 0
    assert state(pushed) == "damaged"
    assert wire(mara).get(f"/v1/imagefile/{PATH}:1.0").status == 503
    assert wire(mara).get(f"/v1/imagefile/{PATH}:2.0").status == 200
    assert AuditEvent.objects.get(action="site.repaired").detail["what"] == ["other-bytes: 1"]


def test_bytes_on_the_stores_own_disk_are_looked_at(pushed: Blob, store_server: Any) -> None:
    """JuiceFS keeps an object in files of its own: one bit of those is another now."""
    folder = Path(f"/proc/{store_server.process_id}/cwd").resolve()
    blocks = [
        path
        for path in folder.glob("objects/*/chunks/**/*")
        if path.is_file() and ONE in path.read_bytes()
    ]
    assert blocks
    for block in blocks:
        block.write_bytes(block.read_bytes().replace(ONE, flipped(ONE)))
    assert kinds(fsck("--read")[1]) == ["other-bytes"]
    Blob.objects.update(read_at=timezone.now() - timedelta(days=89))
    sweep()
    assert state(pushed) == "damaged"


def test_a_damaged_blob_that_is_right_again_is_proven_again(pushed: Blob) -> None:
    remove(pushed.key)
    fsck("--repair")
    overwrite(pushed.key, ONE)
    assert kinds(fsck()[1]) == ["damaged"]
    assert fsck("--repair")[0] == 0
    assert state(pushed) == "proven"
    assert fsck("--read")[0] == 0


def test_a_damaged_blob_is_healed_by_a_duplicate(mara: Person, pushed: Blob) -> None:
    key = f"{pushed.key.rpartition('.')[0]}.{'1' * 24}"
    overwrite(key, ONE)
    spare = Blob.objects.create(digest=pushed.digest, size=pushed.size, key=key, state="condemned")
    remove(pushed.key)
    status, findings, _ = fsck("--repair")
    assert status == 0
    assert "healed" in findings[0]["repaired"]
    assert state(spare) == "proven"
    assert wire(mara).get(f"/v1/imagefile/{PATH}:1.0").status == 200


def test_what_waits_to_be_verified_and_is_lost_is_found(mara: Person) -> None:
    upload = waiting(mara)
    overwrite(upload.key, ONE + b"more")
    assert kinds(fsck()[1]) == ["pending-missing"]
    remove(upload.key)
    assert kinds(fsck()[1]) == ["pending-missing"]
    sweep()
    assert fsck()[0] == 0


def waiting(mara: Person) -> Upload:
    """An upload that has arrived and waits for its verification."""
    client = wire(mara)
    image = client.announce(PATH, ONE)
    send(client.begin_single(image["id"], ONE), ONE)
    client.complete_single(image["id"])
    return Upload.objects.latest("id")


def test_a_store_that_has_none_of_the_objects_is_not_taken_for_a_registry_that_is_lost(
    pushed: Blob,
) -> None:
    for blob in (pushed, blob_of(TWO)):
        remove(blob.key)
    status, _, summary = fsck("--repair", "--patience", "0.1")
    assert status == 2
    assert "Is its disk mounted" in summary["trouble"]
    assert not Blob.objects.filter(state="damaged").exists()


# ── the store against rows ──
def test_an_object_that_no_row_knows_is_removed_once_it_is_old(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(UNKNOWN, b"whatever")
    Upload.objects.create(
        container=Image.objects.all()[0].container,
        kind="single",
        state="aborted",
        digest="ab" * 32,
        size=8,
        part_bytes=8,
        key=UNKNOWN,
    )
    status, findings, _ = fsck("--repair")
    assert (status, kinds(findings)) == (1, ["unknown-object"])
    assert "too young" in findings[0]["seen"]
    assert UNKNOWN in stored_keys(object_store())
    monkeypatch.setattr(objects, "idle_since", lambda: timezone.now() + timedelta(minutes=1))
    assert fsck()[1][0]["can_repair"]
    status, findings, _ = fsck("--repair")
    assert (status, findings[0]["repaired"]) == (0, "removed")
    assert UNKNOWN not in stored_keys(object_store())
    assert pushed.key in stored_keys(object_store())


def test_what_another_registry_has_in_the_bucket_or_an_older_database_has_forgotten_stays(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "idle_since", lambda: timezone.now() + timedelta(minutes=1))
    # As of a database of before the push: its rows are not there, its object is.
    overwrite(UNKNOWN, b"an image")
    status, findings, _ = fsck("--repair")
    assert (status, kinds(findings)) == (1, ["unknown-object"])
    assert "only --remove-unknown" in findings[0]["seen"]
    assert not findings[0]["can_repair"]
    assert UNKNOWN in stored_keys(object_store())
    assert fsck("--remove-unknown")[0] == 1  # not without --repair
    assert UNKNOWN in stored_keys(object_store())
    assert fsck("--repair", "--remove-unknown")[0] == 0
    assert stored_keys(object_store()) == sorted(Blob.objects.values_list("key", flat=True))


def test_objects_that_are_not_ours_are_counted_and_left_alone(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "idle_since", lambda: timezone.now() + timedelta(minutes=1))
    for key in ("notes.txt", "blobs/readme", "blobs/5f/short", "zzz/last"):
        overwrite(key, b"somebody's")
    status, findings, summary = fsck("--repair")
    assert (status, findings, summary["counted"]["foreign objects"]) == (0, [], 4)
    assert len(stored_keys(object_store())) == 6


def test_an_object_that_has_gone_by_its_row_is_removed(pushed: Blob) -> None:
    Blob.objects.create(digest="ab" * 32, size=1, key=UNKNOWN, state="gone")
    overwrite(UNKNOWN, b"x")
    assert kinds(fsck()[1]) == ["gone-object"]
    assert fsck("--repair")[0] == 0
    assert UNKNOWN not in stored_keys(object_store())


def test_parts_that_no_row_knows_are_dropped_once_they_are_old(
    mara: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_id = object_store().start_parts(UNKNOWN)
    object_store().put_part(UNKNOWN, store_id, 1, b"x")
    status, _, summary = fsck("--repair")
    assert status == 0
    assert summary["counted"]["young uploads in parts that no row knows"] == 1
    assert len(open_parts(object_store())) == 1
    monkeypatch.setattr(
        "shub.operations.fsck.checks.parts.idle_since",
        lambda: timezone.now() + timedelta(minutes=1),
    )
    client, content = wire(mara), sif_bytes(seed=9)
    client.begin_parts(client.announce(PATH, content)["id"], len(content))  # a row knows these
    assert kinds(fsck()[1]) == ["unknown-parts"]
    assert fsck("--repair")[0] == 0
    assert [each.key for each in open_parts(object_store())] == [Upload.objects.latest("id").key]


def test_parts_that_somebody_else_has_in_the_bucket_are_left_alone(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_store().start_parts("somebody/else")
    monkeypatch.setattr(
        "shub.operations.fsck.checks.parts.idle_since",
        lambda: timezone.now() + timedelta(minutes=1),
    )
    assert fsck("--repair")[:2] == (0, [])
    assert [each.key for each in open_parts(object_store())] == ["somebody/else"]


def test_a_store_that_does_not_list_in_order_ends_it_with_two(pushed: Blob) -> None:
    class Backwards(Failing):
        def objects(self, after: str = "") -> Iterator[Listed]:
            yield from reversed(list(self._store.objects(after)))

    with replace_object_store(Backwards(object_store(), times=0)):  # type: ignore[type-var]
        status, _, summary = fsck("--only", "objects")
    assert (status, "not list its objects in the order" in summary["trouble"]) == (2, True)


# ── what is right again when it is to be repaired ──
def test_what_is_known_by_then_is_not_removed(mara: Person, pushed: Blob) -> None:
    assert repairing.remove_unknown(pushed.key) == "is known now, or gone"
    Blob.objects.filter(pk=pushed.pk).update(state="gone")
    seen = looking.look(pushed.key)
    Blob.objects.filter(pk=pushed.pk).update(state="proven")
    assert repairing.mend_object(seen) == ""
    client = wire(mara)
    content = sif_bytes(seed=9)
    client.begin_parts(client.announce(PATH, content)["id"], len(content))
    (found,) = open_parts(object_store())
    assert parts.drop(found) == "is known now"
    assert open_parts(object_store()) == [found]
    assert pushed.key in stored_keys(object_store())


def test_what_is_back_by_then_is_not_marked(pushed: Blob) -> None:
    remove(pushed.key)
    seen = looking.look(pushed.key)
    overwrite(pushed.key, ONE)
    assert repairing.mend_object(seen) == "is as it should be"
    assert state(pushed) == "proven"


def test_what_is_used_or_proven_by_then_is_not_condemned(pushed: Blob) -> None:
    repairing.condemn_unused(pushed.pk)
    repairing.condemn_forgotten(pushed.pk)
    assert state(pushed) == "proven"


def test_rows_that_agree_by_the_second_look_are_no_finding(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    Blob.objects.filter(pk=pushed.pk).update(state="condemned")

    def pause(seconds: float) -> None:
        Blob.objects.filter(pk=pushed.pk).update(state="proven")

    monkeypatch.setattr(rows, "sleep", pause)
    assert fsck("--only", "rows")[:2] == (0, [])


def test_wrong_bytes_that_nobody_has_any_more_are_no_finding(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    overwrite(pushed.key, flipped(ONE))
    real = reading._try

    def and_it_is_condemned(blob: Blob, *more: Any) -> Any:
        verdict = real(blob, *more)
        Blob.objects.filter(pk=pushed.pk).update(state="condemned")
        return verdict

    monkeypatch.setattr(reading, "_try", and_it_is_condemned)
    assert fsck("--only", "bytes", "--repair")[:2] == (0, [])
    assert state(pushed) == "condemned"


# ── rows against rows ──
def blob_in(state: str, upload: str) -> Blob:
    """Another blob of the same bytes, with its object."""
    key = f"{blob_key(digest(ONE), upload)}"
    overwrite(key, ONE)
    return Blob.objects.create(digest=digest(ONE), size=len(ONE), key=key, state=state)


def test_rows_that_contradict_each_other_are_found(mara: Person, pushed: Blob) -> None:
    image = Image.objects.get(digest=digest(ONE))
    other = Image.objects.get(digest=digest(TWO))
    Image.objects.filter(pk=image.pk).update(blob=blob_in("gone", "1" * 24))
    remove(blob_key(digest(ONE), "1" * 24))
    Image.objects.filter(pk=other.pk).update(digest="ab" * 32)
    wire(mara).push("mara/tools/clang", sif_bytes(seed=5), "5.0")
    Tag.objects.filter(name="5.0").update(container=image.container)
    claim = Image.objects.create(container=image.container, digest="cd" * 32)
    Tag.objects.filter(name="2.0").update(image=claim)
    status, findings, _ = fsck()
    assert status == 1
    assert kinds(findings) == [
        "image-without-bytes",
        "other-digest",
        "tag-without-bytes",
        "tag-without-bytes",
        "unused-blob",
    ]
    assert {each["subject"] for each in findings} == {
        f"{PATH}:sha256.{digest(ONE)}",
        f"{PATH}:sha256.{'ab' * 32}",
        f"{PATH}:5.0",
        f"{PATH}:2.0",
        pushed.key,
    }


def test_a_removed_image_without_bytes_is_found(mara: Person, pushed: Blob) -> None:
    wire(mara).call("DELETE", f"/v1/images/{PATH}:1.0")
    RemovedImage.objects.update(blob=blob_in("gone", "1" * 24))
    remove(blob_key(digest(ONE), "1" * 24))
    assert kinds(fsck()[1]) == ["removed-without-bytes", "unused-blob"]


def test_a_blob_that_nothing_has_is_condemned(pushed: Blob) -> None:
    Image.objects.filter(digest=digest(ONE)).update(blob=None)
    Tag.objects.filter(name="1.0").delete()
    assert kinds(fsck()[1]) == ["unused-blob"]
    assert fsck("--repair")[0] == 0
    assert state(pushed) == "condemned"
    sweep()
    assert fsck()[0] == 0
    assert pushed.key not in stored_keys(object_store())


def test_a_damaged_blob_that_nothing_has_is_condemned_too(pushed: Blob) -> None:
    remove(pushed.key)
    fsck("--repair")
    Tag.objects.filter(name="1.0").delete()
    Image.objects.filter(digest=digest(ONE)).delete()
    assert kinds(fsck()[1]) == ["damaged", "unused-blob"]
    fsck("--repair")
    assert state(pushed) == "condemned"


def test_a_condemned_blob_that_an_image_has_is_taken_back_where_it_is_right(
    mara: Person, pushed: Blob
) -> None:
    Blob.objects.filter(pk=pushed.pk).update(state="condemned")
    assert kinds(fsck()[1]) == ["condemned-in-use"]
    assert fsck("--repair")[0] == 0
    assert state(pushed) == "proven"
    assert wire(mara).get(f"/v1/imagefile/{PATH}:1.0").status == 200
    overwrite(pushed.key, flipped(ONE))
    Blob.objects.filter(pk=pushed.pk).update(state="condemned")
    assert fsck("--repair")[0] == 1
    assert state(pushed) == "condemned"


def test_pending_bytes_that_nobody_is_to_verify_are_condemned(mara: Person) -> None:
    upload = waiting(mara)
    assert fsck()[0] == 0
    Upload.objects.filter(pk=upload.pk).update(state="aborted")
    assert kinds(fsck()[1]) == ["forgotten-pending"]
    assert fsck("--repair")[0] == 0
    assert Blob.objects.get().state == "condemned"


def test_what_is_stuck_is_found(mara: Person, pushed: Blob) -> None:
    upload = Upload.objects.latest("id")
    long_ago = timezone.now() - timedelta(hours=2)
    pending = blob_in("pending", "3" * 24)
    Upload.objects.filter(pk=upload.pk).update(
        state="verifying", blob=pending, active_at=long_ago, trouble="the store is away"
    )
    gone = blob_in("leaving", "2" * 24)
    Blob.objects.filter(pk=gone.pk).update(failures=12, trouble="refused")
    Blob.objects.filter(pk=pushed.pk).update(failures=12, trouble="broke off")
    status, findings, _ = fsck()
    assert (status, kinds(findings)) == (1, ["stuck-removal", "stuck-upload", "unreadable"])
    assert "the store is away" in str(findings)
    # One that is being read is not stuck.
    Upload.objects.update(leased_until=timezone.now() + timedelta(seconds=10))
    assert "stuck-upload" not in kinds(fsck()[1])
    # One that failed time after time is, however lately it was tried, and whatever is to be done.
    Upload.objects.update(leased_until=None, active_at=timezone.now())
    assert "stuck-upload" not in kinds(fsck()[1])
    Upload.objects.filter(pk=upload.pk).update(failures=10)
    assert "stuck-upload" in kinds(fsck()[1])
    Upload.objects.filter(pk=upload.pk).update(
        state="joining", blob=None, failures=0, active_at=long_ago
    )
    assert "stuck-upload" in kinds(fsck()[1])


def test_a_ledger_that_is_wrong_is_found_and_counted_anew(mara: Person, pushed: Blob) -> None:
    assert fsck_of_all()[:2] == (0, [])
    EntityUsage.objects.filter(entity=mara.entity).update(stored_bytes=7)
    SiteUsage.objects.update(reserved_bytes=9)
    status, findings, _ = fsck_of_all()
    assert status == 1
    assert [(each["kind"], each["subject"]) for each in findings] == [
        ("ledger", "mara"),
        ("ledger", "the site"),
    ]
    assert EntityUsage.objects.get(entity=mara.entity).stored_bytes == 7
    assert fsck_of_all("--repair")[0] == 0
    assert fsck_of_all()[:2] == (0, [])


def test_every_kind_has_its_words_in_the_reference() -> None:
    reference = Path("docs/reference/fsck.md").read_text()
    for code in KINDS:
        assert f"`{code}`" in reference


# ── while it runs ──
def test_what_changes_between_two_looks_is_looked_at_again(
    mara: Person, pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes leave just after they were seen."""
    Blob.objects.filter(pk=pushed.pk).update(state="leaving")
    real, looks = looking._stat, []

    def and_then_it_goes(key: str) -> Any:
        found = real(key)
        looks.append(found)
        remove(key)
        Blob.objects.filter(key=key).update(state="gone")
        return found

    monkeypatch.setattr(looking, "_stat", and_then_it_goes)
    assert looking.look(pushed.key).kind is None
    assert [found is not None for found in looks] == [True, False]


class Work:
    """Pushes, removals for good, collections and pauses, each in a thread, until it is over."""

    def __init__(self, mara: Person) -> None:
        self.over, self.mara = Event(), mara
        self.pushes: list[str] = []
        acts = (self.push_and_remove("a"), self.push_and_remove("bb"), self.sweep, self.pause)
        self.threads = [Thread(target=self.again, args=(act,)) for act in acts]
        self.ended_well = 0

    def __enter__(self) -> "Work":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(60)

    def again(self, act: Callable[[int], None]) -> None:
        try:
            for number in itertools.count():
                if self.over.is_set():
                    break
                act(number)
            self.ended_well += 1
        finally:
            connection.close()

    def push_and_remove(self, name: str) -> Callable[[int], None]:
        def act(number: int) -> None:
            client = wire(self.mara)
            path = f"mara/{name}/c{number % 2}"
            client.push(path, sif_bytes(seed=1000 * len(name) + number), "v")
            self.pushes.append(path)
            if number % 2:
                client.call("DELETE", f"/v1/images/{path}:v")

        return act

    def sweep(self, number: int) -> None:
        sweep()

    def pause(self, number: int) -> None:
        held = pausing.begin("a backup")
        self.over.wait(0.2)
        pausing.end(held)
        self.over.wait(0.3)


@pytest.mark.django_db(transaction=True)
def test_a_registry_at_work_gives_no_false_findings(
    store: ObjectStore, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REMOVED_KEEP_DAYS = 0
    monkeypatch.setattr(objects, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr("shub.storage.s3.LISTED_AT_ONCE", 3)
    until, results = monotonic() + 60, []
    with Work(make_person("mara")) as work:
        while len(work.pushes) < 12 and monotonic() < until:
            results.append(fsck("--read"))
    beats.end()
    assert work.ended_well == len(work.threads)
    assert len(work.pushes) >= 12
    assert [findings for _, findings, _ in results] == [[]] * len(results)
    assert max(summary["counted"].get("objects", 0) for _, _, summary in results) > 1


# ── away, stopped, gone on with ──
class Failing:
    """The store, which is away now and then, or for good."""

    def __init__(self, store: ObjectStore, *, times: int) -> None:
        self._store, self._left = store, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def objects(self, after: str = "") -> Iterator[Listed]:
        for listed in self._store.objects(after):
            if self._left:
                self._left -= 1
                raise Unavailable("The store is away.")
            yield listed


def test_a_store_that_is_away_for_a_moment_is_waited_for(pushed: Blob, store: ObjectStore) -> None:
    with replace_object_store(Failing(store, times=1)):  # type: ignore[type-var]
        status, findings, summary = fsck()
    assert (status, findings, summary["counted"]["objects"]) == (0, [], 2)


def test_a_store_that_stays_away_ends_it_with_two_and_a_word(
    pushed: Blob, store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    with replace_object_store(Failing(store, times=10**6)):  # type: ignore[type-var]
        status, _, summary = fsck("--patience", "0.5")
        assert (status, summary["trouble"]) == (2, "The store is away.")
        with pytest.raises(SystemExit) as end:
            call_command("fsck", "--patience", "0.5")
    assert end.value.code == 2
    assert "with --state FILE it goes on" in capsys.readouterr().err


def test_one_that_is_stopped_goes_on_where_it_was(
    mara: Person, pushed: Blob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(10, 16):
        wire(mara).push("mara/tools/more", sif_bytes(seed=seed))
    remove(pushed.key)
    overwrite(blob_of(TWO).key, flipped(TWO))
    file, real, read = tmp_path / "state", reading._try, []

    def stopped_after_three(blob: Blob, *more: Any) -> Any:
        read.append(blob.pk)
        found = real(blob, *more)
        if len(read) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(reading, "_try", stopped_after_three)
    status, findings, summary = fsck("--read", "--state", str(file))
    assert (status, summary["trouble"]) == (2, "ended by SIGTERM.")
    assert "missing-object" in kinds(findings)
    assert summary["checks"] == ["objects", "parts", "rows", "ledger"]
    assert file.exists()

    status, again, summary = fsck("--read", "--state", str(file))
    assert status == 1
    assert summary["checks"] == ["objects", "parts", "rows", "ledger", "bytes"]
    assert summary["found"] == {"missing-object": 1, "other-bytes": 1}
    assert "missing-object" not in kinds(again)
    # The one at which it was stopped, and the lost one, are the only ones that are read twice.
    assert len(read) == 9
    assert not file.exists()


def test_reading_may_be_bounded(mara: Person, pushed: Blob) -> None:
    Blob.objects.filter(pk=pushed.pk).update(read_at=timezone.now() - timedelta(days=3))
    assert fsck("--read", "--older-than", "1")[2]["counted"]["blobs read"] == 1
    assert fsck("--read", "--older-than", "1")[2]["counted"].get("blobs read", 0) == 0
    assert fsck("--read", "--newest", "1")[2]["counted"]["blobs read"] == 1
    read_at = Blob.objects.get(pk=pushed.pk).read_at
    assert read_at is not None
    assert read_at > timezone.now() - timedelta(minutes=1)


def test_only_some_may_be_looked_at(pushed: Blob) -> None:
    remove(pushed.key)
    assert fsck("--only", "rows")[2]["checks"] == ["rows"]
    assert kinds(fsck("--only", "objects")[1]) == ["missing-object"]


def test_an_object_that_the_store_cannot_give_is_named_and_the_others_are_read(
    pushed: Blob, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fixity.read_and_hash

    def breaking_off(key: str, **named: Any) -> Any:
        if key == pushed.key:
            raise Unavailable("The store broke off.")
        return real(key, **named)

    monkeypatch.setattr(fixity, "read_and_hash", breaking_off)
    status, findings, summary = fsck("--read", "--repair")
    assert (status, kinds(findings)) == (1, ["unreadable"])
    assert summary["counted"]["blobs read"] == 2
    assert state(pushed) == "proven"


# ── much ──
class Many:
    """A store that lists very many objects that no server holds."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys

    def objects(self, after: str = "") -> Iterator[Listed]:
        now = timezone.now()
        for key in self._keys:
            if key > after:
                yield Listed(key, 1, now)


def test_rows_and_objects_are_compared_some_thousand_at_a_time(
    db: None, django_assert_max_num_queries: Any
) -> None:
    keys = sorted(blob_key(token_hex(32), token_hex(12)) for _ in range(12_000))
    Blob.objects.bulk_create(
        [
            Blob(digest=key.split("/")[2].partition(".")[0], size=1, key=key, state="proven")
            for key in keys
        ],
        batch_size=2000,
    )
    course = Course(Options(), ProgressLine(None))
    with replace_object_store(Many(keys)), django_assert_max_num_queries(8):  # type: ignore[type-var]
        objects.check(course)
    assert (course.found.total(), course.counted["objects"]) == (0, 12_000)
    assert course.counted["rows"] == 12_000


def test_what_is_found_twice_counts_once(db: None) -> None:
    course = Course(Options(), ProgressLine(None))
    for seen in ("at first", "again"):
        course.take(Finding(KINDS["missing-object"], UNKNOWN, seen))
    assert (course.found, course.left) == ({"missing-object": 1}, {"missing-object": 1})
    course.take(Finding(KINDS["missing-object"], UNKNOWN, "again", repaired="marked"))
    assert (course.found.total(), course.left.total()) == (1, 0)


def test_a_signal_ends_it_at_once() -> None:
    with pytest.raises(command.Ended), raises_on_signal(command.Ended):
        os.kill(os.getpid(), signal.SIGINT)
