"""The ready file: what a program needs to use a running registry, for as long as it runs."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

from shub.quickstart.failures import CannotRun
from shub.quickstart.folder import write_json

CHILDREN = ("web", "sweep", "postgres", "store")


class ReadyFile:
    """A context: a stale file goes on the way in, and the file goes on the way out."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> "ReadyFile":
        if self._path is not None:
            try:
                self._path.unlink(missing_ok=True)
                # Tried under no name: whoever waits for the file must not see a trial.
                tempfile.TemporaryFile(dir=self._path.parent).close()
            except OSError as error:
                raise CannotRun(
                    f"--ready-file: {self._path} cannot be written: {error.strerror}."
                ) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Take it away; nothing happens where it is away."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def write(self, content: dict[str, Any], pids: dict[str, int | None]) -> None:
        """Write it whole, for this user only. Children that do not run here have no number."""
        if self._path is None:
            return
        try:
            write_json(self._path, {**content, "pids": {name: pids.get(name) for name in CHILDREN}})
        except OSError as error:
            raise CannotRun(
                f"--ready-file: {self._path} cannot be written: {error.strerror}."
            ) from None
