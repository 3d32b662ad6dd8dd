"""An account goes as it was said to go, whatever is killed in between; its name stays taken."""

import json
from threading import Barrier, Thread
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client

from shub.accounts import entities, invitations, registration, standing, teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Invitation, Team, Token, User
from shub.audit.models import Event
from shub.containers import deletion, freezing, granting, naming, own_data, removal, robots
from shub.containers.models import Blob, Collection, Container, Grant, Image, Role, Tag, TagMove
from shub.errors import Conflict, Denied, Invalid, NotFound, Refusal, Unavailable
from shub.storage import ObjectStore
from shub.uploads.models import Upload
from tests.factories import Person, make_person
from tests.sif_files import sif_bytes
from tests.stored import stored_keys
from tests.wire import send, sweep, wire

pytestmark = pytest.mark.django_db

REMOVE, SITE = deletion.REMOVE, deletion.TO_THE_SITE


@pytest.fixture(autouse=True)
def _no_waiting(settings: Any, store: ObjectStore) -> None:
    settings.VERIFY_WAIT_SECONDS = 0


def images_of(person: Person, *seeds: int) -> None:
    for seed in seeds:
        wire(person).push("mara/tools/gcc", sif_bytes(seed=seed), f"v{seed}", "latest")


def delete(person: Person, images: str = REMOVE, by: Caller | None = None) -> None:
    deletion.delete_account(person.user, images=images, by=by or person.caller)


def test_what_is_foreseen_is_what_goes(mara: Person, otto: Person, store: ObjectStore) -> None:
    images_of(mara, 1, 2)
    robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    lab = teams.create(name="lab", description="", by=mara.caller)
    alone = teams.create(name="alone", description="", by=mara.caller)
    teams.add(team=lab, user=otto.user, role="owner", by=mara.caller)
    granting.grant(place=otto.entity, holder=mara.user, role=Role.READER, by=otto.caller)
    summary = deletion.foresee(mara.user, by=mara.caller)
    own, of_the_team = summary.entities
    assert (own.name, own.collections, own.containers) == ("mara", 1, 1)
    assert (own.images, own.tags, own.robots) == (2, 3, ["mara/ci"])
    assert own.size == sum(len(sif_bytes(seed=seed)) for seed in (1, 2))
    assert (of_the_team.name, of_the_team.images) == ("alone", 0)
    assert (summary.teams_left, summary.teams_gone) == (["lab"], ["alone"])
    assert (summary.grants, summary.tokens, summary.heirs) == (1, 1, [])
    moves = TagMove.objects.count()

    delete(mara)
    assert not User.objects.filter(username__startswith="mara").exists()
    assert not Token.objects.filter(pk=mara.token.pk).exists()
    assert not Grant.objects.exists()
    assert list(Team.objects.values_list("name", flat=True)) == ["lab"]
    assert wire().get("/v1/images/mara/tools/gcc:v1?arch=amd64").status == 404
    sweep()
    sweep()
    assert not Image.objects.exists()
    assert not Tag.objects.exists()
    assert stored_keys(store) == []
    assert set(Blob.objects.values_list("state", flat=True)) == {"gone"}
    assert TagMove.objects.count() == moves + 3
    deleted = Event.objects.get(action="user.deleted")
    assert (deleted.actor, deleted.detail["images_removed"]) == ("mara", 2)
    assert Event.objects.filter(action="image.removed").count() == 2
    assert Event.objects.get(action="team.left").name == "lab"
    removed = Event.objects.get(action="team.removed")
    assert removed.public_id == alone.public_id
    assert removed.entity == Entity.objects.get(name="alone").public_id


def test_nothing_of_it_is_seen_from_that_moment_on(
    mara: Person, otto: Person, administrator: Person
) -> None:
    images_of(mara, 1)
    granting.grant(place=mara.entity, holder=otto.user, role=Role.OWNER, by=mara.caller)
    container = Container.objects.get(collection__entity=mara.entity)
    delete(mara)
    for client in (wire(), wire(otto)):
        assert client.get("/v1/entities/mara").status == 404
        assert client.get("/v1/containers/mara/tools/gcc").status == 404
        assert client.get("/v1/search?value=gcc").data["container"] in (None, [])
        assert client.get(f"/v2/tags/{container.public_id}").status == 404
    answer = wire(otto).post(
        "/v1/images", {"hash": f"sha256.{'0' * 64}", "container": container.public_id}
    )
    assert answer.status == 403
    assert wire(administrator).get("/v1/containers/mara/tools/gcc").status == 200


def test_tokens_and_sessions_end_at_once(mara: Person) -> None:
    browser = Client()
    browser.force_login(mara.user)
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    _, text = tokens.issue(user=robot, name="ci", by=mara.caller)
    delete(mara)
    assert browser.get("/auth/tokens").status_code == 302
    assert not Session.objects.exists()
    assert tokens.recognise(mara.token_text) is None
    assert tokens.recognise(text) is None


def test_what_is_frozen_goes_too_as_was_said(mara: Person) -> None:
    images_of(mara, 1, 2)
    container = Container.objects.get(collection__entity=mara.entity)
    freezing.set_tag_frozen(container, name="v1", frozen=True, by=mara.caller)
    freezing.set_container_frozen(container, frozen=True, by=mara.caller)
    assert deletion.foresee(mara.user, by=mara.caller).entities[0].frozen == 2
    delete(mara)
    sweep()
    assert not Image.objects.exists()


def test_bytes_that_somebody_else_has_too_stay(
    mara: Person, otto: Person, store: ObjectStore
) -> None:
    images_of(mara, 1)
    wire(otto).push("otto/tools/gcc", sif_bytes(seed=1), "v1")
    delete(mara)
    sweep()
    sweep()
    assert wire().get("/v1/images/otto/tools/gcc:v1?arch=amd64").data["uploaded"] is True
    assert len(stored_keys(store)) == 1


def test_what_was_pushed_elsewhere_stays_there(mara: Person, otto: Person) -> None:
    granting.grant(place=otto.entity, holder=mara.user, role=Role.WRITER, by=otto.caller)
    wire(mara).push("otto/tools/gcc", sif_bytes(seed=1), "v1")
    delete(mara)
    sweep()
    assert wire().get("/v1/images/otto/tools/gcc:v1?arch=amd64").status == 200
    assert Image.objects.get().created_by is None
    assert Event.objects.filter(action="image.pushed", actor="mara").exists()


def test_the_name_stays_taken_until_an_administrator_releases_it(
    mara: Person, otto: Person, administrator: Person
) -> None:
    naming.rename(mara.entity, to="genomics", by=mara.caller)
    entity = Entity.objects.get(name="genomics")
    mara.user.refresh_from_db()
    delete(mara)
    for name in ("mara", "genomics"):
        assert entities.entity_named(name) == entity
        with pytest.raises(Conflict):
            naming.rename(otto.entity, to=name, by=otto.caller)
    with pytest.raises(Conflict):
        registration.create_user(username="mara", password=None)
    naming.release("genomics", by=administrator.caller)
    naming.release("mara", by=administrator.caller)
    again = make_person("mara")
    assert again.entity != entity
    assert naming.rename(otto.entity, to="genomics", by=otto.caller).name == "genomics"
    with pytest.raises(Conflict, match="deleted"):
        naming.rename(entity, to="other", by=administrator.caller)


def test_who_comes_back_under_the_name_reads_nothing_of_who_had_it(
    mara: Person, administrator: Person
) -> None:
    delete(mara)
    naming.release("mara", by=administrator.caller)
    again = make_person("mara")
    browser = Client()
    browser.force_login(again.user)
    seen = [event.action for event in browser.get("/account/audit").context["page"].events]
    assert "user.deleted" not in seen
    assert seen.count("user.created") == 1


def test_the_only_owner_of_a_team_with_others_hands_it_over_first(
    mara: Person, otto: Person
) -> None:
    lab = teams.create(name="lab", description="", by=mara.caller)
    teams.add(team=lab, user=otto.user, role="member", by=mara.caller)
    assert deletion.foresee(mara.user, by=mara.caller).teams_in_the_way == ["lab"]
    with pytest.raises(Conflict, match="only owner of lab"):
        delete(mara)
    assert User.objects.get(pk=mara.user.pk).is_active
    teams.set_role(team=lab, username="otto", role="owner", by=mara.caller)
    delete(mara)
    assert [each.user for each in lab.memberships.all()] == [otto.user]


def test_an_owner_who_is_disabled_is_none_that_a_team_is_left_to(
    mara: Person, otto: Person, administrator: Person
) -> None:
    lab = teams.create(name="lab", description="", by=mara.caller)
    teams.add(team=lab, user=otto.user, role="owner", by=mara.caller)
    standing.disable(otto.user, by=administrator.caller)
    with pytest.raises(Conflict, match="only owner"):
        delete(mara)


def test_a_team_that_nobody_else_is_in_goes_with_its_images_and_robots(mara: Person) -> None:
    lab = teams.create(name="lab", description="", by=mara.caller)
    robots.create(home=lab, name="ci", role=0, by=mara.caller)
    wire(mara).push("lab/tools/gcc", sif_bytes(), "1")
    delete(mara)
    sweep()
    assert not Team.objects.exists()
    assert not Image.objects.exists()
    assert not User.objects.filter(username__startswith="@").exists()
    assert Entity.objects.get(name="lab").retired_at is not None


def test_an_entity_goes_as_it_is_to_a_team_that_has_none(mara: Person, otto: Person) -> None:
    images_of(mara, 1)
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    lab = teams.create(name="lab", description="", by=otto.caller)
    teams.add(team=lab, user=mara.user, role="owner", by=otto.caller)
    Entity.objects.get(team=lab).delete()
    assert deletion.foresee(mara.user, by=mara.caller).heirs == [lab]
    delete(mara, "lab")
    sweep()
    assert wire().get("/v1/images/mara/tools/gcc:v1?arch=amd64").status == 200
    assert wire(otto).push("mara/tools/gcc", sif_bytes(seed=9), "v9")["uploaded"]
    assert User.objects.filter(pk=robot.pk).exists()
    assert Event.objects.get(action="entity.handed_over").detail == {"to": "@lab"}


def test_an_entity_goes_to_no_team_of_others_and_to_none_that_has_one(
    mara: Person, otto: Person
) -> None:
    lab = teams.create(name="lab", description="", by=otto.caller)
    chem = teams.create(name="chem", description="", by=mara.caller)
    teams.add(team=chem, user=otto.user, role="owner", by=mara.caller)
    Entity.objects.get(team=lab).delete()
    for name in ("lab", "chem", "nobody"):
        with pytest.raises(NotFound, match="no team"):
            delete(mara, name)
    assert User.objects.filter(pk=mara.user.pk).exists()


def test_only_an_administrator_gives_it_to_the_site(mara: Person, administrator: Person) -> None:
    images_of(mara, 1)
    with pytest.raises(Denied, match="to the site"):
        delete(mara, SITE)
    delete(mara, SITE, by=administrator.caller)
    sweep()
    entity = Entity.objects.get(name="mara")
    assert entity.is_sites
    assert wire().get("/v1/images/mara/tools/gcc:v1?arch=amd64").status == 200


def test_a_team_that_goes_cannot_have_its_entity_handed_over_with_another(
    mara: Person, otto: Person
) -> None:
    teams.create(name="alone", description="", by=mara.caller)
    lab = teams.create(name="lab", description="", by=otto.caller)
    teams.add(team=lab, user=mara.user, role="owner", by=otto.caller)
    Entity.objects.get(team=lab).delete()
    with pytest.raises(Conflict, match="alone"):
        delete(mara, "lab")
    assert Entity.objects.get(name="mara").user == mara.user


def test_nobody_else_deletes_an_account_but_an_administrator(
    mara: Person, otto: Person, administrator: Person
) -> None:
    auditor = make_person("audra")
    standing.set_site_role(auditor.user, "auditor", by=administrator.caller)
    auditor.user.refresh_from_db()
    with pytest.raises(Denied, match="changes nothing"):
        delete(auditor)
    for caller in (otto.caller, Caller(auditor.user), mara.client, administrator.client):
        with pytest.raises(Denied):
            delete(mara, by=caller)
        with pytest.raises(Denied):
            deletion.foresee(mara.user, by=caller)
    delete(mara, by=administrator.caller)
    assert Event.objects.get(action="user.deleted").actor == "root"


def test_the_last_administrator_and_a_robot_are_not_deleted(
    mara: Person, administrator: Person
) -> None:
    with pytest.raises(Conflict, match="only administrator"):
        delete(administrator)
    robot = robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    with pytest.raises(Invalid, match="removed where"):
        deletion.delete_account(robot, images=REMOVE, by=administrator.caller)


def test_nothing_is_deleted_while_the_site_is_read_only(mara: Person) -> None:
    freezing.set_read_only("a move", by=None)
    with pytest.raises(Unavailable):
        delete(mara)
    assert User.objects.filter(pk=mara.user.pk).exists()


def test_once_more_is_no_error(mara: Person, administrator: Person) -> None:
    user = User.objects.get(pk=mara.user.pk)
    delete(mara)
    deletion.delete_account(user, images=REMOVE, by=administrator.caller)
    assert Event.objects.filter(action="user.deleted").count() == 1


def test_an_upload_under_way_brings_nothing_back(mara: Person, store: ObjectStore) -> None:
    client, content = wire(mara), sif_bytes()
    image = client.announce("mara/tools/gcc", content)
    assert send(client.begin_single(image["id"], content), content).status == 200
    client.complete_single(image["id"])
    delete(mara)
    for _ in range(3):
        sweep()
    assert not Image.objects.exists()
    assert not Tag.objects.exists()
    assert not Blob.objects.exclude(state="gone").exists()
    assert not Upload.objects.filter(state__in=["open", "joining", "verifying"]).exists()
    assert stored_keys(store) == []


def test_a_collection_that_was_made_at_the_same_moment_becomes_private(mara: Person) -> None:
    entity = mara.entity
    delete(mara)
    Collection.objects.create(entity=entity, name="late", visibility="public")
    sweep()
    assert Collection.objects.get(name="late").visibility == "private"


class Killed(BaseException):
    """As SIGKILL between two statements: nothing catches it, and the transaction is gone."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_statement_it_has_not_begun_or_is_gone_on_with(
    moment: int, store: ObjectStore
) -> None:
    mara, otto = make_person("mara"), make_person("otto")
    images_of(mara, 1, 2)
    granting.grant(place=mara.entity, holder=otto.user, role=Role.READER, by=mara.caller)
    robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)
    written = 0

    def kill(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal written
        answer = execute(sql, params, many, context)
        if sql.startswith(("UPDATE", "DELETE", "INSERT")):
            written += 1
            if written > moment:
                raise Killed
        return answer

    with connection.execute_wrapper(kill), pytest.raises(Killed):
        delete(mara)
    assert User.objects.filter(pk=mara.user.pk).exists()
    assert Image.objects.count() == 2
    assert Collection.objects.get(entity=mara.entity).visibility == "public"
    assert tokens.recognise(mara.token_text) is not None
    delete(mara)
    written = moment - moment % 4
    with connection.execute_wrapper(kill), pytest.raises(Killed):
        removal.empty_retired()
    assert Image.objects.count() in {1, 2}
    assert Tag.objects.filter(image=None).count() == 0
    for _ in range(2):
        removal.empty_retired()
        sweep()
    assert not Image.objects.exists()
    assert stored_keys(store) == []


@pytest.mark.django_db(transaction=True)
def test_two_only_members_who_leave_at_once_leave_no_team_without_an_owner() -> None:
    for number in range(4):
        one, two = make_person(f"one{number}"), make_person(f"two{number}")
        lab = teams.create(name=f"lab{number}", description="", by=one.caller)
        teams.add(team=lab, user=two.user, role="owner", by=one.caller)
        together, refused = Barrier(2), list[Exception]()

        def go(person: Person, together: Barrier = together, refused: Any = refused) -> None:
            together.wait()
            try:
                delete(person)
            except Refusal as refusal:
                refused.append(refusal)
            finally:
                connection.close()

        threads = [Thread(target=go, args=(person,)) for person in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not refused
        assert not Team.objects.filter(pk=lab.pk).exists()
        assert Entity.objects.get(name=f"lab{number}").retired_at is not None


def test_ones_own_data_is_whole_and_has_no_digest(mara: Person, otto: Person) -> None:
    images_of(mara, 1)
    teams.create(name="lab", description="", by=mara.caller)
    invitation, secret = invitations.invite_by_link(
        team=Team.objects.get(), by=mara.caller, note="for Ada"
    )
    granting.grant(place=otto.entity, holder=mara.user, role=Role.READER, by=otto.caller)
    naming.rename(mara.entity, to="genomics", by=mara.caller)
    text = "".join(own_data.document(mara.user, by=mara.caller))
    found = json.loads(text)
    assert found["profile"]["sign_in_name"] == "mara"
    assert found["entities"][0]["name"] == "genomics"
    assert found["entities"][0]["former_names"] == ["mara"]
    assert found["teams"] == [{**found["teams"][0], "team": "lab", "role": "owner"}]
    assert found["roles"][0]["on"] == "otto"
    assert found["tokens"][0]["id"] == mara.token.public_id
    assert found["invitations"][0]["note"] == "for Ada"
    assert found["images_pushed"][0]["reference"].startswith("genomics/tools/gcc:sha256.")
    acts = {event["action"] for event in found["events"]}
    assert {"user.created", "token.issued", "image.pushed", "role.granted"} <= acts
    for hidden in (
        Token.objects.get(pk=mara.token.pk).digest,
        Invitation.objects.get(pk=invitation.pk).digest,
        mara.token_text,
        secret,
        User.objects.get(pk=mara.user.pk).password,
    ):
        assert hidden not in text


def test_ones_own_data_is_for_nobody_else(mara: Person, otto: Person) -> None:
    for caller in (otto.caller, mara.client):
        with pytest.raises(Denied):
            own_data.document(mara.user, by=caller)


def test_ones_own_data_takes_as_many_queries_for_much_as_for_little(
    mara: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        tokens.issue(user=mara.user, name=str(number), by=mara.caller)
    with django_assert_max_num_queries(14):
        found = json.loads("".join(own_data.document(mara.user, by=mara.caller)))
    assert len(found["tokens"]) == 61
    assert len(found["events"]) == 62
