"""Django's admin: to administrators and auditors it is there, and only administrators change
anything; to everybody else it is as an address at which there is nothing."""

import re

import pytest
from django.apps import apps

from tests.isolation.policy import ADMINISTRATOR, AUDITOR, NOBODY, PAGE, ROLES, counts_as
from tests.isolation.requests import Ask, send
from tests.isolation.urls import ADMIN, routes
from tests.isolation.world import World, fingerprint, rolled_back

pytestmark = pytest.mark.django_db

PATTERNS = sorted({each.pattern for each in routes() if each.pattern.startswith(ADMIN)})
# Where one comes to sign in: nobody is led on, as from everywhere.
MISSING = "/admin/nothing-is-called-so/"


def address(pattern: str) -> str:
    """The route's address for the first thing of its model."""
    found = re.match(r"admin/(\w+)/(\w+)/", pattern)
    key: object = 1
    if found and "<object_id>" in pattern and found[1] in apps.app_configs:
        row = apps.get_model(found[1], found[2]).objects.order_by("pk").first()
        key = row.pk if row is not None else 1
    text = pattern.replace("<object_id>", str(key))
    return "/" + re.sub(r"\(\?P<\w+>.*?\)|<\w+>", "1", text).replace("$", "")


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_admin_is_there_for_administrators_and_auditors_only(
    world: World, cells: dict[str, int], pattern: str
) -> None:
    asked, faults = Ask(address(pattern)), []
    for method in ("GET", "POST", "PUT", "DELETE"):
        ask = asked if method == "GET" else Ask(asked.path, {})
        for role in ROLES:
            with rolled_back():
                reply = send(method, ask, world.actors[role], is_page=True)
                changed = fingerprint() != world.base
            cells["of the admin"] = cells.get("of the admin", 0) + 1
            counted = counts_as(role, PAGE)
            where = f"{role}, {method} {asked.path}: {reply.status}"
            if reply.status >= 500:
                faults.append(f"{where}: failed")
            if changed and (method == "GET" or counted != ADMINISTRATOR):
                faults.append(f"{where}: has changed the database")
            if counted == NOBODY and not reply.headers.get("Location", "").startswith("/account/"):
                faults.append(f"{where}: is not led to where one signs in")
            if counted not in {NOBODY, ADMINISTRATOR, AUDITOR}:
                missing = send(method, Ask(MISSING, ask.body), world.actors[role], is_page=True)
                if (reply.status, reply.alike()) != (missing.status, missing.alike()):
                    faults.append(f"{where}: is told apart from what is not there")
            is_form = pattern.endswith(("/add/", "/change/", "/delete/"))
            if counted == AUDITOR and method == "POST" and is_form and reply.status < 400:
                faults.append(f"{where}: is let in to change something")
            is_list = re.fullmatch(r"admin/\w+/\w+/", pattern)
            if counted in {ADMINISTRATOR, AUDITOR} and method == "GET" and is_list:
                assert reply.status == 200, where
    assert not faults, "\n".join(faults)
