"""After a test the ledger says what a count of all rows says.

Tests that write rows past the product say so: by the mark `rows_by_hand`, or where only what they
prepare is so, by `ledger.forget_counts()` before they go on.
"""

from collections.abc import Iterator

import pytest
from django.db import connection

from shub.containers import ledger


@pytest.fixture(autouse=True)
def ledger_is_right(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of tests that use the database: whatever they did, nothing is left over or missing."""
    if not request.node.get_closest_marker("django_db") and "db" not in request.fixturenames:
        yield
        return
    request.getfixturevalue("db")
    yield
    if not connection.needs_rollback and not request.node.get_closest_marker("rows_by_hand"):
        assert list(ledger.drifts()) == [], "the ledger is not what is true"
