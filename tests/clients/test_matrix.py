"""The table of what clients were seen to do: written, read again, and compared."""

from pathlib import Path

import pytest

from tests.clients import matrix
from tests.clients.matrix import ACTIONS, BEGIN, END, Matrix, Seen


@pytest.fixture
def seen() -> Matrix:
    """Two clients, of which the older cannot delete."""
    found = Matrix({"old": "Older", "new": "Newer"})
    for client in ("old", "new"):
        for action in ACTIONS:
            found.record(client, action, Seen.DONE, test="test")
    found.record("old", "delete", Seen.CANNOT, test="test_deleting")
    return found


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(f"Before.\n\n{BEGIN}\n{END}\n\nAfter.\n")
    return path


def test_a_written_table_is_read_again_and_the_page_around_it_stays(
    seen: Matrix, page: Path
) -> None:
    table = seen.table(["old", "new"])

    for _ in range(2):
        matrix.write_table(page, table)

    assert matrix.table_in(page) == table
    assert matrix.differences(matrix.table_in(page), table) == []
    assert page.read_text().startswith("Before.\n\n")
    assert page.read_text().endswith("\n\nAfter.\n")
    assert page.read_text().count("| Delete by tag | – | ✓ |") == 1


def test_a_failure_is_named_and_told_from_the_table_that_was_expected(seen: Matrix) -> None:
    expected = seen.table(["old", "new"])
    seen.record("new", "search", Seen.FAILED, test="test_a_search")
    seen.record("new", "search", Seen.DONE, test="test_another_search")

    different = matrix.differences(expected, seen.table(["old", "new"]))

    title = ACTIONS["search"]
    assert different == [
        f"expected: | {title} | ✓ | ✓ |",
        f"seen:     | {title} | ✓ | failed: test_a_search |",
    ]


def test_a_run_without_one_of_the_clients_or_actions_is_no_whole_run(seen: Matrix) -> None:
    assert seen.is_complete(["old", "new"])
    assert not seen.is_complete(["old", "new", "newest"])
    del seen.seen["old", "search"]
    assert not seen.is_complete(["old", "new"])


def test_a_page_without_a_place_for_the_table_is_refused(page: Path, seen: Matrix) -> None:
    page.write_text("No table here.\n")

    with pytest.raises(ValueError, match="lacks the lines"):
        matrix.write_table(page, seen.table(["old", "new"]))
    assert page.read_text() == "No table here.\n"
