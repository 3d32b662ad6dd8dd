"""Writing the deployment's files: all of a run's changes, or none, whenever it is killed.

The files are first written whole into `secrets/.new`, which then becomes `secrets/.ready` in one
step. From then on they are meant: whoever opens the folder next moves what is left of them into
place. A folder `.new` that is found is of a run that was killed before that step, and goes.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from shub.operations.setup.failures import Refused

# Read in containers by other users than the one who made them; the folder keeps all others out.
SECRET_MODE = 0o444
# No container reads it.
OWN_MODE = 0o400
ENV_MODE = 0o600
FOLDER_MODE = 0o700

ENV = ".env"
CA_KEY = "ca.key"

_NEW = ".new"
_READY = ".ready"
_LOCK = ".lock"


class Deployment:
    """The project folder's `.env` and `secrets/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = folder / ENV
        self.secrets = folder / "secrets"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against other set-ups, and complete what one that was killed began."""
        try:
            self.secrets.mkdir(mode=FOLDER_MODE, exist_ok=True)
            # The rights first: a folder that stands open for a moment could be entered in it.
            self.secrets.chmod(FOLDER_MODE)
            lock = os.open(self.secrets / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Refused(f"{error.filename} cannot be written to: {error.strerror}.") from None
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(f"Another set-up is at work in {self.folder}.") from None
            shutil.rmtree(self.secrets / _NEW, ignore_errors=True)
            self._move_into_place()
            yield
        finally:
            os.close(lock)

    def read_env(self) -> str:
        """The text of `.env`; empty where there is none."""
        try:
            return self.env.read_text() if self.env.exists() else ""
        except UnicodeDecodeError:
            raise Refused(f"{self.env} is no text in UTF-8.") from None

    def read(self, name: str) -> str:
        """A secret without surrounding blanks; empty where there is none."""
        path = self.secrets / name
        return path.read_text().strip() if path.is_file() else ""

    def has(self, name: str) -> bool:
        """Whether the secret's file is there, even with nothing in it."""
        return (self.secrets / name).is_file()

    def write(self, files: Mapping[str, str]) -> None:
        """Have these files, all or none: secrets by their names, and `.env`."""
        if not files:
            return
        new = self.secrets / _NEW
        new.mkdir(mode=FOLDER_MODE)
        for name, text in files.items():
            _write_durably(new / name, text, _mode(name))
        _sync(new)
        new.rename(self.secrets / _READY)
        _sync(self.secrets)
        self._move_into_place()

    def _move_into_place(self) -> None:
        ready = self.secrets / _READY
        if not ready.exists():
            return
        for path in sorted(ready.iterdir()):
            path.replace(self.env if path.name == ENV else self.secrets / path.name)
        _sync(self.secrets)
        _sync(self.folder)
        ready.rmdir()


def _mode(name: str) -> int:
    if name == ENV:
        return ENV_MODE
    return OWN_MODE if name == CA_KEY else SECRET_MODE


def _write_durably(path: Path, text: str, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
