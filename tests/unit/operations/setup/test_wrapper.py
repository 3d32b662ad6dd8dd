"""`./setup` hands its words and the files that they name to the image, as whoever calls it."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]

# Stands in for docker, and writes down what it was asked for, a word a line.
ENGINE = """#!/bin/sh
case $1 in
image) exit "$IMAGE" ;;
info) echo "$SECURITY" ;;
*) printf '%s\\n' "$@" >>"$SAID"; echo ---- >>"$SAID" ;;
esac
"""


class Wrapper:
    """Calls `./setup` with an engine that only listens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said = folder / "said"
        engine = folder / "engine"
        engine.write_text(ENGINE)
        engine.chmod(0o755)

    def __call__(
        self, *words: str, image: int = 0, security: str = "[name=seccomp]"
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "setup", *words],
            cwd=self.folder,
            env={
                "PATH": os.environ["PATH"],
                "DOCKER": str(self.folder / "engine"),
                "SAID": str(self.said),
                "IMAGE": str(image),
                "SECURITY": security,
                "TMPDIR": str(self.folder),
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    @property
    def runs(self) -> list[list[str]]:
        return [run.splitlines() for run in self.said.read_text().split("----\n") if run]


@pytest.fixture
def wrapper(tmp_path: Path) -> Wrapper:
    return Wrapper(tmp_path)


def test_words_arrive_as_they_are(wrapper: Wrapper) -> None:
    words = ["--host", "registry.example.org", "--name", "Mara's  $HOME `own`", "", "--yes"]
    assert wrapper(*words).returncode == 0
    (run,) = wrapper.runs
    at = run.index("/site")
    assert run[at + 1 :] == words
    assert run[at - 5 : at] == ["shub:local", "python", "manage.py", "setup", "--folder"]
    assert f"{ROOT}:/site" in run


def test_a_named_file_is_handed_in_to_be_read_and_nothing_beside_it(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    for name in ("a chain.pem", "key.pem", "word"):
        (tmp_path / name).write_text("text")
    done = wrapper(
        "--certificate", "a chain.pem", f"--key={tmp_path}/key.pem", "--secret", "secret_key=word"
    )
    assert done.returncode == 0, done.stderr
    (run,) = wrapper.runs
    assert run[run.index("/site") + 1 :] == [
        *("--certificate", "/given/1", "--key", "/given/2", "--secret", "secret_key=/given/3"),
    ]
    volumes = {word for word in run if word.startswith("--volume=")}
    assert volumes == {
        f"--volume={tmp_path}/a chain.pem:/given/1:ro",
        f"--volume={tmp_path}/key.pem:/given/2:ro",
        f"--volume={tmp_path}/word:/given/3:ro",
    }
    assert not list(tmp_path.glob("tmp.*"))


def test_a_file_that_is_not_there_is_named_before_anything_starts(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    done = wrapper("--certificate", "nowhere.pem")
    assert done.returncode == 1
    assert f"--certificate: {tmp_path}/nowhere.pem is no file." in done.stderr
    assert not wrapper.said.exists()
    assert not list(tmp_path.glob("tmp.*"))


def test_a_flag_without_its_value_is_left_for_the_command_to_refuse(wrapper: Wrapper) -> None:
    wrapper("--yes", "--key")
    (run,) = wrapper.runs
    assert run[-2:] == ["--yes", "--key"]


def test_the_files_become_the_callers(wrapper: Wrapper) -> None:
    wrapper("--yes")
    wrapper("--yes", security="[name=seccomp,profile=builtin name=rootless]")
    mine, rootless = wrapper.runs
    assert mine[mine.index("--user") + 1] == f"{os.getuid()}:{os.getgid()}"
    # Root there is who started the engine here.
    assert rootless[rootless.index("--user") + 1] == "0:0"
    for run in (mine, rootless):
        assert run[run.index("--cap-drop") + 1] == "ALL"
        assert run[run.index("--network") + 1] == "none"


def test_an_image_is_built_where_there_is_none(wrapper: Wrapper) -> None:
    done = wrapper("--yes", image=1)
    build, run = wrapper.runs
    assert build[0] == "build"
    assert run[0] == "run"
    assert "Building shub:local" in done.stderr


def test_without_an_engine_it_says_what_to_install(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "setup"],
        env={"PATH": os.environ["PATH"], "DOCKER": "no-such-engine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Install Docker" in done.stderr
