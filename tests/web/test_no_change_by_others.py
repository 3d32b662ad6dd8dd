"""Nothing changes on a GET, nor by another site's form: every page that changes something."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern

from shub import urls
from shub.audit.models import Event
from shub.containers import granting, robots
from shub.containers.models import Role
from shub.web.urls import urlpatterns
from tests.factories import Person, make_collection, make_container, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(mara: Person, otto: Person) -> dict[str, str]:
    """What the parts of the addresses mean, with something to change for each."""
    tools = make_collection(mara.entity, "tools", mara)
    make_container(tools, "gcc", mara)
    make_team("lab", mara, otto)
    robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    grant = granting.grant(place=tools, holder=otto.user, role=Role.READER, by=mara.caller)
    return {
        "entity": "mara", "collection": "tools", "container": "gcc", "team": "lab",
        "robot": "ci", "grant": str(grant.pk), "public_id": mara.token.public_id,
        "secret": "x" * 43, "tag": "latest", "digest": "5f" * 32,
    }  # fmt: skip


def addresses(world: dict[str, str]) -> Iterator[str]:
    """Every page's, with its parts filled in."""
    of_operations = [
        each for each in urls.urlpatterns if str(each.pattern).startswith("admin-area/")
    ]
    for pattern in [*urlpatterns, *of_operations]:
        if not isinstance(pattern, URLPattern):
            continue  # another package's pages, included as they are
        route = str(pattern.pattern)
        for part, value in world.items():
            for kind in ("name", "int", "digest"):
                route = route.replace(f"<{kind}:{part}>", value)
        assert "<" not in route, route
        yield f"/{route}"


def test_no_page_changes_anything_on_a_get(mara: Person, world: dict[str, str]) -> None:
    browser = mara.browser
    before = Event.objects.count()
    for address in addresses(world):
        answer = browser.get(address)
        assert answer.status_code in {200, 302, 404, 405}, address
    assert Event.objects.count() == before


def test_no_page_takes_a_form_that_is_not_ours(mara: Person, world: dict[str, str]) -> None:
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(mara.user)
    before = Event.objects.count()
    for address in addresses(world):
        answer = forger.post(address, {"name": "x"})
        assert answer.status_code in {403, 405}, address
    assert Event.objects.count() == before
