"""The Makefile's own words: what is missing is said in one line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quickstart.running import REPOSITORY

TOO_OLD = """#!/bin/sh
[ "$1" = --version ] && echo Python 3.9.2 && exit
exit 1
"""

WITHOUT_VENV = f"""#!/bin/sh
case "$2" in *ensurepip*) exit 1;; esac
exec {sys.executable} "$@"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The Makefile and the pinned packages, without an environment."""
    if shutil.which("make") is None:
        pytest.skip("make is missing")
    for name in ("Makefile", "requirements.txt", "requirements-quickstart.txt"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def make(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *arguments], cwd=clone, capture_output=True, text=True, check=False, timeout=60
    )


def test_help_is_the_default_and_lists_the_targets(clone: Path) -> None:
    said = make(clone).stdout
    assert said == make(clone, "help").stdout
    for target in ("help", "venv", "venv-dev", "serve"):
        assert f"\n  {target} " in f"\n{said}"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "python3 is missing"),
        (TOO_OLD, "Python 3.9.2 is too old"),
        (WITHOUT_VENV, "apt install python3-venv"),
    ],
)
def test_a_python_that_does_not_do_is_said(clone: Path, script: str | None, words: str) -> None:
    python = clone / "python"
    if script is not None:
        python.write_text(script)
        python.chmod(0o755)
    done = make(clone, "serve", f"PYTHON={python}")
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert words in first
    assert len(rest) == 1, "make's own line"
    assert done.stdout == ""


def test_packages_are_installed_once_for_each_content_of_their_files(clone: Path) -> None:
    # An environment whose pip only writes down that it was asked.
    binaries = clone / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text(
        f'#!/bin/sh\ncase "$*" in "-m pip install"*) echo asked >> {clone}/asked; exit;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    (binaries / "python").chmod(0o755)

    def times() -> int:
        assert make(clone, "venv").returncode == 0
        return (clone / "asked").read_text().count("asked")

    assert times() == 1
    (clone / "requirements.txt").touch()
    assert times() == 1
    with (clone / "requirements.txt").open("a") as stream:
        stream.write("# changed\n")
    assert times() == 2
