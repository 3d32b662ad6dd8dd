"""Teams: who decides in one, and that it never is without an owner."""

from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from shub.accounts import invitations, teams
from shub.accounts.models import Entity, FormerName, Team, TeamMembership
from shub.audit.models import Event
from shub.containers.models import Role
from shub.containers.permissions import role_on
from shub.errors import Conflict, Denied, Invalid, NotFound
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_person, make_team

pytestmark = pytest.mark.django_db


def test_a_team_comes_with_an_entity_of_its_name_and_its_maker_owns_both(mara: Person) -> None:
    team = teams.create(name=" Lab ", description="We align", by=mara.caller)
    assert (team.name, team.entity.name) == ("lab", "lab")
    assert role_on(mara.user, team.entity) == Role.OWNER
    assert Event.objects.get(action="team.created").entity == team.entity.public_id


def test_members_are_writers_of_the_teams_entity(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    assert role_on(otto.user, team.entity) == Role.WRITER


def test_a_name_that_anybody_has_or_had_makes_no_team(mara: Person, otto: Person) -> None:
    make_team("lab", otto)
    FormerName.objects.create(name="before", entity=otto.entity)
    for name in ("otto", "lab", "library", "before"):
        with pytest.raises(Conflict, match="is taken"):
            teams.create(name=name, description="", by=mara.caller)
    with pytest.raises(Invalid):
        teams.create(name="no such name", description="", by=mara.caller)
    assert Team.objects.count() == 1
    assert not mara.user.memberships.exists()


def test_who_makes_teams_is_the_sites_to_say(
    mara: Person, administrator: Person, settings: Any
) -> None:
    settings.TEAM_CREATION = "administrators"
    with pytest.raises(Denied, match="Only administrators make teams"):
        teams.create(name="lab", description="", by=mara.caller)
    assert not teams.may_create(mara.caller)
    assert teams.create(name="lab", description="", by=administrator.caller)


def test_no_token_decides_in_a_team(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    for act in (
        lambda: teams.create(name="other", description="", by=mara.client),
        lambda: teams.remove(team=team, username="mara", by=mara.client),
        lambda: teams.set_role(team=team, username="otto", role="owner", by=mara.client),
        lambda: teams.find("lab", by=mara.client),
    ):
        with pytest.raises((Denied, NotFound)):
            act()
    assert roles(team) == {"mara": "owner", "otto": "member"}


def test_only_owners_and_administrators_decide(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    for person in (otto, make_person("nora"), make_auditor()):
        with pytest.raises(Denied, match="Only an owner of the team"):
            teams.set_role(team=team, username="otto", role="owner", by=person.caller)
        with pytest.raises(Denied, match="Only an owner of the team"):
            teams.remove(team=team, username="mara", by=person.caller)
    assert roles(team) == {"mara": "owner", "otto": "member"}
    root = make_person("root", is_administrator=True)
    teams.set_role(team=team, username="OTTO", role="owner", by=root.caller)
    assert roles(team) == {"mara": "owner", "otto": "owner"}


def test_a_team_is_handed_over_and_then_left(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    with pytest.raises(Conflict, match="is the only owner"):
        teams.remove(team=team, username="mara", by=mara.caller)
    with pytest.raises(Conflict, match="is the only owner"):
        teams.set_role(team=team, username="mara", role="member", by=mara.caller)
    teams.set_role(team=team, username="otto", role="owner", by=mara.caller)
    teams.remove(team=team, username="mara", by=mara.caller)
    assert roles(team) == {"otto": "owner"}
    assert role_on(mara.user, team.entity) == 0


def test_an_owner_who_is_disabled_does_not_count_as_one(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    teams.set_role(team=team, username="otto", role="owner", by=mara.caller)
    otto.user.is_active = False
    otto.user.save()
    with pytest.raises(Conflict, match="is the only owner"):
        teams.remove(team=team, username="mara", by=mara.caller)


def test_everybody_leaves_when_they_want(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    teams.remove(team=team, username="otto", by=otto.caller)
    assert roles(team) == {"mara": "owner"}
    with pytest.raises(NotFound, match="is not in the team"):
        teams.remove(team=team, username="otto", by=otto.caller)


def test_a_team_is_found_by_its_members_and_those_who_see_everything(
    mara: Person, otto: Person, administrator: Person
) -> None:
    team = make_team("lab", mara)
    for person in (mara, administrator, make_auditor()):
        assert teams.find("LAB", by=person.caller) == team
    with pytest.raises(NotFound, match="or you are not in it"):
        teams.find("lab", by=otto.caller)


def test_who_is_added_again_keeps_the_higher_role(mara: Person) -> None:
    team = make_team("lab", mara)
    teams.add(team=team, user=mara.user, role="member", by=mara.caller)
    assert roles(team) == {"mara": "owner"}


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_is_refused() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    for number in range(5):
        team = make_team(f"lab{number}", mara, otto)
        teams.set_role(team=team, username="otto", role="owner", by=mara.caller)
        came = outcomes(
            lambda: teams.remove(team=team, username="mara", by=mara.caller),  # noqa: B023
            lambda: teams.remove(team=team, username="otto", by=otto.caller),  # noqa: B023
        )
        assert sorted(came) == ["Conflict", "done"]
        assert list(roles(team).values()) == ["owner"]


@pytest.mark.django_db(transaction=True)
def test_the_database_keeps_no_team_without_an_owner() -> None:
    mara = make_person("mara")
    team = make_team("lab", mara)
    for change in (
        lambda: Team.objects.create(name="ownerless"),
        lambda: team.memberships.all().delete(),
        lambda: team.memberships.update(role="member"),
    ):
        with pytest.raises(IntegrityError, match="needs an owner"), transaction.atomic():
            change()
    assert roles(team) == {"mara": "owner"}


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_go_at_once_past_the_code_the_database_keeps_one() -> None:
    mara, otto = make_person("mara"), make_person("otto")
    team = make_team("lab", mara, otto)
    team.memberships.update(role="owner")

    both_are_gone = Barrier(2)

    def goes(person: Person) -> None:
        try:
            with transaction.atomic():
                TeamMembership.objects.filter(team=team, user=person.user).delete()
                both_are_gone.wait(10)
        except IntegrityError as error:
            raise Conflict(str(error)) from error

    assert sorted(outcomes(lambda: goes(mara), lambda: goes(otto))) == ["Conflict", "done"]
    assert team.memberships.count() == 1


def test_an_auditor_makes_no_team_and_joins_none(mara: Person) -> None:
    auditor, team = make_auditor(), make_team("lab", mara)
    assert not teams.may_create(auditor.caller)
    with pytest.raises(Denied, match="changes nothing"):
        teams.create(name="mine", description="", by=auditor.caller)
    _, secret = invitations.invite_by_link(team=team, by=mara.caller)
    with pytest.raises(Denied, match="changes nothing"):
        invitations.accept(invitations.find(secret), by=auditor.caller)
    assert roles(team) == {"mara": "owner"}
    assert invitations.find(secret).team == team


def test_the_database_gives_no_name_to_two_entities_now_or_before(
    mara: Person, otto: Person
) -> None:
    FormerName.objects.create(name="before", entity=mara.entity)
    for change in (
        lambda: Entity.objects.filter(pk=otto.entity.pk).update(name="before"),
        lambda: Entity.objects.create(name="before"),
        lambda: FormerName.objects.create(name="otto", entity=mara.entity),
    ):
        with (
            pytest.raises(IntegrityError, match="an entity"),
            transaction.atomic(),
        ):
            change()
    Entity.objects.filter(pk=mara.entity.pk).update(name="before")


def roles(team: Team) -> dict[str, str]:
    """Who is in the team, as what."""
    return dict(team.memberships.values_list("user__username", "role"))
