"""docs/reference/access.md, written from the table: `python -m tests.isolation.page`."""

import os
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "access.md"

HEAD = """# Who may do what

This page is written from the table that the tests hold the registry against
(`tests/isolation/policy.py` and `rows.py`): by `python -m tests.isolation.page`. Each route of each
door is asked by each role for each kind of thing; what is answered, what has changed and what is
told are compared with what stands here.

## What each role may do

`s` sees that it is there and what it is like; `r` has a role there, in person or by a team, and
sees on its pages which; `p` pulls its bytes; `w` writes: pushes, and sets
tags; `d` deletes images; `m` manages: settings, who sees it, members; `o` owns: says who owns it. A
dash: nothing, and what one may not see is answered as what does not exist.

The things: an entity of a user (which has a public collection, so that everybody sees it) and one
of a team (which has only a private one); in the user's entity a public, an internal and a private
collection with a container each, and a container that is private in the public collection; and the
team's private collection.
"""

TITLES = {
    "mara": "user's entity",
    "crew": "team's entity",
    "public": "public",
    "internal": "internal",
    "private": "private",
    "narrowed": "private container in a public collection",
    "team's": "team's, private",
    "team": "the team itself",
}

BETWEEN = """
A role "of the collection" is granted on each of the collections, one "of the entity" on both
entities. The owner is the user whose entity it is; their tokens have all scopes where no other is
named, and "bound to the public collection" is one of them.

On the API (door `API`) a token counts and a session does not; there one with a token that has
expired or is revoked, or whose owner is disabled, is told so by 401 whatever they ask for. On pages
a session counts and a token does not: robots and tokens are nobody there. On an `open` door nobody
is asked who they are.

## What each route asks for

"""

NEEDS_HEAD = """| need | what is asked of the caller |
| --- | --- |
"""

AFTER_NEEDS = """
Who lacks it: on the API 401 for nobody where somebody is needed, 404 for what they may not see,
else 403; a push is refused by 403 in the same words whether the place is hidden or is not there. On
pages nobody is led to where one signs in, what one may not see is a 404, and else one is told what
is missing.

| door | methods | route | need |
| --- | --- | --- | --- |
"""


def text() -> str:
    """The page."""
    return "".join(_pieces())


def _pieces() -> Iterator[str]:
    from tests.isolation.policy import COLUMNS, MAY, NEEDS

    yield HEAD
    yield f"\n| role | {' | '.join(TITLES[each] for each in COLUMNS)} |\n"
    yield f"| --- |{' --- |' * len(COLUMNS)}\n"
    for role, may in MAY.items():
        yield f"| {role} | {' | '.join(may[each] or '-' for each in COLUMNS)} |\n"
    yield BETWEEN
    yield NEEDS_HEAD
    for need in NEEDS:
        yield f"| {need.name} | {need.meaning} |\n"
    yield AFTER_NEEDS
    yield from _routes()


def _routes() -> Iterator[str]:
    """A line for each route and need, with the methods together."""
    from tests.isolation.rows import ROWS

    lines: dict[tuple[str, str, str], list[str]] = {}
    for row in ROWS:
        methods = lines.setdefault((row.door.name, row.route, row.need.name), [])
        methods += [each for each in row.methods if each not in methods]
    for (door, route, need), methods in lines.items():
        escaped = route.replace("|", "\\|")
        yield f"| {door} | {', '.join(methods)} | `/{escaped}` | {need} |\n"
    yield "| page | all | `/admin/…` | sees all; only administrators change anything |\n"


def write() -> None:
    """Write the page anew."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    PAGE.write_text(text())


if __name__ == "__main__":
    write()
