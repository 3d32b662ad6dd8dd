"""A backup beside removals, and the parts of which it is made."""

import hashlib
import io
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from shub.containers import pausing
from shub.containers.models import Blob, CollectionPause, Image
from shub.errors import Unavailable
from shub.operations.backup import copying, database, making, programs
from shub.operations.backup.copying import Copying
from shub.operations.backup.failures import NotDone
from shub.operations.backup.folder import Folder, Kept
from shub.operations.backup.making import Made, Options
from shub.operations.progress_line import ProgressLine
from shub.storage import ObjectStore, Part, StoredObject
from shub.storage.keys import blob_key
from shub.storage.memory import MemoryStore
from shub.storage.s3 import S3Store
from shub.uploads import sweeps
from tests.damaging import flipped, overwrite
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import sweep, wire

CONTENTS = [sif_bytes(seed=number) for number in range(1, 4)]


@pytest.fixture
def mara(transactional_db: None) -> Person:
    """Somebody whose rows are committed: a backup has a session of its own."""
    return make_person("mara")


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> list[Blob]:
    """The blobs of three images."""
    settings.VERIFY_WAIT_SECONDS = 0
    settings.REMOVED_KEEP_DAYS = 0
    for number, content in enumerate(CONTENTS):
        wire(mara).push(f"mara/tools/c{number}", content, "v1")
    return list(Blob.objects.order_by("id"))


def make(path: Path, **options: Any) -> Made:
    out = io.StringIO()
    return making.make(path, out=out, say=lambda _: None, options=Options(**options))


def remove_all(mara: Person) -> None:
    for image in Image.objects.select_related("container"):
        answer = wire(mara).call("DELETE", f"/v1/images/{image.container}:{image.hash}")
        assert answer.status == 200, answer


def test_what_is_removed_for_good_while_it_is_copied_is_in_the_backup(
    pushed: list[Blob],
    mara: Person,
    store: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dump = database.Snapshot.dump

    def dump_and_remove(self: Any, *words: Any) -> None:
        dump(self, *words)
        remove_all(mara)
        sweep()
        assert {blob.state for blob in Blob.objects.all()} == {"condemned"}

    monkeypatch.setattr(database.Snapshot, "dump", dump_and_remove)
    made = make(tmp_path)
    assert made.manifest.missing == []
    assert made.copied == len(pushed)
    folder = Folder(tmp_path)
    assert {folder.path_of(blob.key).read_bytes() for blob in pushed} == set(CONTENTS)
    # And then it goes.
    assert len(stored_keys(store)) == len(pushed)
    sweep()
    assert stored_keys(store) == []


def test_of_what_was_leaving_when_the_backup_began_nothing_is_asked_for(
    pushed: list[Blob], store: ObjectStore, tmp_path: Path
) -> None:
    Blob.objects.filter(pk=pushed[0].pk).update(state=Blob.State.LEAVING)
    store.remove([pushed[0].key])
    made = make(tmp_path)
    assert made.manifest.missing == []
    assert made.manifest.objects == len(pushed) - 1


def test_bytes_that_are_not_verified_yet_are_kept_if_they_are_what_was_claimed(
    pushed: list[Blob], tmp_path: Path
) -> None:
    Image.objects.update(blob=None)
    Blob.objects.update(state=Blob.State.PENDING)
    wrong = Blob.objects.get(pk=pushed[0].pk)
    wrong.key = wrong.key.replace(wrong.digest, "0f" * 32).replace("/" + wrong.digest[:2], "/0f")
    wrong.save()
    made = make(tmp_path)
    assert made.manifest.missing == []
    assert made.manifest.objects == len(pushed) - 1


def test_bytes_that_are_no_longer_what_was_proven_are_named_and_not_kept(
    pushed: list[Blob], tmp_path: Path
) -> None:
    damaged = pushed[1]
    overwrite(damaged.key, flipped(CONTENTS[1]))
    made = make(tmp_path)
    assert made.manifest.missing == [damaged.key]
    assert made.manifest.objects == len(pushed) - 1
    assert not Folder(tmp_path).path_of(damaged.key).exists()


def test_a_store_that_is_away_for_a_moment_is_waited_for(
    pushed: list[Blob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAUSES_SECONDS", (0.0, 0.0))
    left = [2]
    read = S3Store.read

    def flaky(self: Any, *words: Any, **named: Any) -> Any:
        if left[0]:
            left[0] -= 1
            raise Unavailable("The store is away.")
        return read(self, *words, **named)

    monkeypatch.setattr(S3Store, "read", flaky)
    assert make(tmp_path, jobs=1).copied == len(pushed)


def test_a_store_that_stays_away_ends_the_backup_in_words_and_the_pause_with_it(
    pushed: list[Blob], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "PAUSES_SECONDS", (0.0,))

    def away(*words: Any, **named: Any) -> Any:
        raise Unavailable("The store is away.")

    monkeypatch.setattr(S3Store, "read", away)
    with pytest.raises(NotDone, match=r"The store is away\. Run the same command again"):
        make(tmp_path)
    assert pausing.current() is None
    assert Folder(tmp_path).points() == []


def test_two_backups_into_one_folder_are_refused(pushed: list[Blob], tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    with folder.locked(), pytest.raises(NotDone, match="Another backup"):
        make(tmp_path)


def test_a_backup_is_nobody_elses_to_read(pushed: list[Blob], tmp_path: Path) -> None:
    make(tmp_path / "backups")
    for path in [tmp_path / "backups", *(tmp_path / "backups").rglob("*")]:
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_command_runs_while_the_collection_is_paused(
    pushed: list[Blob], mara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run(command: list[str], **_: Any) -> Any:
        remove_all(mara)
        seen.append((command, sweeps.collect_condemned()))
        return type("Done", (), {"returncode": 7})

    monkeypatch.setattr("subprocess.run", run)
    with pytest.raises(CommandError) as failed:
        call_command("pausecollection", "--", "mc", "mirror", "--overwrite")
    assert failed.value.returncode == 7
    assert seen == [(["mc", "mirror", "--overwrite"], 0)]
    assert sweeps.collect_condemned() == len(pushed)


def test_the_pause_is_moved_on_for_as_long_as_the_backup_takes(
    pushed: list[Blob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "CARE_SECONDS", 0.05)
    soon = timezone.now() + timedelta(seconds=30)
    with making.collection_paused() as pause:
        CollectionPause.objects.filter(pk=pause.pk).update(until=soon)
        until = monotonic() + 10
        while not CollectionPause.objects.filter(until__gt=soon).exists():
            assert monotonic() < until, "nobody moved it on"
            sleep(0.05)
    assert not CollectionPause.objects.exists()


def test_a_store_that_does_not_give_back_what_it_was_sent_is_found_out(tmp_path: Path) -> None:
    class Forgetful(MemoryStore):
        def finish_parts(self, key: str, store_id: str, parts: Sequence[Part]) -> StoredObject:
            self.put_part(key, store_id, 1, bytes(len(CONTENTS[0])))
            return super().finish_parts(key, store_id, self.list_parts(key, store_id))

    digest = hashlib.sha256(CONTENTS[0]).hexdigest()
    kept = Kept(blob_key(digest, "0" * 24), len(CONTENTS[0]))
    folder = Folder(tmp_path)
    folder.make()
    folder.path_of(kept.key).parent.mkdir()
    folder.path_of(kept.key).write_bytes(CONTENTS[0])
    for store, expected in ((MemoryStore(), ([], [])), (Forgetful(), ([], [kept]))):
        assert Copying(store, folder, ProgressLine(None), 1).back([kept]) == expected


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Programs of these versions of Postgres, and no others."""
    versions = [18, 16, 17]
    folders = []
    for version in versions:
        folder = tmp_path / str(version)
        folder.mkdir()
        for name in ("pg_dump", "pg_restore"):
            (folder / name).write_text(f'#!/bin/sh\necho "{name} (PostgreSQL) {version}.1 (X)"\n')
            (folder / name).chmod(0o755)
        folders.append(folder)
    monkeypatch.setattr(programs, "_places", lambda: folders)
    return versions


@pytest.mark.parametrize(("server", "chosen"), [(15, 16), (16, 16), (17, 17), (18, 18)])
def test_the_oldest_programs_that_are_not_older_than_the_server_are_taken(
    installed: list[int], server: int, chosen: int
) -> None:
    assert programs.find(server).version == chosen


def test_programs_that_are_all_older_than_the_server_are_refused(installed: list[int]) -> None:
    with pytest.raises(NotDone, match=r"of Postgres 18, and the server is 19.*client-19"):
        programs.find(19)


def test_a_password_stands_in_no_command_line() -> None:
    address = programs._address(
        {
            "HOST": "db",
            "PORT": "5433",
            "USER": "shub",
            "NAME": "registry",
            "PASSWORD": "only-for-tests",
            "OPTIONS": {"sslmode": "require", "connect_timeout": 10},
        }
    )
    assert "only-for-tests" not in address
    assert set(address.split()) == {
        *("host=db", "port=5433", "user=shub", "dbname=registry"),
        *("sslmode=require", "connect_timeout=10"),
    }
