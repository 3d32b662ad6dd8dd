"""Granting: who gives whom which role, and what that does not let them do."""

import pytest
from django.db import IntegrityError, transaction

from shub.accounts import teams
from shub.accounts.models import Entity
from shub.audit.models import Event
from shub.containers import freezing, granting, robots
from shub.containers.models import Collection, Grant, Role
from shub.containers.permissions import may_push, role_on
from shub.errors import Denied, Invalid, NotFound, Unavailable
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_collection, make_person, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def tools(mara: Person) -> Collection:
    return make_collection(mara.entity, "tools", mara, visibility="private")


def give(place: Entity | Collection, to: Person, role: int, by: Person) -> Grant:
    return granting.grant(place=place, holder=to.user, role=role, by=by.caller)


def test_a_role_on_a_collection_is_for_that_alone_and_one_on_an_entity_for_all_in_it(
    mara: Person, otto: Person, tools: Collection
) -> None:
    other = make_collection(mara.entity, "other", mara)
    give(tools, otto, Role.WRITER, mara)
    assert may_push(otto.caller, tools)
    assert not may_push(otto.caller, other)
    assert not may_push(otto.caller, mara.entity)
    give(mara.entity, otto, Role.WRITER, mara)
    assert may_push(otto.caller, other)


def test_another_role_takes_the_place_of_the_one_before_and_is_written_down(
    mara: Person, otto: Person, tools: Collection
) -> None:
    first = give(tools, otto, Role.MAINTAINER, mara)
    give(tools, otto, Role.READER, mara)
    give(tools, otto, Role.READER, mara)
    assert role_on(otto.user, tools) == Role.READER
    assert Grant.objects.get().pk == first.pk
    granting.change(place=tools, grant_id=first.pk, role=Role.WRITER, by=mara.caller)
    assert role_on(otto.user, tools) == Role.WRITER
    roles = [
        event.detail["role"] for event in Event.objects.filter(action="role.granted").order_by("id")
    ]
    assert roles == ["maintainer", "reader", "writer"]


def test_a_maintainer_gives_roles_up_to_their_own_and_never_touches_an_owner(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora, eve = make_person("nora"), make_person("eve")
    give(tools, otto, Role.MAINTAINER, mara)
    owner = give(tools, nora, Role.OWNER, mara)
    given = give(tools, eve, Role.MAINTAINER, otto)
    for act in (
        lambda: give(tools, eve, Role.OWNER, otto),
        lambda: give(tools, otto, Role.OWNER, otto),
        lambda: give(tools, nora, Role.READER, otto),
        lambda: granting.change(place=tools, grant_id=owner.pk, role=Role.READER, by=otto.caller),
        lambda: granting.revoke(place=tools, grant_id=owner.pk, by=otto.caller),
        lambda: give(mara.entity, eve, Role.READER, otto),
    ):
        with pytest.raises(Denied):
            act()
    assert role_on(nora.user, tools) == Role.OWNER
    assert role_on(eve.user, tools) == Role.MAINTAINER
    assert granting.roles_to_give(tools, by=otto.caller) == [10, 20, 30]
    assert granting.roles_to_give(tools, by=nora.caller) == [10, 20, 30, 40]
    granting.revoke(place=tools, grant_id=given.pk, by=otto.caller)
    assert role_on(eve.user, tools) == 0


def test_who_only_reads_or_writes_and_who_only_sees_gives_nothing(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora = make_person("nora")
    for person, role in ((otto, Role.WRITER), (nora, None), (make_auditor(), Role.OWNER)):
        if role:
            give(tools, person, role, mara)
        for act in (
            lambda: give(tools, nora, Role.READER, person),  # noqa: B023
            lambda: granting.grant_by_name(
                place=tools,
                name="nobody",
                role=Role.READER,
                by=person.caller,  # noqa: B023
            ),
        ):
            with pytest.raises(Denied):
                act()
        assert granting.roles_to_give(tools, by=person.caller) == []
    assert role_on(nora.user, tools) == 0


def test_a_token_gives_roles_only_with_the_scope_for_it(
    mara: Person, otto: Person, tools: Collection
) -> None:
    with pytest.raises(Denied, match="may not manage"):
        granting.grant(place=tools, holder=otto.user, role=Role.READER, by=mara.client)
    mara.token.scopes = ["manage"]
    assert granting.grant(place=tools, holder=otto.user, role=Role.READER, by=mara.client)


def test_everybody_gives_up_what_is_their_own_and_nothing_else(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora = make_person("nora")
    own, others = give(tools, otto, Role.READER, mara), give(tools, nora, Role.READER, mara)
    with pytest.raises(Denied):
        granting.revoke(place=tools, grant_id=others.pk, by=otto.caller)
    with pytest.raises(Denied):
        granting.revoke(place=tools, grant_id=own.pk, by=otto.client)
    granting.revoke(place=tools, grant_id=own.pk, by=otto.caller)
    assert [held.user for held in Grant.objects.all()] == [nora.user]


def test_a_grant_of_one_place_is_not_touched_by_way_of_another(
    mara: Person, otto: Person, tools: Collection
) -> None:
    others = make_collection(otto.entity, "tools", otto)
    held = give(others, mara, Role.READER, otto)
    granting.revoke(place=tools, grant_id=held.pk, by=mara.caller)
    with pytest.raises(NotFound, match="taken away meanwhile"):
        granting.change(place=tools, grant_id=held.pk, role=Role.OWNER, by=mara.caller)
    assert Grant.objects.get().role == Role.READER


def test_a_team_holds_a_role_for_all_who_are_in_it(
    mara: Person, otto: Person, tools: Collection
) -> None:
    make_team("lab", otto)
    with pytest.raises(NotFound, match="or you are not in it"):
        granting.holder_named("@lab", by=mara.caller)
    teams.add(team=teams.find("lab", by=otto.caller), user=mara.user, role="member", by=otto.caller)
    granting.grant_by_name(place=tools, name="@lab", role=Role.READER, by=mara.caller)
    assert role_on(otto.user, tools) == Role.READER
    with pytest.raises(NotFound, match="There is no user"):
        granting.holder_named("nobody", by=mara.caller)
    with pytest.raises(Invalid, match="This is no role"):
        give(tools, otto, 15, mara)


def test_a_robot_is_named_by_those_who_know_what_it_belongs_to(
    mara: Person, otto: Person, tools: Collection
) -> None:
    own = robots.create(home=otto.entity, name="ci", role=Role.WRITER, by=otto.caller)
    lab = make_team("lab", otto)
    teams_own = robots.create(home=lab, name="ci", role=0, by=otto.caller)
    for robot in (own, teams_own):
        with pytest.raises(NotFound):
            granting.holder_named(robot.username, by=mara.caller)
        assert granting.holder_named(robot.username, by=otto.caller) == robot
    make_collection(otto.entity, "open", otto)
    assert granting.holder_named("otto/ci", by=mara.caller) == own


def test_members_says_who_has_a_role_and_where_it_comes_from(
    mara: Person, otto: Person, tools: Collection
) -> None:
    nora = make_person("nora")
    give(tools, otto, Role.WRITER, mara)
    give(mara.entity, nora, Role.MAINTAINER, mara)
    found = granting.members(tools, by=mara.caller)
    assert [(each.holder, each.role, each.source) for each in found] == [
        ("mara", Role.OWNER, "mara is theirs"),
        ("nora", Role.MAINTAINER, "granted on mara"),
        ("otto", Role.WRITER, "granted here"),
    ]
    assert [each.may_change for each in found] == [False, False, True]
    (own,) = granting.members(tools, by=otto.caller)
    assert (own.holder, own.may_change, own.may_give_up) == ("otto", False, True)
    assert len(granting.members(tools, by=make_auditor().caller)) == 3
    with pytest.raises(Denied, match="Only those who have a role"):
        granting.members(tools, by=make_person("eve").caller)


def test_members_of_a_teams_entity_are_said_to_be_the_teams(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    for person in (mara, otto):
        found = granting.members(team.entity, by=person.caller)
        assert [(each.holder, each.role) for each in found] == [("@lab", 40), ("@lab", 20)]
        assert not any(each.may_change or each.may_give_up for each in found)


def test_nothing_is_given_or_given_up_while_the_site_is_read_only(
    mara: Person, otto: Person, tools: Collection
) -> None:
    held = give(tools, otto, Role.READER, mara)
    freezing.set_read_only("moving house", by=None)
    for act in (
        lambda: give(tools, otto, Role.WRITER, mara),
        lambda: granting.revoke(place=tools, grant_id=held.pk, by=mara.caller),
        lambda: granting.revoke(place=tools, grant_id=held.pk, by=otto.caller),
    ):
        with pytest.raises(Unavailable, match="moving house"):
            act()
    assert granting.members(tools, by=mara.caller)
    assert Grant.objects.get().role == Role.READER


@pytest.mark.django_db(transaction=True)
def test_roles_given_to_one_user_at_once_leave_one() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    tools = make_collection(mara.entity, "tools", mara)
    came = outcomes(*(lambda role=role: give(tools, otto, role, mara) for role in Role))
    assert came == ["done"] * 4
    assert Grant.objects.count() == 1


def test_the_database_keeps_no_grant_of_nothing_to_nobody(
    mara: Person, otto: Person, tools: Collection
) -> None:
    team = make_team("lab", mara)
    give(tools, otto, Role.READER, mara)
    for wrong in (
        {"user": otto.user},
        {"collection": tools},
        {"collection": tools, "entity": mara.entity, "user": otto.user},
        {"collection": tools, "user": otto.user, "team": team},
        {"collection": tools, "user": otto.user},
        {"entity": mara.entity, "user": otto.user, "role": 15},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Grant.objects.create(**{"role": Role.READER} | wrong)
