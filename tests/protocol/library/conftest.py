"""Which rows of the contract a run has covered, and an image that most tests begin with."""

from typing import Any

import pytest

from shub.storage import ObjectStore
from tests.factories import Person
from tests.protocol.library.rows import ROWS
from tests.protocol.library.scene import Pushed, push

PASSED = pytest.StashKey[set[str]]()
FAILED = pytest.StashKey[set[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "row(*ids): the rows of the contract that the test holds")
    config.stash[PASSED], config.stash[FAILED] = set(), set()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Note the rows of a test that has ended."""
    outcome = yield
    report = outcome.get_result()
    rows = {str(row) for mark in item.iter_markers("row") for row in mark.args}
    if report.failed:
        item.config.stash[FAILED] |= rows
    elif report.when == "call" and report.passed:
        item.config.stash[PASSED] |= rows


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say how much of the contract was covered, and why the rest was not."""
    passed, failed = config.stash[PASSED], config.stash[FAILED]
    if not passed | failed:
        return
    covered = (passed - failed) & set(ROWS)
    missing = len(ROWS) - len(covered)
    line = f"library protocol: {len(covered)} of {len(ROWS)} rows covered, {missing} not"
    terminalreporter.write_line(line + (":" if missing else ""))
    reasons: dict[str, list[str]] = {}
    for row, entry in ROWS.items():
        if row not in covered:
            reason = "a test failed" if row in failed else entry.uncovered or "not in this run"
            reasons.setdefault(reason, []).append(row)
    for reason, rows in reasons.items():
        names = f"{len(rows)} rows" if len(rows) > 20 else ", ".join(rows)
        terminalreporter.write_line(f"  {names}: {reason}")


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> Pushed:
    """An image that Mara has pushed as mara/tools/gcc:latest, proven, for amd64."""
    settings.VERIFY_WAIT_SECONDS = 0
    return push(mara)
