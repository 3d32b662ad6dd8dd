"""Signing: by Apptainer or Singularity, where there is one, with keys that are thrown away."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("apptainer", "singularity")
PATIENCE_SECONDS = 120


class CannotSign(Exception):
    """The program did not do it; the message has its last line."""


def find(named: str = "") -> str:
    """The program that is named, or the first of PROGRAMS on the path; empty where there is none.

    CannotSign where one is named that is not there.
    """
    if named:
        found = shutil.which(named)
        if found is None:
            raise CannotSign(f"--apptainer: {named} is no program.")
    else:
        found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    # It is run in folders of its own.
    return str(Path(found).absolute()) if found else ""


class Signer:
    """Somebody with a key pair, in a folder of its own."""

    def __init__(self, program: str, folder: Path, name: str) -> None:
        self._program = program
        self._folder = folder
        folder.mkdir(mode=0o700)
        self._run(
            *("key", "newpair", "--name", name, "--email", f"{name}@example.org"),
            *("--comment", "demonstration", "--password", "", "--push=false"),
            *("--bit-length", "2048"),
        )

    def sign(self, content: bytes) -> bytes:
        """The image with a signature."""
        image = self._folder / "image.sif"
        image.write_bytes(content)
        self._run("sign", str(image))
        return image.read_bytes()

    def _run(self, *words: str) -> None:
        settings = str(self._folder)
        try:
            done = subprocess.run(
                [self._program, *words],
                cwd=self._folder,
                env={
                    "HOME": settings,
                    "PATH": os.environ.get("PATH", ""),
                    "LC_ALL": "C.UTF-8",
                    "APPTAINER_CONFIGDIR": settings,
                    "SINGULARITY_CONFIGDIR": settings,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as fault:
            raise CannotSign(f"{self._program} {words[0]}: {fault}") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise CannotSign(f"{self._program} {words[0]}: {said[-1] if said else 'failed'}")


@contextmanager
def signers(program: str, names: list[str]) -> Iterator[dict[str, Signer]]:
    """A signer for each name; their keys are gone at the end. None at all without a program."""
    with tempfile.TemporaryDirectory(prefix="shub-demo-") as folder:
        yield (
            {name: Signer(program, Path(folder) / name, name) for name in names} if program else {}
        )
