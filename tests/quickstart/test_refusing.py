"""Starts that cannot be: one clear line on standard error each, and nothing is left running."""

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shub.quickstart.binaries import find_postgres, find_store
from shub.quickstart.failures import CannotRun
from tests.quickstart.running import Quickstart, clean_environment, processes_of, running

Used = Callable[..., Quickstart]


def check_line(complaint: str, *words: str) -> None:
    """One line, no traceback, with all the words."""
    assert complaint.count("\n") == 1, complaint
    assert "Traceback" not in complaint
    for word in words:
        assert word in complaint


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    """Somebody else on the port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # As gunicorn listens: two that both do so could share the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield


def test_a_busy_port_is_named_with_its_option(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    for port, option in (
        (quickstart.port, "--bind"),
        (quickstart.store_port, "--store-bind"),
    ):
        with listening(port):
            status, complaint = quickstart.refused()
        assert status == 1
        check_line(complaint, str(port), f"{option} HOST:PORT", "in use")
    assert processes_of(quickstart.data_dir) == []


def test_a_second_one_in_the_same_folder_is_told_of_the_first(used: Used) -> None:
    first = used()
    with running(first):
        second = Quickstart(first.data_dir)
        second.ready_file = first.ready_file.with_name("second.json")
        status, complaint = second.refused()
        assert status == 1
        assert first.process is not None
        check_line(complaint, f"pid {first.process.pid}", "--data-dir")
        assert first.works()


def test_a_folder_of_another_layout_is_left_alone(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    quickstart.data_dir.mkdir()
    (quickstart.data_dir / "version.json").write_text(json.dumps({"layout": 99}))
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "layout version 99", "reads 1", "--data-dir")


def test_a_folder_of_another_postgres_is_left_alone(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    (quickstart.data_dir / "postgres/data").mkdir(parents=True)
    (quickstart.data_dir / "version.json").write_text(json.dumps({"layout": 1}))
    (quickstart.data_dir / "postgres/data/PG_VERSION").write_text("11\n")
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "Postgres 11", "dump")


def test_a_folder_of_something_else_is_left_alone(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    quickstart.data_dir.mkdir(mode=0o755)
    (quickstart.data_dir / "thesis.tex").touch()
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "something else", "--data-dir")
    assert [path.name for path in quickstart.data_dir.iterdir()] == ["thesis.tex"]
    assert quickstart.data_dir.stat().st_mode & 0o777 == 0o755


def test_a_file_is_no_data_folder(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    quickstart.data_dir.touch()
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "a file, not a folder")


def test_damaged_secrets_are_not_replaced(used: Used) -> None:
    quickstart = used()
    secrets = quickstart.data_dir / "secrets.json"
    secrets.write_text("{")
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, str(secrets))
    assert secrets.read_text() == "{"


def test_a_full_disk_is_said_with_numbers(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    quickstart = Quickstart(place / "disk/data")
    disk = quickstart.data_dir.parent
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", disk],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("this root cannot mount")
    quickstart.ready_file = place / "ready.json"
    try:
        status, complaint = quickstart.refused()
    finally:
        subprocess.run(["umount", disk], check=True)
    assert status == 1
    check_line(complaint, " MiB of room", "256 MiB are needed", "--data-dir")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bind", "0.0.0.0:8080"], ["--external-host NAME"]),
        (["--bind", "[::]:8080"], ["--external-host NAME"]),
        (["--bind", "8080"], ["HOST:PORT"]),
        (["--bind", "127.0.0.1:0"], ["1 to 65535"]),
        (["--external-host", "http://registry"], ["neither a host name nor an IP address"]),
        (["--bind", "127.0.0.1:9000", "--store-bind", "127.0.0.1:9000"], ["one each"]),
    ],
)
def test_options_that_cannot_be_end_with_status_2(
    place: Path, options: list[str], words: list[str]
) -> None:
    quickstart = Quickstart(place / "data")
    status, complaint = quickstart.refused(*options)
    assert status == 2
    check_line(complaint, *words)
    assert not quickstart.data_dir.exists()


def test_an_unknown_option_ends_with_status_2(place: Path) -> None:
    status, complaint = Quickstart(place / "data").refused("--port", "80")
    assert status == 2
    assert "Traceback" not in complaint


def test_a_named_store_needs_its_keys(place: Path) -> None:
    environment = clean_environment(MINIO_SERVER="127.0.0.1:1")
    status, complaint = Quickstart(place / "data", environment=environment).refused()
    assert status == 2
    check_line(complaint, "MINIO_ACCESS_KEY")


def test_a_named_store_needs_both_keys_that_can_only_upload_or_none(place: Path) -> None:
    environment = clean_environment(
        MINIO_SERVER="127.0.0.1:1",
        MINIO_ACCESS_KEY="somebody",
        MINIO_SECRET_KEY="something",
        MINIO_UPLOAD_ACCESS_KEY="half",
    )
    status, complaint = Quickstart(place / "data", environment=environment).refused()
    assert status == 2
    check_line(complaint, "MINIO_UPLOAD_SECRET_KEY")


def test_a_named_database_that_does_not_answer_is_said(place: Path) -> None:
    quickstart = Quickstart(
        place / "data",
        environment=clean_environment(DATABASE_URL="postgresql://shub@127.0.0.1:1/shub"),
    )
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "database")
    assert processes_of(quickstart.data_dir) == []


def test_a_named_store_that_does_not_answer_is_said(used: Used) -> None:
    quickstart = used()
    quickstart.environment |= {
        "MINIO_SERVER": "127.0.0.1:1",
        "MINIO_ACCESS_KEY": "somebody",
        "MINIO_SECRET_KEY": "something",
    }
    status, complaint = quickstart.refused()
    assert status == 1
    check_line(complaint, "127.0.0.1:1")
    assert processes_of(quickstart.data_dir) == []


def test_a_ready_file_that_cannot_be_written_is_said(used: Used) -> None:
    quickstart = used()
    status, complaint = quickstart.refused("--ready-file", "/proc/ready.json")
    assert status == 1
    check_line(complaint, "--ready-file", "/proc/ready.json")


def test_missing_programs_are_said_with_what_can_be_named_instead() -> None:
    with pytest.raises(CannotRun, match="name a Postgres by DATABASE_URL"):
        find_postgres("no_such_package")
    with pytest.raises(CannotRun, match="MINIO_SERVER"):
        find_store("no-such-package")
