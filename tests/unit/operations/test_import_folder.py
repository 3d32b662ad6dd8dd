"""`manage.py import-folder`: files become images as by a push; again is no error, and neither is a
kill in the middle."""

import csv
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from shub.audit.models import Event
from shub.containers import granting, images, refs, tagging
from shub.containers.models import Collection, Container, Image, Role, Tag
from shub.operations.importing import files, taking
from shub.storage import ObjectStore, object_store
from shub.uploads.models import Upload
from tests import servers
from tests.factories import Person, make_collection
from tests.sif_files import sif_bytes, write_sif
from tests.stored import open_parts, stored_keys
from tests.wire import digest, sweep, wire

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _with_store(store: ObjectStore) -> None:
    """A real store, on an empty bucket."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "images"
    made.mkdir()
    return made


def lay(folder: Path, name: str, **what: Any) -> str:
    """A SIF file; its digest."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_sif(path, **{"size": 40_000, **what})


def run(folder: Path, place: str, *words: str, by: str = "mara") -> str:
    out = StringIO()
    call_command("import-folder", str(folder), place, "--by", by, *words, stdout=out)
    return out.getvalue()


def refused(folder: Path, place: str, *words: str, by: str = "mara") -> tuple[str, str]:
    """What was said, and how it ended."""
    out = StringIO()
    with pytest.raises(CommandError) as ended:
        call_command("import-folder", str(folder), place, "--by", by, *words, stdout=out)
    return out.getvalue(), str(ended.value)


def found(ref: str, by: Person, arch: str = "amd64") -> str:
    return images.find_image(refs.parse(ref), arch=arch, by=by.caller).digest


def test_a_name_that_is_no_text_stops_nothing_and_a_terminal_is_told_no_commands(
    folder: Path, mara: Person, tmp_path: Path
) -> None:
    lay(folder, "gcc_13.2.sif")
    for name in (b"caf\xe9.sif", b"a\x1b[2J\nb.sif"):
        (folder / os.fsdecode(name)).write_bytes(b"no image")
    report = tmp_path / "report.csv"
    said, _ = refused(folder, "mara", "--report", str(report))
    assert found("mara/default/gcc:13.2", mara)
    said.encode()
    assert "\x1b" not in said
    assert r"a\x1b[2J\nb.sif: not taken" in said.splitlines()[0]
    assert r"caf\udce9.sif" in said
    assert r"caf\udce9.sif" in report.read_text()
    assert "\x1b" not in refused(folder, "mara", "--dry-run")[0]


def test_files_become_proven_images_named_by_their_paths(folder: Path, mara: Person) -> None:
    laid = {
        ("mara/default/gcc:13.2", "amd64"): lay(folder, "gcc_13.2.sif", seed=1),
        ("mara/tools/gcc:13.2", "amd64"): lay(folder, "tools/GCC_13.2_amd64.sif", seed=2),
        ("mara/tools/gcc:13.2", "arm64"): lay(
            folder, "tools/gcc_13.2_arm64.sif", seed=3, arch="arm64"
        ),
        ("mara/tools/gnu-make:latest", "amd64"): lay(folder, "tools/gnu/make.sif", seed=4),
    }
    (folder / "README.txt").write_text("not an image")
    said = run(folder, "mara")
    for (ref, arch), digest_ in laid.items():
        assert found(ref, mara, arch) == digest_
    assert Image.objects.filter(blob__state="proven").count() == 4
    assert "4 sent, 0 not taken, 1 other file" in said
    assert Event.objects.filter(action="image.pushed", actor="mara").count() == 4
    assert not open_parts(object_store())


def test_again_sends_nothing_and_a_new_file_beside_them_is_sent(folder: Path, mara: Person) -> None:
    lay(folder, "gcc_13.sif", seed=1)
    run(folder, "mara/tools")
    before = stored_keys(object_store()), Event.objects.count()
    said = run(folder, "mara/tools")
    assert "gcc_13.sif: tools/gcc:13 (amd64): was there" in said
    assert (stored_keys(object_store()), Event.objects.count()) == before
    lay(folder, "gcc_14.sif", seed=2)
    said = run(folder, "mara/tools")
    assert "gcc_14.sif: tools/gcc:14 (amd64): sent" in said
    assert Upload.objects.count() == 2


def test_bytes_that_are_there_under_another_name_are_linked(folder: Path, mara: Person) -> None:
    content = sif_bytes(seed=5)
    wire(mara).push("mara/old/gcc", content, "1")
    (folder / "gcc_13.sif").write_bytes(content)
    (folder / "gcc_latest.sif").symlink_to("gcc_13.sif")
    said = run(folder, "mara/tools", "--workers", "1")
    assert "gcc_13.sif: tools/gcc:13 (amd64): its bytes were there" in said
    assert "gcc_latest.sif: tools/gcc:latest (amd64): was there, is tagged now" in said
    assert found("mara/tools/gcc:latest", mara) == digest(content)
    assert Upload.objects.count() == 1


def test_what_is_not_taken_is_told_with_the_reason_and_the_rest_is_taken(
    folder: Path, mara: Person, tmp_path: Path
) -> None:
    lay(folder, "good.sif", seed=1)
    (folder / "broken.sif").write_bytes(b"no image " * 100)
    (folder / "short.sif").write_bytes(sif_bytes(seed=2)[:-100])
    lay(folder, "a b.sif", seed=3)
    lay(tmp_path, "outside.sif", seed=4)
    (folder / "leading-out.sif").symlink_to(tmp_path / "outside.sif")
    (folder / "nowhere.sif").symlink_to("gone.sif")
    (folder / "round.sif").symlink_to("round.sif")
    (folder / "twice_1.sif").write_bytes(sif_bytes(seed=5))
    (folder / "twice_1.simg").write_bytes(sif_bytes(seed=6))
    (folder / "tools").mkdir()
    (folder / "link").symlink_to("tools")
    os.mkfifo(folder / "pipe.sif")
    report = tmp_path / "report.csv"
    said, ended = refused(folder, "mara/tools", "--report", str(report))
    for line in (
        "broken.sif: not taken: no SIF image",
        "short.sif: not taken: The file names an object that ends at byte",
        "a b.sif: not taken: 'a b' is not a legal container name",
        "leading-out.sif: not taken: a link that leads out of the folder",
        "nowhere.sif: not taken: cannot be read: No such file or directory",
        "round.sif: not taken: ",
        "twice_1.simg: not taken: twice_1.sif becomes tools/twice:1 for amd64 already",
        "link: not taken: a link to a folder",
        "pipe.sif: not taken: no file",
    ):
        assert line in said
    assert ended == "9 files not taken; why is said above."
    assert sorted(str(each) for each in Container.objects.all()) == [
        "mara/tools/good",
        "mara/tools/twice",
    ]
    rows = list(csv.DictReader(report.read_text().splitlines()))
    assert {row["became"] for row in rows} == {"sent", "not taken"}
    assert len(rows) == 11


def test_a_file_that_may_not_be_read_is_told(folder: Path, mara: Person, monkeypatch: Any) -> None:
    lay(folder, "secret.sif", seed=1)
    opened = files.opened

    def closed(path: Path, top: Path) -> Any:
        if path.name == "secret.sif":
            raise PermissionError(13, "Permission denied")
        return opened(path, top)

    # Root reads everything: the system is played.
    monkeypatch.setattr(files, "opened", closed)
    assert "secret.sif: not taken: cannot be read: Permission denied" in refused(folder, "mara")[0]


def test_a_quota_refuses_what_has_no_room_and_leaves_nothing_of_it(
    folder: Path, mara: Person
) -> None:
    lay(folder, "small_1.sif", seed=1)
    lay(folder, "large_1.sif", seed=2, size=300_000)
    mara.entity.quota_bytes = 100_000
    mara.entity.save()
    said, _ = refused(folder, "mara/tools")
    assert "large_1.sif: not taken: The quota of mara is 100000 bytes" in said
    assert [str(each) for each in Container.objects.all()] == ["mara/tools/small"]
    assert Upload.objects.count() == 1


def test_who_may_not_push_there_imports_nothing(folder: Path, mara: Person, otto: Person) -> None:
    lay(folder, "gcc_13.sif")
    make_collection(mara.entity, "tools", mara)
    said, _ = refused(folder, "mara/tools", by="otto")
    assert "You may not push there" in said
    assert not Image.objects.exists()
    assert not Upload.objects.exists()


def test_who_may_push_into_a_collection_only_imports_there(
    folder: Path, mara: Person, otto: Person
) -> None:
    tools = make_collection(mara.entity, "tools", mara)
    granting.grant_by_name(place=tools, name="otto", role=Role.WRITER, by=mara.caller)
    digest_ = lay(folder, "gcc_13.sif")
    run(folder, "mara/tools", by="otto")
    assert found("mara/tools/gcc:13", mara) == digest_
    assert "not taken" in refused(folder, "mara/other", by="otto")[0]
    assert not Collection.objects.filter(name="other").exists()


def test_a_tag_that_means_another_image_stays_unless_told(folder: Path, mara: Person) -> None:
    wire(mara).push("mara/tools/gcc", sif_bytes(seed=8), "13")
    digest_ = lay(folder, "gcc_13.sif", seed=1)
    said, _ = refused(folder, "mara/tools")
    assert "gcc_13.sif: not taken: mara/tools/gcc:13 means another image there" in said
    assert Upload.objects.count() == 1
    run(folder, "mara/tools", "--move-tags")
    assert found("mara/tools/gcc:13", mara) == digest_


def test_a_list_names_files_and_what_it_does_not_name_stays(
    folder: Path, mara: Person, tmp_path: Path
) -> None:
    digest_ = lay(folder, "my image (final).sif", seed=1)
    lay(folder, "other.sif", seed=2)
    names = tmp_path / "names.csv"
    names.write_text(
        "# what is what\nmy image (final).sif,tools/mine:2.0\nmy image (final).sif,tools/mine\n"
        "gone.sif,tools/gone\n"
    )
    said, _ = refused(folder, "mara", "--names", str(names))
    assert "other.sif: not taken: not in the list of names" in said
    assert "gone.sif: not taken: named in the list, and not in the folder" in said
    assert found("mara/tools/mine:2.0", mara) == found("mara/tools/mine:latest", mara) == digest_
    assert Image.objects.count() == 1
    names.write_text("other.sif,no:such/name\n")
    assert refused(folder, "mara", "--names", str(names))[1].endswith(
        "Line 1: 'no:such/name' is no name here: expected COLLECTION/CONTAINER:TAG."
    )


def test_a_dry_run_shows_what_would_become_of_each_and_does_nothing(
    folder: Path, mara: Person
) -> None:
    lay(folder, "tools/gcc_13.sif", size=1_200_000)
    lay(folder, "make.sif", seed=2, arch="arm64")
    said = run(folder, "mara", "--dry-run")
    assert said.splitlines() == [
        "FILE              BECOMES                   ARCH   SIZE    NOW",
        "make.sif          mara/default/make:latest  arm64  40 kB   new",
        "tools/gcc_13.sif  mara/tools/gcc:13         amd64  1.2 MB  new",
        "2 images of 1.2 MB, 0 not taken, 0 other files. Nothing was done.",
    ]
    assert not Container.objects.exists()
    assert not Upload.objects.exists()


def test_a_file_that_changes_between_the_two_readings_is_refused(
    folder: Path, mara: Person, monkeypatch: Any
) -> None:
    lay(folder, "gcc_13.sif", seed=1)
    hashed = taking.hashed

    def then_changed(content: Any) -> tuple[str, int]:
        seen = hashed(content)
        (folder / "gcc_13.sif").write_bytes(sif_bytes(seed=9))
        return seen

    monkeypatch.setattr(taking, "hashed", then_changed)
    said, _ = refused(folder, "mara")
    assert "not taken: The bytes that arrived do not have the SHA-256" in said
    assert not Image.objects.exists()
    assert not stored_keys(object_store())


def test_a_store_that_is_away_ends_it_with_what_to_do(
    folder: Path, mara: Person, settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("shub.operations.importing.running.PATIENCE_SECONDS", (0.01,))
    lay(folder, "gcc_13.sif")
    (host,) = servers.free_hosts(1)
    there, settings.MINIO_SERVER = settings.MINIO_SERVER, host
    _, ended = refused(folder, "mara")
    assert "Run the same command again: it goes on." in ended
    settings.MINIO_SERVER = there
    run(folder, "mara")
    assert Image.objects.get().is_proven


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_it_goes_on_and_leaves_nothing(
    folder: Path, mara: Person, settings: Any, number: signal.Signals
) -> None:
    laid = {f"part_{each}.sif": lay(folder, f"part_{each}.sif", seed=each) for each in range(3)}
    laid["z_1.sif"] = lay(folder, "z_1.sif", seed=99, size=200 * 1024**2)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "import-folder", folder, "mara/all", "--by", "mara"],
        cwd=ROOT,
        env=environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    # The large one is on its way: some of its parts are in the store.
    wait_for(lambda: Upload.objects.filter(size=200 * 1024**2).exists())
    time.sleep(0.1)
    process.send_signal(number)
    _, complained = process.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert process.returncode == 128 + number, complained
        assert "Run the same command again" in complained
        assert Upload.objects.get(size=200 * 1024**2).state == "aborted"
    else:
        assert process.returncode == -number
        assert Upload.objects.get(size=200 * 1024**2).state == "open"
    assert not Tag.objects.filter(container__name="z").exists()

    again = run(folder, "mara/all")
    assert "z_1.sif: all/z:1 (amd64): sent" in again
    for each in range(3):
        assert found(f"mara/all/part:{each}", mara) == laid[f"part_{each}.sif"]
    assert found("mara/all/z:1", mara) == laid["z_1.sif"]
    # Of the cut upload nothing stays, once it has lain idle for as long as any other.
    Upload.objects.update(active_at=timezone.now() - timedelta(days=2))
    sweep()
    Upload.objects.update(active_at=timezone.now() - timedelta(days=2))
    sweep()
    assert not open_parts(object_store())
    assert len(stored_keys(None)) == 4  # type: ignore[arg-type]
    assert tagging.tags_by_arch(Container.objects.get(name="z").public_id, by=mara.caller)


def test_memory_does_not_grow_with_the_files(folder: Path, mara: Person, settings: Any) -> None:
    lay(folder, "large_1.sif", size=150 * 1024**2)
    lay(folder, "large_2.sif", size=151 * 1024**2)
    code = (
        "import sys; from django.core.management import execute_from_command_line; "
        "execute_from_command_line(sys.argv); "
        # Not by getrusage, which counts what this test's own process had when it began this one.
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "import-folder", folder, "mara/all", "--by", "mara"],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    # Kibibytes: less than both files have, and a process of ours has 100 MB before it reads any.
    assert int(done.stdout.split()[-1]) < 290 * 1024, done.stdout


def environment(settings: Any) -> dict[str, str]:
    """What a command needs to find the test's own database and store."""
    entry = connection.settings_dict
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "shub.settings",
        "SECRET_KEY": "only-for-tests",
        "DATABASE_URL": f"dbname={entry['NAME']} user={entry['USER']} host={entry['HOST']}"
        + (f" port={entry['PORT']}" if entry["PORT"] else ""),
        "MINIO_SERVER": settings.MINIO_SERVER,
        "MINIO_ACCESS_KEY": settings.MINIO_ACCESS_KEY,
        "MINIO_SECRET_KEY": settings.MINIO_SECRET_KEY,
        "MINIO_BUCKET": settings.MINIO_BUCKET,
    }


def wait_for(condition: Any, seconds: float = 30) -> None:
    give_up_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
