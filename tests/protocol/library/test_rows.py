"""Every row of the contract has its tests, or a reason; no test names a row that is none."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.protocol.library.rows import ROWS


def modules() -> Iterator[ModuleType]:
    """The modules of tests in this folder, also where a run takes only some of them."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield import_module(f"tests.protocol.library.{path.stem}")


def marks_of(test: Any) -> Iterator[Any]:
    """The marks of a test, and of each of its sets of parameters."""
    for mark in getattr(test, "pytestmark", []):
        yield mark
        if mark.name == "parametrize":
            for values in mark.args[1]:
                yield from getattr(values, "marks", [])


def marked_rows() -> set[str]:
    """Every row that a test here names."""
    return {
        row
        for module in modules()
        for name, test in vars(module).items()
        if name.startswith("test_")
        for mark in marks_of(test)
        if mark.name == "row"
        for row in mark.args
    }


def test_every_row_has_a_test_or_a_reason_why_it_has_none() -> None:
    marked, uncovered = marked_rows(), {row for row, entry in ROWS.items() if entry.uncovered}
    assert marked - set(ROWS) == set()
    assert set(ROWS) - marked - uncovered == set()
    assert marked & uncovered == set()


def test_every_row_says_what_it_promises() -> None:
    assert all(entry.promise for entry in ROWS.values())
