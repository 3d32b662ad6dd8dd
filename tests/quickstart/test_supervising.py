"""Children that die, supervisors that die, and ends that leave nothing."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psycopg2
import pytest
from botocore.config import Config

from shub.quickstart.children import ChildSpec
from shub.quickstart.supervisor import DEATHS_WITHIN_SECONDS, Child
from tests.quickstart.running import (
    Quickstart,
    end,
    eventually,
    is_alive,
    processes_of,
    running,
)

Used = Callable[..., Quickstart]
CHILDREN = ("web", "sweep", "postgres", "store")


@pytest.fixture(autouse=True)
def _hanging_up_is_heard() -> Iterator[None]:
    """Whoever runs the tests by nohup ignores SIGHUP, and so would what they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_leaves_no_process(used: Used, number: signal.Signals) -> None:
    quickstart = used()
    with running(quickstart):
        pids = list(quickstart.facts()["pids"].values())
        assert all(is_alive(pid) for pid in pids)
        assert quickstart.stop(number) == 0
    assert not [pid for pid in pids if is_alive(pid) or group_exists(pid)]
    assert processes_of(quickstart.data_dir) == []
    assert not quickstart.ready_file.exists()
    assert not (quickstart.data_dir / "postgres/data/postmaster.pid").exists()


def group_exists(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stop_signal_during_the_start_leaves_no_process(used: Used) -> None:
    quickstart = used()
    quickstart.process = subprocess.Popen(
        quickstart.command(),
        cwd="/",
        env=quickstart.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        eventually(lambda: len(processes_of(quickstart.data_dir)) > 2, "some children")
        assert quickstart.stop() == 0
        assert processes_of(quickstart.data_dir) == []
    finally:
        end(quickstart)


def test_each_child_is_started_again(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        for name in CHILDREN:
            before = quickstart.facts()["pids"]
            os.kill(before[name], signal.SIGKILL)
            eventually(
                lambda name=name, before=before: quickstart.pid(name) != before[name],
                f"a new {name} in the ready file",
            )
            after = quickstart.facts()["pids"]
            assert {n: p for n, p in after.items() if n != name} == {
                n: p for n, p in before.items() if n != name
            }
            eventually(quickstart.works, f"an answer after the death of {name}")
            assert is_alive(after[name])
    for name in CHILDREN:
        assert f"{name} (pid " in quickstart.said
    assert "was ended by SIGKILL and is started again" in quickstart.said


def test_a_killed_postgres_with_a_busy_session_is_started_again(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        connection = psycopg2.connect(quickstart.facts()["database"])
        busy = threading.Thread(target=keep_busy, args=[connection])
        busy.start()
        try:
            before = quickstart.pid("postgres")
            os.kill(before, signal.SIGKILL)
            eventually(lambda: quickstart.pid("postgres") != before, "a new Postgres")
            eventually(quickstart.works, "an answer", seconds=15)
        finally:
            busy.join(timeout=30)
            connection.close()
        assert not busy.is_alive()


def keep_busy(connection: "psycopg2.extensions.connection") -> None:
    """A query that looks at nothing around it for minutes; its end is the session's end."""
    with pytest.raises(psycopg2.Error), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM generate_series(1, 10000000000)")


def test_a_child_that_keeps_dying_stops_everything(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        for _ in range(5):
            pid = quickstart.pid("web")
            os.kill(pid, signal.SIGKILL)
            eventually(
                lambda pid=pid: not quickstart.ready_file.exists() or quickstart.pid("web") != pid,
                "a new web server, or the end",
            )
        assert quickstart.finish() == 1
        assert processes_of(quickstart.data_dir) == []
    assert quickstart.complained.count("\n") == 1
    assert "web" in quickstart.complained
    assert "5th time within a minute" in quickstart.complained
    assert not quickstart.ready_file.exists()


def test_a_killed_supervisor_leaves_no_child_and_the_next_start_works(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        quickstart.kill()
        assert quickstart.ready_file.exists()
        # At once, while the earlier run's children may still be ending.
        with running(quickstart):
            assert quickstart.works()
            quickstart.kill()
            eventually(lambda: not processes_of(quickstart.data_dir), "no child", seconds=15)


def test_a_closed_pipe_stops_nothing(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        assert quickstart.process is not None
        assert quickstart.process.stdout is not None
        quickstart.process.stdout.close()
        before = quickstart.pid("sweep")
        os.kill(before, signal.SIGKILL)
        eventually(lambda: quickstart.pid("sweep") != before, "a new sweep")
        assert quickstart.works()
        quickstart.send(signal.SIGTERM)
        assert quickstart.process.wait(30) == 0
        assert quickstart.process.stderr is not None
        assert quickstart.process.stderr.read() == ""
        quickstart.process.stderr.close()


def test_blocks_that_no_object_has_are_collected_while_it_runs(used: Used) -> None:
    quickstart = used()
    blocks = quickstart.data_dir / "store/objects/shub/chunks"
    two_days_ago = time.time() - 2 * 24 * 3600
    with running(quickstart):
        content = os.urandom(5 << 20)
        client(quickstart.facts()["store"]).put_object(
            Bucket=quickstart.facts()["store"]["bucket"], Key="kept", Body=content
        )
        # The small ones are of the store's own files, which it writes anew.
        own = {path for path in blocks.glob("**/*") if path.stat().st_size >= 1 << 20}
        assert len(own) == 2
        for path in own:
            os.utime(path, (two_days_ago, two_days_ago))
        lost, young = leave_block(blocks, 900_001), leave_block(blocks, 900_002)
        os.utime(lost, (two_days_ago, two_days_ago))
        assert quickstart.stop() == 0
    with running(quickstart):
        eventually(lambda: not lost.exists(), "no block that nothing has")
        kept = client(quickstart.facts()["store"]).get_object(
            Bucket=quickstart.facts()["store"]["bucket"], Key="kept"
        )
        assert kept["Body"].read() == content
        assert young.exists()
        assert [path for path in own if not path.exists()] == []
        assert quickstart.stop() == 0
    assert processes_of(quickstart.data_dir) == []


def test_a_copy_of_a_data_folder_collects_nothing_of_the_original(
    used: Used, used_folder: Path
) -> None:
    chunks = used_folder / "store/objects/shub/chunks"
    chunks.mkdir(parents=True, exist_ok=True)
    lost = leave_block(chunks, 900_003)
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(lost, (two_days_ago, two_days_ago))
    quickstart = used()
    copied = quickstart.data_dir / lost.relative_to(used_folder)
    try:
        assert copied.exists()
        with running(quickstart):
            eventually(lambda: not copied.exists(), "the copy's own block is collected")
        assert lost.exists()
    finally:
        lost.unlink()


def leave_block(chunks: Path, number: int) -> Path:
    """A block as the store names them, of a slice that no object has."""
    path = chunks / str(number // 1_000_000) / str(number // 1000) / f"{number}_0_4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"lost")
    for each in (path, path.parent, path.parent.parent, chunks):
        owner = chunks.parent.stat()
        os.chown(each, owner.st_uid, owner.st_gid)
    return path


def client(store: dict[str, str]) -> Any:
    """An S3 client with the registry's own keys."""
    return boto3.session.Session().client(
        "s3",
        endpoint_url=store["endpoint"],
        aws_access_key_id=store["access_key"],
        aws_secret_access_key=store["secret_key"],
        region_name="us-east-1",
        config=Config(request_checksum_calculation="when_required"),
    )


def test_who_dies_again_soon_is_waited_for_and_who_died_long_ago_is_started_again_at_once() -> None:
    child = Child(ChildSpec("web", (), {}, Path("/"), Path("/dev/null")))
    waits = []
    for now in (0.0, 1.0, 2.0, 2.0 + DEATHS_WITHIN_SECONDS + 1):
        child.note_death(now)
        waits.append(child.due_at - now)
    assert waits == [0.0, 0.5, 1.0, 0.0]
