"""An entity is renamed; what it was called leads to it for ever, and to nobody else."""

from threading import Barrier, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from shub.accounts import teams, tokens
from shub.accounts.entities import entity_named
from shub.accounts.models import Entity, FormerName, User
from shub.audit.models import Event
from shub.containers import naming, permissions, robots
from shub.containers.models import Collection, Role
from shub.errors import Conflict, Denied, Invalid, NotFound, Refusal
from shub.storage import ObjectStore
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.wire import Wire, wire

pytestmark = pytest.mark.django_db

OLD, NEW = "mara/tools/gcc", "genomics/tools/gcc"


@pytest.fixture
def pushed(mara: Person, store: ObjectStore, settings: Any) -> dict[str, Any]:
    settings.VERIFY_WAIT_SECONDS = 0
    return wire(mara).push(OLD, sif_bytes(), "13.2")


def rename(person: Person, to: str) -> Entity:
    entity = Entity.objects.get(user=person.user)
    return naming.rename(entity, to=to, by=person.caller)


def image(client: Wire, path: str) -> Any:
    return client.get(f"/v1/images/{path}:13.2?arch=amd64")


def test_a_client_pulls_by_the_old_name_as_by_the_new_one(
    pushed: dict[str, Any], mara: Person
) -> None:
    rename(mara, "genomics")
    for path in (OLD, NEW):
        assert image(wire(), path).data["hash"] == pushed["hash"]
        answer = wire().get(f"/v1/imagefile/{path}:13.2?arch=amd64")
        assert answer.status in {200, 303}
        assert wire().get(f"/v1/containers/{path}").data["id"] == pushed["container"]
        assert wire().get(f"/v1/collections/{path.rpartition('/')[0]}").status == 200


def test_a_client_pushes_by_the_old_name_into_the_same_entity(
    pushed: dict[str, Any], mara: Person
) -> None:
    rename(mara, "genomics")
    more = wire(mara).push(OLD, sif_bytes(seed=2), "14")
    assert more["container"] == pushed["container"]
    other = wire(mara).push("mara/new/place", sif_bytes(seed=3), "1")
    assert wire().get("/v1/images/genomics/new/place:1?arch=amd64").data["id"] == other["id"]
    assert Collection.objects.filter(entity=mara.entity).count() == 2
    assert Entity.objects.filter(name="mara").count() == 0


def test_the_old_name_of_what_is_hidden_tells_a_stranger_nothing(
    pushed: dict[str, Any], mara: Person, otto: Person
) -> None:
    Collection.objects.update(visibility="private")
    rename(mara, "genomics")
    for client in (wire(), wire(otto)):
        hidden, missing = image(client, OLD), image(client, "nobody/tools/gcc")
        assert hidden.status == missing.status == 404
        assert hidden.message.replace("mara", "nobody") == missing.message
        assert "genomics" not in str(hidden.body)
    browser = Client()
    assert browser.get(f"/library/{OLD}").status_code == 404


def test_the_pages_lead_from_the_old_name_to_the_new_one(
    pushed: dict[str, Any], mara: Person
) -> None:
    rename(mara, "genomics")
    browser = Client()
    assert browser.get(f"/library/{OLD}?tab=tags")["Location"] == f"/library/{NEW}?tab=tags"
    assert browser.get("/library/mara/tools")["Location"] == "/library/genomics/tools"
    assert browser.get(f"/library/{NEW}").status_code == 200


def test_two_renames_leave_both_old_names_and_the_way_back_gives_one_up(mara: Person) -> None:
    rename(mara, "genomics")
    rename(mara, "proteomics")
    assert {entity_named(name) for name in ("mara", "genomics", "proteomics")} == {mara.entity}
    entity = rename(mara, "mara")
    assert entity.name == "mara"
    assert set(FormerName.objects.values_list("name", flat=True)) == {"genomics", "proteomics"}
    assert rename(mara, "MARA ").name == "mara"
    assert Event.objects.filter(action="entity.renamed").count() == 3


def test_nobody_takes_a_name_that_another_entity_has_or_had(
    mara: Person, otto: Person, administrator: Person
) -> None:
    rename(mara, "genomics")
    for taken in ("mara", "genomics", "library"):
        with pytest.raises(Conflict, match="taken"):
            rename(otto, taken)
    with pytest.raises(Conflict):
        teams.create(name="mara", description="", by=otto.caller)
    with pytest.raises(Conflict):
        make_person("mara")
    assert Entity.objects.get(user=otto.user).name == "otto"
    assert not FormerName.objects.filter(entity=otto.entity).exists()


def test_only_a_legal_name_is_taken(mara: Person) -> None:
    for wrong in ("", "a--b", "imagefile", "x" * 129, "-", "library\0"):
        with pytest.raises(Invalid):
            rename(mara, wrong)


def test_only_owners_and_administrators_rename(
    mara: Person, otto: Person, administrator: Person
) -> None:
    auditor = make_person("audra")
    User.objects.filter(pk=auditor.user.pk).update(is_auditor=True)
    auditor.user.refresh_from_db()
    for caller in (otto.caller, auditor.caller, mara.client):
        with pytest.raises(Denied):
            naming.rename(mara.entity, to="genomics", by=caller)
    assert naming.rename(mara.entity, to="genomics", by=administrator.caller).name == "genomics"


def test_the_entity_that_short_references_mean_keeps_its_name(administrator: Person) -> None:
    with pytest.raises(Conflict, match="DEFAULT_ENTITY"):
        naming.rename(Entity.objects.get(name="library"), to="books", by=administrator.caller)


def test_the_robots_follow_and_their_tokens_go_on(mara: Person) -> None:
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    _, text = tokens.issue(user=robot, name="ci", by=mara.caller)
    rename(mara, "genomics")
    known = tokens.recognise(text)
    assert known is not None
    assert known.user.username == "genomics/ci"
    assert robots.find(Entity.objects.get(user=mara.user), "ci", by=mara.caller) == robot
    assert Event.objects.get(action="entity.renamed").detail["robots"] == 1
    assert permissions.may_push(mara.caller, mara.entity)


def test_a_name_too_long_for_its_robots_is_refused(mara: Person) -> None:
    robots.create(home=mara.entity, name="r" * 60, role=Role.WRITER, by=mara.caller)
    with pytest.raises(Conflict, match="more than 150"):
        rename(mara, "x" * 120)
    assert User.objects.filter(username__startswith="mara/").count() == 1


def test_an_administrator_releases_an_old_name_and_it_means_who_takes_it(
    pushed: dict[str, Any], mara: Person, otto: Person, administrator: Person
) -> None:
    rename(mara, "genomics")
    for caller in (mara.caller, otto.caller, administrator.client):
        with pytest.raises(Denied):
            naming.release("mara", by=caller)
    naming.release("mara", by=administrator.caller)
    assert image(wire(), OLD).status == 404
    assert image(wire(), NEW).status == 200
    rename(otto, "mara")
    assert entity_named("mara") == otto.entity
    event = Event.objects.get(action="name.released")
    assert (event.actor, event.name, event.entity) == ("root", "mara", mara.entity.public_id)


def test_a_name_in_use_or_unknown_is_not_released(mara: Person, administrator: Person) -> None:
    for name in ("mara", "nobody"):
        with pytest.raises(NotFound):
            naming.release(name, by=administrator.caller)
    assert entity_named("mara") == mara.entity


def test_the_commands_rename_and_release(mara: Person, capsys: Any) -> None:
    call_command("entity", "rename", "mara", "genomics")
    call_command("entity", "release", "mara")
    out = capsys.readouterr().out
    assert "mara is called genomics now" in out
    assert "Anybody can take the name mara" in out
    for words in (["rename", "nobody", "x"], ["release", "nobody"], ["rename", "genomics", "a--b"]):
        with pytest.raises(CommandError):
            call_command("entity", *words)


def at_once(*acts: Any) -> list[Refusal]:
    """Do all of them at the same moment, each on a connection of its own; what was refused."""
    together, refused = Barrier(len(acts)), []

    def do(act: Any) -> None:
        together.wait()
        try:
            act()
        except Refusal as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [Thread(target=do, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_one_name_at_once_one_has_it() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    for number in range(10):
        name = f"name{number}"
        refused = at_once(
            lambda name=name: rename(mara, name), lambda name=name: rename(otto, name)
        )
        assert len(refused) == 1
        assert isinstance(refused[0], Conflict)
        assert Entity.objects.filter(name=name).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_name_that_is_given_up_and_taken_at_the_same_moment_stays_with_who_had_it() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    for number in range(10):
        before = Entity.objects.get(user=mara.user).name
        at_once(
            lambda number=number: rename(mara, f"m{number}"),
            lambda before=before: rename(otto, before),
        )
        assert entity_named(before) == mara.entity
        assert Entity.objects.get(user=mara.user).name == f"m{number}"
