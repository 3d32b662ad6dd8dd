"""What each client was seen to do: collected while the tests run, and shown as a table.

A test that stands for a row says so by `@pytest.mark.action("…")`; its client is the fixture that
it uses. The table in the documentation lies between two marks, so that a run can write it and a
later run can compare it with what it sees.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

# The rows, in the order of the table.
ACTIONS = {
    "push": "Push an image under two tags",
    "push-parts": "Push more than 64 MiB (in parts, where the client sends parts)",
    "push-again": "Push it again: nothing is sent",
    "push-linked": "Push it into another container: nothing is sent",
    "push-arches": "Push two architectures under one tag",
    "push-untagged": "Push without a tag, and tag it by a later push",
    "push-one-body": "Push the same where parts are switched off",
    "push-old": "Push as to a library of 2018",
    "usage": "Read the quota and the address after a push",
    "pull-tag": "Pull by tag, without a token",
    "pull-token": "Pull by tag, with a token",
    "pull-hash": "Pull by hash",
    "pull-short": "Pull by a short reference",
    "pull-private": "Pull a private image, with a token",
    "pull-stream": "Pull where the registry streams to everybody",
    "search": "Search: what is hidden stays hidden",
    "search-arch": "Search by architecture",
    "delete": "Delete by tag",
    "delete-hash": "Delete by hash",
    "delete-arch": "Delete one architecture of a tag",
    "missing": "Missing: an image that is not there",
    "missing-arch": "Missing: another architecture",
    "missing-private": "Missing: a private image, without its owner's token",
    "refused-token": "Refused: push with a wrong token",
    "refused-nobody": "Refused: push without a token",
    "refused-elsewhere": "Refused: push into somebody else's entity",
    "refused-quota": "Refused: push over the quota",
    "refused-no-sif": "Refused: push of what is no image",
    "refused-delete": "Refused: delete what is somebody else's",
}

BEGIN = "<!-- what the clients were seen to do -->"
END = "<!-- the end of what they were seen to do -->"


class Seen(IntEnum):
    """What became of one action; of several tests of one, the last in this order counts."""

    DONE = 0
    CANNOT = 1
    FAILED = 2


@dataclass
class Matrix:
    """Outcomes by client and action, and the titles of the clients' columns."""

    titles: dict[str, str] = field(default_factory=dict)
    seen: dict[tuple[str, str], Seen] = field(default_factory=dict)
    failures: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def record(self, client: str, action: str, seen: Seen, *, test: str) -> None:
        """Add the outcome of one test."""
        cell = (client, action)
        self.seen[cell] = max(seen, self.seen.get(cell, seen))
        if seen is Seen.FAILED:
            self.failures.setdefault(cell, set()).add(test)

    def is_complete(self, clients: Iterable[str]) -> bool:
        """Each of the clients was seen to do, to fail or to lack each action."""
        return self.seen.keys() == {(client, action) for client in clients for action in ACTIONS}

    def table(self, clients: Iterable[str]) -> str:
        """The outcomes in Markdown, one column for each client.

        >>> matrix = Matrix({"a-v1": "Oldest"}, {("a-v1", action): Seen.DONE for action in ACTIONS})
        >>> matrix.record("a-v1", "delete", Seen.CANNOT, test="test_deleting")
        >>> [line for line in matrix.table(["a-v1"]).splitlines() if "Delete by" in line]
        ['| Delete by tag | – |', '| Delete by hash | ✓ |']
        """
        columns = list(clients)
        lines = [
            _row("", *(self.titles[client] for client in columns)),
            _row("---", *(":-:" for _ in columns)),
        ]
        for action, title in ACTIONS.items():
            lines.append(_row(title, *(self._cell(client, action) for client in columns)))
        return "\n".join(lines)

    def _cell(self, client: str, action: str) -> str:
        match self.seen[client, action]:
            case Seen.DONE:
                return "✓"
            case Seen.CANNOT:
                return "–"
            case _:
                return f"failed: {', '.join(sorted(self.failures[client, action]))}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table_in(page: Path) -> str:
    """The table as it stands in the page."""
    return _between(page.read_text())[1].strip()


def write_table(page: Path, table: str) -> None:
    """Put the table in the place of the one that stands in the page."""
    before, _, after = _between(page.read_text())
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def differences(expected: str, seen: str) -> list[str]:
    """The rows that differ, each as it was expected and as it was seen."""
    old, new = _by_title(expected), _by_title(seen)
    return [
        line
        for title in {**old, **new}
        if old.get(title) != new.get(title)
        for line in (f"expected: {old.get(title)}", f"seen:     {new.get(title)}")
    ]


def _by_title(table: str) -> Mapping[str, str]:
    return {line.split("|")[1].strip(): line for line in table.splitlines()}


def _between(text: str) -> tuple[str, str, str]:
    before, _, rest = text.partition(BEGIN)
    table, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"The page lacks the lines {BEGIN!r} and {END!r}.")
    return before, table, after
