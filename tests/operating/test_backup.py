"""A backup of a registry at work, brought back on an empty one: the same images, byte for byte."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import CopySource

from shub.operations.backup.programs import find
from shub.operations.demo.pushing import Client, Place
from tests.operating.conftest import Install
from tests.operating.installation import PROJECT, Installation, eventually
from tests.operating.work import Work, remove
from tests.sif_files import sif_bytes

pytestmark = pytest.mark.timeout(600)

MIB = 1 << 20

# All that a registry knows, in an order that does not depend on its keys. What a restoration
# changes by design is left out: the old store's uploads in parts, leases, what was about to go.
TABLES = {
    "accounts_user": "*",
    "accounts_entity": "*",
    "accounts_token": "*",
    "accounts_team": "*",
    "accounts_teammembership": "*",
    "containers_collection": "*",
    "containers_container": "*",
    "containers_image": "*",
    "containers_removedimage": "*",
    "containers_tag": "*",
    "containers_tagmove": "*",
    "containers_grant": "*",
    "uploads_upload": "public_id, kind, digest, size, key, blob_id, reason",
}


def state(site: Installation) -> dict[str, list[Any]]:
    """What the database says, table by table."""
    return {
        table: site.rows(f"SELECT {columns} FROM {table} ORDER BY 1, 2")
        for table, columns in TABLES.items()
    }


def trail(site: Installation) -> list[Any]:
    return site.rows(
        "SELECT id, at, action, actor, name, detail::text FROM audit_event ORDER BY id"
    )


def manifest(folder: Path) -> dict[str, Any]:
    """That of the newest point."""
    newest = max((folder / "points").glob("*/manifest.json"))
    return dict(json.loads(newest.read_text()))


def copies(folder: Path) -> dict[str, tuple[int, float]]:
    """The objects of a folder: inode and time, which tell whether a copy was made anew."""
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime)
        for path in (folder / "objects").glob("*/*")
    }


@pytest.fixture
def backups(tmp_path: Path) -> Path:
    return tmp_path / "backups"


def test_a_registry_at_work_is_brought_back_whole_on_an_empty_server(
    install: Install, backups: Path
) -> None:
    """Images, a removed one, an open upload; backups while pushes and removals go on."""
    site = install(is_prepared=True, VERIFY_WAIT_SECONDS="60")
    token = site.register("mara")
    contents = {f"v{number}": sif_bytes(seed=number) for number in range(4)}
    # More than one part back, and more than one piece.
    contents["large"] = sif_bytes(seed=77, size=33 * MIB + 5)
    with site.serving() as url:
        mara = Client(url, token)
        place = Place("mara", "tools", "gcc")
        for tag, content in contents.items():
            mara.push(place, content, tags=(tag,))
        removed = sif_bytes(seed=50)
        mara.push(place, removed, tags=("gone",))
        remove(url, token, place, removed)
        begun = mara.announce(place, "ab" * 32)
        mara.begin_parts(begun.image_id, 5000)

        with Work(url, token).going_on() as work:
            eventually(lambda: work.removed >= 2, "pushes and removals")
            site.done("backup", backups)
            first, had = manifest(backups), copies(backups)
            before = work.pushed
            eventually(lambda: work.pushed > before + 2, "more of them")
        assert work.faults == []
        assert site.rows("SELECT * FROM containers_collectionpause") == []

        under_way = "SELECT public_id FROM uploads_upload WHERE state IN ('joining', 'verifying')"
        eventually(lambda: site.rows(under_way) == [], "an end of all that was pushed")
    # Of the same state to the last: no sweep adds up downloads any more.
    said = site.done("backup", backups)
    second, has = manifest(backups), copies(backups)
    assert first["missing"] == second["missing"] == []
    assert second["objects"] > first["objects"] > 5
    assert {name: has[name] for name in had} == had, "an object was copied again"
    assert f"of which {second['objects'] - first['objects']} (" in said

    # Of the first one, too, a registry comes that is whole.
    older = install()
    points = sorted(path.name for path in (backups / "points").iterdir())
    older.done("restore", backups, "--point", points[0])
    assert_consistent(older)

    empty = install()
    said = empty.done("restore", backups)
    assert f"{second['objects']} objects" in said
    assert state(empty) == state(site)
    # Of itself a backup holds nothing.
    assert trail(site)[-1][2] == "site.backed_up"
    assert trail(empty)[:-1] == trail(site)[:-1]
    assert trail(empty)[-1][2] == "site.restored"
    assert_consistent(empty)
    assert empty.rows("SELECT count(*) FROM uploads_upload WHERE state = 'open'") == [(0,)]
    with empty.serving() as url:
        # The token is good, and the bytes are the same, by way of the new store.
        assert empty.bucket != site.bucket
        mara = Client(url, token)
        for tag, content in contents.items():
            assert mara.pull(f"{place}:{tag}") == content
        empty.done("removed", "restore", _removed_id(empty, removed))
        assert mara.pull(f"{place}:gone") == removed
        new = sif_bytes(seed=4711)
        mara.push(place, new, tags=("new",))
        assert mara.pull(f"{place}:new") == new


def assert_consistent(site: Installation) -> None:
    """Each proven row has its bytes, they are what it says, and there are no others."""
    rows = site.rows("SELECT key, state FROM containers_blob WHERE state <> 'gone'")
    assert {state for _, state in rows} <= {"proven", "pending"}
    assert {key for key, _ in rows} == site.stored_keys()
    assert site.rows(
        "SELECT count(*) FROM containers_image image JOIN containers_blob blob"
        " ON blob.id = image.blob_id WHERE blob.state <> 'proven'"
    ) == [(0,)]
    # And by the product's own eyes: every row, every object, every byte.
    site.done("fsck", "--read")


def _removed_id(site: Installation, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    ((found,),) = site.rows(
        "SELECT public_id FROM containers_removedimage WHERE digest = %s", digest
    )
    return str(found)


@pytest.fixture(scope="session")
def three_images(install_for_all: Install) -> Installation:
    """A registry with three images, whose servers are not running any more."""
    made = install_for_all(is_prepared=True, VERIFY_WAIT_SECONDS="60")
    token = made.register("mara")
    with made.serving() as url:
        for number in range(3):
            place = Place("mara", "tools", f"c{number}")
            Client(url, token).push(place, sif_bytes(seed=number), tags=("v1",))
    return made


@pytest.fixture
def small(three_images: Installation, install: Install) -> Installation:
    """A copy of its database, on the same bucket."""
    return install(like=three_images)


def test_what_is_damaged_in_the_folder_is_refused_by_name_and_mended_by_the_next_backup(
    small: Installation, install: Install, backups: Path
) -> None:
    small.done("backup", backups)
    victim = min((backups / "objects").glob("*/*"))
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)

    empty = install()
    refused = empty.manage("restore", backups)
    assert refused.returncode == 1
    assert str(victim) in refused.stderr
    assert empty.rows("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]

    said = empty.done("restore", backups, "--incomplete")
    assert victim.name in said
    assert empty.rows("SELECT count(*) FROM containers_blob WHERE state = 'damaged'") == [(1,)]

    # A backup that reads what is there copies it anew; one that does not, leaves it.
    small.done("backup", backups)
    assert victim.read_bytes() == bytes(content)
    small.done("backup", backups, "--reread")
    assert hashlib.sha256(victim.read_bytes()).hexdigest() in victim.name
    install().done("restore", backups)

    dump = max((backups / "points").glob("*/database.dump"))
    with dump.open("r+b") as file:
        file.seek(1000)
        file.write(b"damaged")
    refused = install().manage("restore", backups)
    assert refused.returncode == 1
    assert f"{dump} is damaged" in refused.stderr


def test_bytes_that_the_store_has_lost_are_named_and_all_else_is_saved(
    small: Installation, install: Install, backups: Path
) -> None:
    lost = f"blobs/ab/{'ab' * 32}.{'0' * 24}"
    small.change("UPDATE containers_blob SET key = %s WHERE id = 2", lost)
    told = small.manage("backup", backups)
    assert told.returncode == 3
    assert lost in told.stderr
    assert manifest(backups)["missing"] == [lost]
    assert manifest(backups)["objects"] == 2
    empty = install()
    assert lost in empty.manage("restore", backups).stderr
    empty.done("restore", backups, "--incomplete")
    assert empty.rows("SELECT key FROM containers_blob WHERE state = 'damaged'") == [(lost,)]


def test_a_server_that_holds_something_is_only_replaced_when_that_is_said(
    small: Installation, install: Install, backups: Path
) -> None:
    small.done("backup", backups)
    before = state(small)
    small.register("somebody")
    refused = small.manage("restore", backups)
    assert refused.returncode == 1
    assert "3 images and 2 accounts" in refused.stderr
    assert "--replace" in refused.stderr
    said = small.done("restore", backups, "--replace")
    assert state(small) == before
    # What the store has already is read, not copied.
    assert "of which 0 were copied" in said

    # One that was only prepared, with its first administrator, is empty.
    prepared = install(is_prepared=True)
    prepared.register("root", administrator=True)
    prepared.done("restore", backups)
    assert state(prepared) == before


def test_a_backup_that_was_killed_pauses_nothing_for_ever_and_the_next_one_goes_on(
    install: Install, backups: Path
) -> None:
    site = install(is_prepared=True, VERIFY_WAIT_SECONDS="60")
    token = site.register("mara")
    content = sif_bytes(seed=5, size=96 * MIB)
    with site.serving() as url:
        Client(url, token).push(Place("mara", "tools", "large"), content, tags=("v1",))
    process = subprocess.Popen(
        [sys.executable, "manage.py", "backup", backups],
        cwd=PROJECT,
        env=site.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    eventually(
        lambda: any(path.stat().st_size for path in backups.glob("objects/*/*.part")),
        "the beginning of a copy",
    )
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (part,) = backups.glob("objects/*/*.part")
    assert 0 < part.stat().st_size < len(content)
    inode = part.stat().st_ino
    ((left,),) = site.rows("SELECT until - now() FROM containers_collectionpause")
    assert 0 < left.total_seconds() <= 600
    assert "holds no backup" in site.manage("restore", backups).stderr

    site.done("backup", backups)
    (copy,) = backups.glob("objects/*/*")
    assert copy.stat().st_ino == inode, "it began anew"
    assert copy.read_bytes() == content
    assert [path.suffix for path in (backups / "points").iterdir()] == [""]


def test_only_the_newest_backups_and_what_they_need_stay(
    small: Installation, backups: Path
) -> None:
    for _ in range(2):
        small.done("backup", backups)
    small.change("DELETE FROM containers_tag")
    small.change("UPDATE containers_image SET blob_id = NULL WHERE id = 1")
    small.change("UPDATE containers_blob SET state = 'condemned' WHERE id = 1")
    said = small.done("backup", backups, "--prune", "--keep", "1")
    assert "Dropped: 2 older points, 1 objects" in said
    assert len(list((backups / "points").iterdir())) == 1
    assert len(list(backups.glob("objects/*/*"))) == 2


def test_a_copy_by_other_tools_is_brought_back_as_the_how_to_says(
    small: Installation, install: Install, tmp_path: Path
) -> None:
    """pg_dump, then the bucket; back in the other order."""
    (version,) = small.rows("SELECT current_setting('server_version_num')::int / 10000")[0]
    programs = find(version).folder
    dump = tmp_path / "shub.dump"
    run(programs / "pg_dump", "--format=custom", f"--file={dump}", small.database)
    empty = install()
    empty.store().make_bucket(bucket_name=empty.bucket)
    for key in small.stored_keys():
        source = CopySource(bucket_name=small.bucket, object_name=key)
        empty.store().copy_object(bucket_name=empty.bucket, object_name=key, source=source)
    options = ("--clean", "--if-exists", "--no-owner", "--no-comments")
    run(programs / "pg_restore", *options, f"--dbname={empty.database}", dump)
    empty.prepare()
    assert state(empty) == state(small)
    assert_consistent(empty)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_point_of_an_older_version_is_brought_to_this_one(
    small: Installation, install: Install, backups: Path
) -> None:
    small.done("migrate", "uploads", "0002")
    small.done("backup", backups)
    assert "uploads.0003_where_from" not in manifest(backups)["migrations"]
    empty = install()
    empty.done("restore", backups)
    assert empty.rows("SELECT DISTINCT address FROM uploads_upload") == [("",)]
    assert state(empty) == state(small)
    small.done("migrate", "containers", "0016")
    assert "older version than this code" in small.manage("backup", backups).stderr


def test_a_point_of_a_newer_version_is_refused(
    small: Installation, install: Install, backups: Path
) -> None:
    small.change(
        "INSERT INTO django_migrations (app, name, applied)"
        " VALUES ('containers', '9999_to_come', now())"
    )
    small.done("backup", backups)
    refused = install().manage("restore", backups)
    assert refused.returncode == 1
    assert "newer version of shub" in refused.stderr
    assert "containers.9999_to_come" in refused.stderr


def test_programs_that_are_too_old_for_the_server_are_refused_in_words(
    small: Installation, backups: Path, tmp_path: Path
) -> None:
    for name in ("pg_dump", "pg_restore"):
        program = tmp_path / name
        program.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 9.6.1"\n')
        program.chmod(0o755)
    refused = small.manage("backup", backups, "--postgres-programs", tmp_path)
    assert refused.returncode == 1
    assert "Install postgresql-client-" in refused.stderr
