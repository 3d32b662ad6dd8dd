"""A program of ours on one version of a Go client library."""

from pathlib import Path

from tests.clients import outcome
from tests.clients.outcome import Outcome


class LibraryProgram:
    """One user of the library at `url`: anonymous without a token."""

    def __init__(self, program: Path, home: Path, url: str, token: str = "") -> None:
        self.program = program
        self.home = home
        self.account = ["-url", url]
        if token:
            file = home / "token"
            file.touch(mode=0o600)
            file.write_text(f"{token}\n")
            self.account += ["-token-file", str(file)]

    def push(self, image: Path, ref: str, *, arch: str = "amd64", description: str = "") -> Outcome:
        return self._run("push", image, ref, "-arch", arch, "-description", description)

    def pull(self, ref: str, image: Path, *, arch: str = "amd64") -> Outcome:
        return self._run("pull", ref, image, "-arch", arch)

    def search(self, text: str, *, arch: str = "amd64") -> Outcome:
        return self._run("search", text, "-arch", arch)

    def delete(self, ref: str, *, arch: str = "amd64") -> Outcome:
        return self._run("delete", ref, "-arch", arch)

    def _run(self, *arguments: str | Path) -> Outcome:
        return outcome.run([self.program, *self.account, *arguments], home=self.home)
