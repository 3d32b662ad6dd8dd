"""Lists: each thing is in them for exactly those who see it, and they are as long as that."""

import json
from typing import Any

import pytest

from tests.isolation.policy import API, MAY, PAGE, ROLES, UNRECOGNISED, Answers, counts_as
from tests.isolation.requests import Ask, Reply, send
from tests.isolation.world import World

pytestmark = pytest.mark.django_db

COLLECTIONS = ["public", "internal", "private", "team's"]
CONTAINERS = [*COLLECTIONS, "narrowed"]


def seen(role: str, door: Answers, columns: list[str]) -> list[str]:
    """Of these things those that the table lets the role see."""
    return [each for each in columns if "s" in MAY[counts_as(role, door)][each]]


def found(world: World, cells: dict[str, int], role: str, query: str) -> dict[str, Any]:
    """What a search gives."""
    cells["of searches"] = cells.get("of searches", 0) + 1
    reply = send("GET", Ask(f"/v1/search?{query}"), world.actors[role], is_page=False)
    assert reply.status == 200, reply
    return dict(json.loads(reply.body)["data"])


@pytest.mark.parametrize("role", [role for role in ROLES if role not in UNRECOGNISED])
def test_a_search_finds_what_one_sees_and_nothing_else(
    world: World, cells: dict[str, int], role: str
) -> None:
    collections, containers = seen(role, API, COLLECTIONS), seen(role, API, CONTAINERS)
    everything = found(world, cells, role, "value=isolated")
    assert sorted(each["name"] for each in everything["collection"]) == sorted(
        world.collections[each].name for each in collections
    )
    names = sorted(world.containers[each].name for each in containers)
    assert sorted(each["name"] for each in everything["container"]) == names
    assert sorted(each["containerName"] for each in everything["image"]) == names
    for column in CONTAINERS:
        place, is_seen = world.places[column], column in containers
        for query in (
            f"value={place.container}",
            f"value=words of {place.container}",
            f"value=image in {place.container}",
            f"value={place.collection}/{place.container}",
            f"value={place.entity}/{place.collection}/{place.container}",
            f"value={place.container}&arch=amd64",
        ):
            what = found(world, cells, role, query.replace(" ", "%20"))
            images = [each["id"] for each in what["image"]]
            assert images == ([place.image_id] if is_seen else []), (query, what)
            if not is_seen:
                assert not what["container"], (query, what)
        what = found(world, cells, role, f"value={place.collection}")
        is_told = column in seen(role, API, COLLECTIONS) or column == "narrowed"
        assert len(what["collection"]) == is_told, what
    for name in ("mara", "crew"):
        what = found(world, cells, role, f"value={name}")
        told = [each["name"] for each in what["entity"]]
        told = [each for each in told if each in {"mara", "crew"}]
        assert told == ([name] if "s" in MAY[counts_as(role, API)][name] else []), what


@pytest.mark.parametrize("role", ROLES)
def test_pages_list_what_one_sees_and_nothing_else(
    world: World, cells: dict[str, int], role: str
) -> None:
    home, every = (page(world, cells, role, address) for address in ("/", "/collections"))
    collections = seen(role, PAGE, COLLECTIONS)
    for column in COLLECTIONS:
        link = f'href="/library/{world.collections[column]}"'
        for listed in (home, every):
            assert (link in listed.body) == (column in collections), column
    # And the one that each site begins with.
    assert every.body.count('href="/library/') == len(collections) + 1
    for column in collections:
        place = world.places[column]
        listed = page(world, cells, role, f"/library/{place.entity}/{place.collection}")
        inside = [each for each in CONTAINERS if world.places[each].collection == place.collection]
        for each in inside:
            name = world.places[each].container
            link = f'href="/library/{place.entity}/{place.collection}/{name}"'
            assert (link in listed.body) == (each in seen(role, PAGE, inside)), each


def page(world: World, cells: dict[str, int], role: str, address: str) -> Reply:
    """A page, as the role sees it."""
    cells["of lists on pages"] = cells.get("of lists on pages", 0) + 1
    reply = send("GET", Ask(address), world.actors[role], is_page=True)
    assert reply.status == 200, reply
    return reply
