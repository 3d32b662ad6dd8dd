"""Commands touch nothing that they do not need, and say what is wrong in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Nothing listens there: whoever asks for the database or the store is found out.
NOWHERE = {
    "SECRET_KEY": "only-for-tests",
    "DATABASE_URL": "postgresql://shub@127.0.0.1:1/shub",
    "MINIO_SERVER": "127.0.0.1:1",
    "MINIO_ACCESS_KEY": "only-for-tests",
    "MINIO_SECRET_KEY": "only-for-tests",
}


def manage(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run manage.py in an environment that names nothing which runs."""
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **NOWHERE, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check"],
        ["makemigrations", "--check", "--dry-run"],
        *([command, "--help"] for command in ("prepare", "sweep", "createadministrator")),
        *([command, "--help"] for command in ("audit", "entity", "readonly", "removed", "user")),
        *([command, "--help"] for command in ("backup", "restore", "pausecollection")),
        ["import-folder", "--help"],
        ["quickstart", "--help"],
        ["setup", "--help"],
    ],
)
def test_what_needs_neither_database_nor_store_asks_for_neither(words: list[str]) -> None:
    done = manage(*words)
    assert done.returncode == 0, done.stderr


def test_static_files_are_collected_without_a_database_or_a_store(tmp_path: Path) -> None:
    done = manage("collectstatic", "--noinput", STATIC_ROOT=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "web/pages.css").exists()


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"MINIO_SSL": "maybe"}, "MINIO_SSL must be true or false"),
        ({"VERIFY_WAIT_SECONDS": "-1"}, "VERIFY_WAIT_SECONDS must be at least 0"),
        ({"VERIFY_WAIT_SECONDS": "soon"}, "VERIFY_WAIT_SECONDS must be a whole number"),
        ({"SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE: /nowhere: No such file"),
        ({"MINIO_EXTERNAL_SERVERS": "a"}, "MINIO_EXTERNAL_SERVERS must be KEY=VALUE pairs"),
        ({"DATABASE_URL": "postgresql://u:hunter2@[x"}, "DATABASE_URL is not an address"),
    ],
)
def test_a_setting_that_cannot_be_read_is_said_by_its_name(
    environment: dict[str, str], words: str
) -> None:
    done = manage("check", **environment)
    assert done.returncode != 0
    assert words in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"PUBLIC_URL": "https://registry.example/path"}, "shub.E001"),
        ({"MINIO_SECRET_KEY": ""}, "shub.E002"),
        ({"PUBLIC_URL": "https://registry.example"}, "shub.W001"),
        ({}, "shub.W002"),
        ({"MINIO_UPLOAD_ACCESS_KEY": "half"}, "shub.E003"),
    ],
)
def test_what_would_fail_a_users_first_push_is_found_by_check_deploy(
    environment: dict[str, str], found: str
) -> None:
    done = manage("check", "--deploy", **environment)
    assert found in done.stderr


def test_keys_that_can_only_upload_satisfy_check_deploy(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret\n")
    keys = {"MINIO_UPLOAD_ACCESS_KEY": "uploader", "MINIO_UPLOAD_SECRET_KEY_FILE": str(secret)}
    done = manage("check", "--deploy", **keys)
    assert "shub.W002" not in done.stderr
    assert "shub.E003" not in done.stderr


def test_an_administrator_is_made_by_command_and_a_weak_password_refused(db: None) -> None:
    from io import StringIO
    from unittest.mock import patch

    from django.core.management import CommandError, call_command

    from shub.accounts.models import User

    with patch("sys.stdin", StringIO("12345\n")), pytest.raises(CommandError, match="too short"):
        call_command("createadministrator", "mara")
    out = StringIO()
    with patch("sys.stdin", StringIO("correct horse battery\n")):
        call_command("createadministrator", "mara", stdout=out)
    assert "owns the entity mara" in out.getvalue()
    assert User.objects.get().is_administrator


def administrator(name: str, *words: str) -> str:
    from io import StringIO

    from django.core.management import call_command

    out = StringIO()
    call_command("createadministrator", name, *words, stdout=out, stderr=out)
    return out.getvalue()


def test_an_administrator_is_made_from_a_file_once_and_then_left_alone(
    db: None, tmp_path: Path
) -> None:
    from shub.accounts.models import User

    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    words = ["--password-file", str(file), "--if-missing", "--must-change"]
    assert "owns the entity mara" in administrator("mara", *words)
    made = User.objects.get()
    assert made.check_password("correct horse battery")
    assert made.must_change_password
    made.set_password("another horse battery")
    made.save()
    assert "stays as it is" in administrator("mara", *words)
    assert User.objects.get().check_password("another horse battery")


def test_if_missing_asks_for_no_password_and_says_who_is_no_administrator(
    db: None, mara: object
) -> None:
    from shub.accounts.models import User

    said = administrator("mara", "--if-missing", "--password-file", "/nowhere")
    assert "mara is no administrator" in said
    assert not User.objects.get().is_administrator


def test_a_password_file_that_cannot_be_read_is_named(db: None, tmp_path: Path) -> None:
    from django.core.management import CommandError

    empty = tmp_path / "empty"
    empty.write_text("\n")
    with pytest.raises(CommandError, match="--password-file: /nowhere: No such file"):
        administrator("mara", "--password-file", "/nowhere")
    with pytest.raises(CommandError, match="is empty"):
        administrator("mara", "--password-file", str(empty))
