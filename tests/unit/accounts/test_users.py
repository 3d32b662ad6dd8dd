"""Users by their sign-in names: nobody is taken for somebody else."""

import pytest

from shub.accounts import invitations, registration, standing, teams
from shub.accounts.callers import Caller
from shub.accounts.models import Invitation, User
from shub.accounts.users import user_named
from shub.containers import granting
from shub.containers.models import Role
from shub.errors import Denied, NotFound
from tests.factories import Person, make_person, make_team

pytestmark = pytest.mark.django_db


def make_user(username: str, entity: str) -> User:
    return registration.create_user(username=username, password="x", entity_name=entity)


def test_a_name_is_found_in_any_case_of_letters(mara: Person) -> None:
    assert user_named(" MaRa ") == mara.user
    assert user_named("mar") is None


def test_who_is_called_nearly_so_gets_no_role_and_no_invitation(mara: Person) -> None:
    make_user("m\u0131ra", "other")  # in capitals both are MIRA
    with pytest.raises(NotFound):
        granting.grant_by_name(place=mara.entity, name="mira", role=Role.OWNER, by=mara.caller)
    team = make_team("lab", mara)
    with pytest.raises(NotFound):
        invitations.invite_by_name(team=team, username="mira", role="owner", by=mara.caller)
    assert not Invitation.objects.exists()
    with pytest.raises(NotFound):
        standing.user_named("mira")
    mira = make_person("mira")
    assert standing.user_named("mira") == mira.user
    held = granting.grant_by_name(place=mara.entity, name="MIRA", role=Role.OWNER, by=mara.caller)
    assert held.user == mira.user


def test_who_is_called_nearly_so_takes_nobody_out_of_a_team(mara: Person) -> None:
    team = make_team("lab", mara)
    owner, member = make_user("strau\u00df", "one"), make_user("strauss", "two")
    teams.add(team=team, user=owner, role="owner", by=mara.caller)
    teams.add(team=team, user=member, role="member", by=mara.caller)
    with pytest.raises(Denied):
        teams.remove(team=team, username="strau\u00df", by=Caller(member))
    assert team.memberships.filter(user=owner).exists()
    teams.remove(team=team, username="STRAUSS", by=Caller(member))
    assert not team.memberships.filter(user=member).exists()
