"""Methods that no row of the table is about: they change nothing, and tell nothing."""

import pytest

from tests.isolation.policy import EVERYBODY, NOBODY, OWNER, PAGE
from tests.isolation.rows import ROWS
from tests.isolation.test_table import Cell
from tests.isolation.urls import ADMIN, routes
from tests.isolation.world import World

pytestmark = pytest.mark.django_db

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
PATTERNS = sorted({route.pattern for route in routes() if not route.pattern.startswith(ADMIN)})


@pytest.mark.parametrize("pattern", PATTERNS, ids=[pattern or "home" for pattern in PATTERNS])
def test_a_method_that_is_not_in_the_table_changes_and_tells_nothing(
    world: World, cells: dict[str, int], pattern: str
) -> None:
    rows = [row for row in ROWS if row.route == pattern]
    has = {method for row in rows for method in row.methods}
    row, faults = rows[0], []
    column = next((each for each in ("private", "crew") if each in row.columns), row.columns[0])
    for method in sorted(set(METHODS) - has):
        for role in (NOBODY, "stranger", OWNER):
            cell = Cell(world, row, method, column, role)
            reply, changed = cell.ask(world.places[column or "public"])
            told = [word for word in cell.hidden_words() if word not in cell.asked]
            faults += [f"{cell} is told {word!r}" for word in told if reply.says(word)]
            if changed and not row.changes:
                faults.append(f"{cell} has changed the database")
            if reply.status >= 500:
                faults.append(f"{cell} is answered {reply.status}")
            if row.door is not PAGE and row.need is not EVERYBODY:
                assert reply.status in {200, 401, 404, 405}, (cell, reply)
            cells["of other methods"] = cells.get("of other methods", 0) + 1
    assert not faults, "\n".join(faults)
