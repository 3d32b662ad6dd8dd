"""Robots: of an entity or a team, never of a person; ended at once; never more than who keeps
them."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from shub.accounts import teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Token, User
from shub.audit.models import Event
from shub.containers import freezing, granting, robots
from shub.containers.models import Grant, Image, Role
from shub.containers.permissions import may_delete, may_push, role_on
from shub.errors import Conflict, Denied, Invalid, NotFound, Unavailable
from shub.storage import ObjectStore
from tests.factories import (
    PASSWORD,
    Person,
    make_auditor,
    make_collection,
    make_person,
    make_team,
)
from tests.sif_files import sif_bytes
from tests.wire import Wire

pytestmark = pytest.mark.django_db


def make_robot(home: Any, by: Person, name: str = "ci", role: int = Role.WRITER) -> User:
    return robots.create(home=home, name=name, role=role, by=by.caller)


def make_token(robot: User, by: Person, **more: Any) -> str:
    asked = {"name": "job", "expires_at": None, "scopes": ["pull", "push"]} | more
    return robots.issue_token(robot=robot, by=by.caller, **asked)


def test_a_robot_pushes_where_it_belongs_and_nowhere_else(
    mara: Person, otto: Person, store: ObjectStore, settings: Any
) -> None:
    settings.VERIFY_WAIT_SECONDS = 0
    robot = make_robot(mara.entity, mara)
    assert robot.username == "mara/ci"
    client = Wire(make_token(robot, mara))
    client.push("mara/tools/gcc", sif_bytes(), "1.0")
    assert not may_push(Caller(robot), otto.entity)
    assert not may_delete(Caller(robot), mara.entity)
    assert Event.objects.get(action="tag.moved").actor == "mara/ci"
    robots.remove(home=mara.entity, robot=robot, by=mara.caller)
    assert client.post("/v1/collections", {}).status == 401
    assert Image.objects.count() == 1
    assert not Grant.objects.exists()
    assert not Token.objects.filter(user__username="mara/ci").exists()


def test_a_teams_robot_may_what_members_may(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    robot = make_robot(team, mara)
    assert robot.username == "@lab/ci"
    assert role_on(robot, team.entity) == Role.WRITER
    nora = make_person("nora")
    tools = make_collection(nora.entity, "tools", nora)
    granting.grant(place=tools, holder=team, role=Role.READER, by=nora.caller)
    assert role_on(robot, tools) == Role.READER
    for person in (otto, make_auditor()):
        with pytest.raises(Denied):
            make_robot(team, person, "other")
        with pytest.raises(Denied):
            make_token(robot, person)
        with pytest.raises(Denied):
            robots.remove(home=team, robot=robot, by=person.caller)
    assert list(robots.seen(team, by=make_auditor("eyes").caller)) == [robot]


def test_only_who_manages_the_entity_keeps_robots_and_by_no_token(
    mara: Person, otto: Person
) -> None:
    make_collection(mara.entity, "tools", mara)
    robot = make_robot(mara.entity, mara)
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    mara.token.scopes = ["manage"]
    for by in (otto.caller, make_person("nora").caller, make_auditor().caller, mara.client):
        for act in (
            lambda: robots.create(home=mara.entity, name="x", role=10, by=by),  # noqa: B023
            lambda: robots.remove(home=mara.entity, robot=robot, by=by),  # noqa: B023
            lambda: robots.issue_token(
                robot=robot,
                name="x",
                expires_at=None,
                scopes=["pull"],
                by=by,  # noqa: B023
            ),
            lambda: robots.revoke_token(robot=robot, public_id="0" * 24, by=by),  # noqa: B023
        ):
            with pytest.raises(Denied):
                act()
    with pytest.raises(Denied):
        robots.seen(mara.entity, by=otto.caller)
    assert User.objects.filter(robot_entity=mara.entity).get() == robot
    assert not robot.tokens.exists()


def test_a_maintainer_gets_no_owners_rights_by_a_robot(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    with pytest.raises(Denied, match="Only an owner"):
        make_robot(mara.entity, otto, role=Role.OWNER)
    own = make_robot(mara.entity, mara, role=Role.OWNER)
    tools = make_collection(mara.entity, "tools", mara)
    elsewhere = make_robot(mara.entity, mara, "other")
    granting.grant(place=tools, holder=elsewhere, role=Role.OWNER, by=mara.caller)
    for robot in (own, elsewhere):
        for act in (
            lambda: make_token(robot, otto),  # noqa: B023
            lambda: robots.remove(home=mara.entity, robot=robot, by=otto.caller),  # noqa: B023
        ):
            with pytest.raises(Denied, match="Only an owner"):
                act()
        assert make_token(robot, mara)
    assert make_token(make_robot(mara.entity, otto, "third", Role.MAINTAINER), otto)


def test_a_robots_token_is_revoked_by_who_keeps_it_and_by_its_own_id_only(
    mara: Person, otto: Person
) -> None:
    robot = make_robot(mara.entity, mara)
    text = make_token(robot, mara)
    with pytest.raises(NotFound):
        robots.revoke_token(robot=robot, public_id=mara.token.public_id, by=mara.caller)
    assert tokens.recognise(mara.token_text)
    token = robot.tokens.get()
    assert token.created_by == "mara"
    robots.revoke_token(robot=robot, public_id=token.public_id, by=mara.caller)
    assert tokens.recognise(text) is None


def test_a_robot_signs_in_to_no_page_and_is_in_no_team(mara: Person) -> None:
    robot = make_robot(mara.entity, mara)
    for password in ("", PASSWORD):
        answer = Client().post("/account/sign-in", {"username": "mara/ci", "password": password})
        assert answer.status_code == 200
    team = make_team("lab", mara)
    with pytest.raises(Invalid, match="A robot is in no team"):
        teams.add(team=team, user=robot, role="member", by=mara.caller)


def test_names_that_are_taken_illegal_or_too_long_are_refused(mara: Person) -> None:
    make_robot(mara.entity, mara)
    with pytest.raises(Conflict, match="already"):
        make_robot(mara.entity, mara, "CI")
    for wrong in ("a/b", "", "a b", "x" * 129):
        with pytest.raises(Invalid):
            make_robot(mara.entity, mara, wrong)
    home = make_person("m" * 100).entity
    with pytest.raises(Invalid, match="is too long for a robot's name"):
        robots.create(home=home, name="x" * 60, role=20, by=Caller(home.user))
    assert User.objects.filter(username__contains="/").count() == 1


def test_a_robot_of_one_home_is_not_found_in_another(mara: Person, otto: Person) -> None:
    robot = make_robot(mara.entity, mara)
    assert robots.find(mara.entity, "CI", by=mara.caller) == robot
    with pytest.raises(NotFound, match="There is no robot"):
        robots.find(otto.entity, "ci", by=otto.caller)


def test_robots_are_looked_at_and_not_changed_while_the_site_is_read_only(mara: Person) -> None:
    make_robot(mara.entity, mara)
    freezing.set_read_only("moving house", by=None)
    assert robots.seen(mara.entity, by=mara.caller).count() == 1
    with pytest.raises(Unavailable):
        make_robot(mara.entity, mara, "other")


def test_the_database_keeps_no_robot_that_could_be_a_person(mara: Person) -> None:
    team = make_team("lab", mara)
    for wrong in (
        {"username": "mara/x"},
        {"username": "x", "robot_entity": mara.entity},
        {"username": "mara/x", "robot_entity": mara.entity, "robot_team": team},
        {"username": "mara/x", "robot_entity": mara.entity, "is_superuser": True},
        {"username": "mara/x", "robot_entity": mara.entity, "is_auditor": True},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(**wrong)


def test_what_becomes_of_a_team_robots_tokens_is_told_to_who_manages_its_entity(
    mara: Person,
) -> None:
    team = make_team("lab", mara)
    robot = robots.create(home=team, name="ci", role=Role.WRITER, by=mara.caller)
    robots.issue_token(robot=robot, name="t", expires_at=None, scopes=["push"], by=mara.caller)
    public_id = robot.tokens.get().public_id
    robots.revoke_token(robot=robot, public_id=public_id, by=mara.caller)
    told = Event.objects.filter(entity=team.entity.public_id, kind="token")
    assert set(told.values_list("action", flat=True)) == {"token.issued", "token.revoked"}
