"""A program of ours on one version of a Go client library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import outcome
from tests.clients.outcome import Outcome

# How a program ends that stands for a release without a command for what was asked.
CANNOT = 3


class Cannot(pytest.skip.Exception):
    """The client's release has no way to do this: no failure, and nothing to test."""


@dataclass(frozen=True)
class Release:
    """What a program says of the release that it stands for."""

    program: Path
    cli: str
    default_tag: str
    sends_parts: bool
    reads_usage: bool

    @classmethod
    def of(cls, program: Path) -> "Release":
        """Ask the program."""
        told = outcome.run([program, "about"], home=program.parent)
        assert told.returncode == 0, told
        facts: dict[str, Any] = told.answer["result"]
        return cls(
            program,
            cli=facts["cli"],
            default_tag=facts["defaultTag"],
            sends_parts=facts["sendsParts"],
            reads_usage=facts["readsUsage"],
        )


class LibraryProgram:
    """One user of the library at `url`: anonymous without a token.

    Each call raises Cannot where the release has no command, or no option, for it.
    """

    def __init__(self, program: Path, home: Path, url: str, token: str = "") -> None:
        self.program = program
        self.home = home
        self.account = ["-url", url]
        if token:
            file = home / "token"
            file.touch(mode=0o600)
            file.write_text(f"{token}\n")
            self.account += ["-token-file", str(file)]

    def push(self, image: Path, ref: str, *, arch: str = "", description: str = "") -> Outcome:
        return self._run("push", image, ref, "-arch", arch, "-description", description)

    def pull(self, ref: str, image: Path, *, arch: str = "") -> Outcome:
        return self._run("pull", ref, image, "-arch", arch)

    def search(self, text: str, *, arch: str = "") -> Outcome:
        return self._run("search", text, "-arch", arch)

    def delete(self, ref: str, *, arch: str = "") -> Outcome:
        return self._run("delete", ref, "-arch", arch)

    def _run(self, *arguments: str | Path) -> Outcome:
        done = outcome.run([self.program, *self.account, *arguments], home=self.home)
        if done.returncode == CANNOT:
            raise Cannot(done.answer["error"])
        return done
