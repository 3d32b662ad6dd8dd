"""What a client did: its exit code and its words, fit to be shown in a test report."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Tokens of ours, and the part of a presigned address that makes it open a door.
SECRETS = re.compile(r"shub_[0-9A-Za-z]+|(?<=X-Amz-Signature=)[0-9a-f]+")


def without_secrets(text: str) -> str:
    """The text as a report may show it: reports are kept, and read by many.

    >>> without_secrets("PUT http://store/blob?X-Amz-Signature=0ab1&part=2")
    'PUT http://store/blob?X-Amz-Signature=***&part=2'
    """
    return SECRETS.sub("***", text)


@dataclass(frozen=True, repr=False)
class Outcome:
    """One run of a client."""

    command: str
    returncode: int
    stdout: str
    stderr: str

    @property
    def said(self) -> str:
        """All that the user would read."""
        return self.stdout + self.stderr

    @property
    def answer(self) -> dict[str, Any]:
        """The line of JSON that programs of ours print."""
        found: dict[str, Any] = json.loads(self.stdout)
        return found

    def __repr__(self) -> str:
        return without_secrets(f"{self.command}\nexit {self.returncode}\n{self.said}")


def assert_done(outcome: Outcome) -> None:
    """The client says that all went well."""
    assert outcome.returncode == 0, outcome


def assert_refused(outcome: Outcome, *words: str) -> None:
    """The client failed, and its user can read why."""
    assert outcome.returncode != 0, outcome
    for word in words:
        assert word in outcome.said, outcome


def run(
    command: Sequence[str | Path],
    *,
    home: Path,
    typed: str = "",
    env: Mapping[str, str] | None = None,
    seconds: float = 120,
) -> Outcome:
    """Run a client whose home is `home`, and who knows nothing else of this machine's settings.

    Raises subprocess.TimeoutExpired after `seconds`: a client that hangs is a finding, too.
    """
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        input=typed,
        cwd=home,
        env=environment(home, env),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    shown = " ".join([Path(words[0]).name, *words[1:]])
    return Outcome(shown, done.returncode, done.stdout, done.stderr)


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a client knows of this machine."""
    known = {"HOME": str(home), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    return {**known, **(more or {})}
