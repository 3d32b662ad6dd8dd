"""What is hidden takes as long to deny as what is not there: the same queries, in the same order.

Time itself is not measured here: it is noise on a busy machine. It comes from the queries, and from
nothing else that depends on what is found.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from shub.accounts import tokens
from shub.containers.models import Container
from tests.isolation.policy import NOBODY, PAGE
from tests.isolation.requests import Ask, send
from tests.isolation.rows import ROWS, Row
from tests.isolation.test_table import Cell
from tests.isolation.world import Actor, Place, Scene, World, rolled_back

pytestmark = pytest.mark.django_db

ASKED_BY = [NOBODY, "stranger", "… bound to another entity"]


@contextmanager
def shapes() -> Iterator[list[str]]:
    """The queries of the block, without what they ask for."""
    asked: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "SAVEPOINT" not in sql:
            asked.append(re.sub(r"\(%s(, %s)*\)", "(…)", sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield asked


def taken(world: World, row: Row, method: str, role: str, place: Place) -> list[str]:
    """The queries of the row's request."""
    scene = Scene(world, place, world.actors[role])
    with rolled_back():
        ask = row.ask(scene)
        with shapes() as asked:
            send(method, ask, scene.actor, is_page=row.door is PAGE)
    return asked


LOOK_UPS = [
    pytest.param(row, id=str(row))
    for row in ROWS
    if row.need.letter and row.kind in {"entity", "collection", "container", "default"}
]


@pytest.mark.parametrize("role", ASKED_BY)
@pytest.mark.parametrize("row", LOOK_UPS)
def test_what_is_hidden_takes_the_queries_of_what_is_not_there(
    world: World, cells: dict[str, int], row: Row, role: str
) -> None:
    for method in row.methods:
        for column in row.columns:
            cell = Cell(world, row, method, column, role)
            if not cell.expected.like_absent:
                continue
            place = world.places[column]
            cells["of queries"] = cells.get("of queries", 0) + 1
            hidden = taken(world, row, method, role, place)
            for absent in world.absent(place):
                nowhere = taken(world, row, method, role, absent)
                assert hidden == nowhere, f"{cell}, as against {absent.path}"


@pytest.mark.parametrize("column", ["private", "narrowed", "team's"])
def test_announcing_a_hash_that_is_hidden_elsewhere_is_announcing_a_new_one(
    world: World, cells: dict[str, int], column: str
) -> None:
    pusher = world.people["elsewhere"]
    replies, queries = [], []
    for digest in (world.places[column].digest, "9" * 64):
        with rolled_back():
            own = pusher.entity.collections.create(name="own", visibility="private")
            container = Container.objects.create(collection=own, name="copy")
            ask = Ask("/v1/images", {"hash": f"sha256.{digest}", "container": container.public_id})
            _, token = tokens.issue(user=pusher, name="for this")
            with shapes() as asked:
                reply = send("POST", ask, Actor(pusher, token), is_page=False)
            assert reply.status == 200, reply
            replies.append(re.sub(rf"{digest}|[0-9a-f]{{24}}|\d{{4}}-[^\"]*", "", reply.body))
            queries.append(asked)
        cells["of queries"] = cells.get("of queries", 0) + 1
    assert replies[0] == replies[1]
    assert '"uploaded":false' in replies[0].replace(" ", "")
    assert queries[0] == queries[1]
