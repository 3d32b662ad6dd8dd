"""Every route of every door, asked by each role for each thing: what is answered, what stays."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.isolation import policy
from tests.isolation.policy import PAGE, ROLES, Expected, counts_as, expected
from tests.isolation.requests import Reply, send
from tests.isolation.rows import ROWS, Row
from tests.isolation.urls import ADMIN, routes
from tests.isolation.world import Place, Scene, World, fingerprint, rolled_back
from tests.stored import open_parts, stored_keys

pytestmark = pytest.mark.django_db

HOW_TO = """
These routes have no row in the isolation table:

{missing}

Add to tests/isolation/rows.py one line for each, with what the route asks of the caller (EVERYBODY,
SIGNED_IN_OWN, SEES, PULLS, PUSHES, DELETES, MANAGES, OWNS, SEES_ALL, ADMINISTRATORS), the kind of
thing that it is about (site, entity, collection, container), and a request that shows it:

    row("GET", "v1/things/<entity>", SEES, "entity", to("/v1/things/{{entity}}"))
    page("POST", "library/<entity>/-/x", MANAGES, "entity", to("/library/{{entity}}/-/x", {{}}),
         success=302, changes=True)

Then write docs/reference/access.md anew: python -m tests.isolation.page
"""


@dataclass
class Cell:
    """One request of the table: a row's, by one method, by one role, for one thing."""

    world: World
    row: Row
    method: str
    column: str
    role: str

    @property
    def expected(self) -> Expected:
        """What the table says."""
        row = self.row
        return expected(
            row.need,
            row.door,
            role=self.role,
            column=self.column,
            success=row.success,
            lacking=row.lacking,
            but=row.but,
            also=row.also if self.column != "crew" else (),
        )

    def ask(self, place: Place) -> tuple[Reply, bool]:
        """The answer for this thing, and whether anything is another than before."""
        scene = Scene(self.world, place, self.world.actors[self.role], self.expected.allowed)
        with rolled_back():
            asked = self.row.ask(scene)
            before = fingerprint() if scene.prepared else self.world.base
            reply = send(self.method, asked, scene.actor, is_page=self.row.door is PAGE)
            changed = fingerprint() != before
        self.asked = str(asked)
        return reply, changed

    def faults(self) -> Iterator[str]:
        """What is wrong with the answer."""
        place = self.world.places[self.column or "public"]
        want = self.expected
        reply, changed = self.ask(place)
        if reply.status != want.status:
            yield f"is answered {reply.status}, not {want.status}: {reply.body[:200]}"
        if changed and not (want.allowed and self.row.changes) and not counted(self, want):
            yield "has changed the database"
        if want.allowed and self.row.changes and not changed:
            yield "has changed nothing"
        for word in self.hidden_words():
            if word not in self.asked and reply.says(word):
                yield f"is told {word!r}"
        if want.like_absent:
            yield from self.differences(reply, place)

    def hidden_words(self) -> Iterator[str]:
        """The words of all that this role does not see."""
        role = counts_as(self.role, self.row.door)
        for column, words in self.world.secrets.items():
            if "s" not in policy.MAY[role][column]:
                yield from words

    def ask_absent(self, place: Place) -> Reply:
        """The answer for what is not there: asked once, not for each thing that is hidden."""
        key = id(self.row), self.method, self.role, place.path
        if key not in self.world.told:
            scene = Scene(self.world, place, self.world.actors[self.role])
            with rolled_back():
                asked = self.row.ask(scene)
                is_page = self.row.door is PAGE
                self.world.told[key] = send(self.method, asked, scene.actor, is_page=is_page)
        return self.world.told[key]

    def differences(self, reply: Reply, place: Place) -> Iterator[str]:
        """Where the answer differs from the one for what does not exist."""
        for absent in self.world.absent(place):
            other = self.ask_absent(absent)
            if reply.alike(place, absent) != other.alike(place, absent):
                yield f"is told apart from {absent.path}: {reply} / {other}"

    def __str__(self) -> str:
        return f"{self.role}, {self.method} {self.row.route}, {self.column or 'the site'}"


def counted(cell: Cell, want: Expected) -> bool:
    """A pull that was let in is counted: nothing else changes at it."""
    return want.status in {200, 303} and cell.method == "GET" and cell.row.need is policy.PULLS


def grouped() -> list[pytest.param]:
    """Each row and each thing that it is tried on."""
    return [
        pytest.param(row, column, id=f"{row} {column}".strip())
        for row in ROWS
        for column in row.columns
    ]


@pytest.mark.parametrize(("row", "column"), grouped())
def test_each_role_is_answered_as_the_table_says(
    world: World, cells: dict[str, int], row: Row, column: str
) -> None:
    all_cells = [Cell(world, row, method, column, role) for method in row.methods for role in ROLES]
    before = stored(world)
    faults = []
    for cell in all_cells:
        if not cell.expected.allowed:
            faults += [f"{cell} {fault}" for fault in cell.faults()]
    if stored(world) != before:
        faults.append(f"One of those who are refused has changed the store at {row}.")
    for cell in all_cells:
        if cell.expected.allowed:
            faults += [f"{cell} {fault}" for fault in cell.faults()]
    cells["of the table"] = cells.get("of the table", 0) + len(all_cells)
    assert not faults, "\n".join(faults)


def stored(world: World) -> tuple[list[str], list[object]]:
    """What lies in the store."""
    return stored_keys(world.store), list(open_parts(world.store))


def test_every_route_has_its_rows() -> None:
    has = {(row.route, method) for row in ROWS for method in row.methods}
    missing = [
        f"    {method} {route.pattern}"
        for route in routes()
        # Of a function nobody can say which methods it has: the two that pages are asked by.
        for method in sorted(route.methods or {"GET", "POST"})
        if (route.pattern, method) not in has and not route.pattern.startswith(ADMIN)
    ]
    assert not missing, HOW_TO.format(missing="\n".join(missing))


def test_every_row_is_of_a_route() -> None:
    known = {route.pattern for route in routes()}
    assert {row.route for row in ROWS} <= known
