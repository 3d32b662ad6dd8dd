"""Invitations: offered by who may, accepted once, worth nothing when withdrawn."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from shub.accounts import invitations, registration, teams
from shub.accounts.callers import Caller
from shub.accounts.models import Invitation
from shub.audit.models import Event
from shub.errors import Conflict, Denied, Invalid, NotFound
from tests.at_once import outcomes
from tests.factories import Person, make_auditor, make_person, make_team

pytestmark = pytest.mark.django_db

GONE = "used, withdrawn or has expired"


def test_a_link_lets_one_person_in_with_its_role_and_its_secret_is_kept_nowhere(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara)
    _, secret = invitations.invite_by_link(team=team, by=mara.caller, role="owner", note="Otto")
    invitations.accept(invitations.find(secret), by=otto.caller)
    assert team.memberships.get(user=otto.user).role == "owner"
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)
    assert secret not in str([Invitation.objects.values(), Event.objects.values()])
    assert Event.objects.get(action="invitation.accepted").actor == "otto"


def test_only_who_decides_in_the_team_invites_into_it(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara, otto)
    for by in (otto.caller, make_person("nora").caller, make_auditor().caller, mara.client):
        with pytest.raises(Denied):
            invitations.invite_by_link(team=team, by=by)
        with pytest.raises(Denied):
            invitations.invite_by_name(team=team, username="nora", role="member", by=by)
    assert not Invitation.objects.exists()
    invitations.invite_by_link(team=team, by=mara.caller)
    assert invitations.of(team, by=mara.caller).exists()
    assert not invitations.of(team, by=otto.caller).exists()


def test_only_administrators_invite_to_register(mara: Person, administrator: Person) -> None:
    with pytest.raises(Denied, match="Only administrators invite"):
        invitations.invite_by_link(team=None, by=mara.caller)
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    assert invitations.find(secret).team is None


def test_who_is_taken_out_does_not_come_back_by_an_invitation_that_was_left(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara)
    invitations.invite_by_name(team=team, username="otto", role="owner", by=mara.caller)
    _, secret = invitations.invite_by_link(team=team, by=mara.caller, role="owner")
    invitations.accept(invitations.find(secret), by=otto.caller)
    _, of_his = invitations.invite_by_link(team=team, by=otto.caller)
    _, of_hers = invitations.invite_by_link(team=team, by=mara.caller)
    teams.remove(team=team, username="otto", by=mara.caller)
    assert invitations.naming(otto.caller) == []
    # Nor do his come to life again where he is an owner once more.
    teams.add(team=team, user=otto.user, role="owner", by=mara.caller)
    with pytest.raises(NotFound, match=GONE):
        invitations.find(of_his)
    assert invitations.find(of_hers).team == team


def test_who_is_an_owner_no_more_has_no_invitation_that_comes_to_life_again(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara, otto)
    teams.set_role(team=team, username="otto", role="owner", by=mara.caller)
    _, secret = invitations.invite_by_link(team=team, by=otto.caller)
    for role in ("member", "owner"):
        teams.set_role(team=team, username="otto", role=role, by=mara.caller)
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)


def test_a_role_or_a_life_that_none_has_is_refused(mara: Person) -> None:
    team = make_team("lab", mara)
    for wrong in ({"role": "reader"}, {"life": timedelta(0)}, {"life": timedelta(days=91)}):
        with pytest.raises(Invalid):
            invitations.invite_by_link(team=team, by=mara.caller, **wrong)


def test_an_expired_and_a_withdrawn_link_are_worth_nothing(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara)
    made, secret = invitations.invite_by_link(team=team, by=mara.caller)
    found = invitations.find(secret)
    invitations.withdraw(public_id=made.public_id, by=mara.caller)
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)
    with pytest.raises(Conflict, match="has been used meanwhile"):
        invitations.accept(found, by=otto.caller)
    made, secret = invitations.invite_by_link(team=team, by=mara.caller)
    Invitation.objects.filter(pk=made.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)
    assert not teams.is_member(team, otto.user)


def test_what_somebody_offered_who_has_no_say_any_more_is_worth_nothing(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara, otto)
    nora = make_person("nora")
    _, secret = invitations.invite_by_link(team=team, by=mara.caller)
    invitations.invite_by_name(team=team, username="nora", role="member", by=mara.caller)
    teams.set_role(team=team, username="otto", role="owner", by=mara.caller)
    teams.remove(team=team, username="mara", by=mara.caller)
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)
    assert invitations.naming(nora.caller) == []


def test_an_invitation_by_name_is_for_that_one_only(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara)
    nora = make_person("nora")
    invitations.invite_by_name(team=team, username=" NORA ", role="member", by=mara.caller)
    (offered,) = invitations.naming(nora.caller)
    with pytest.raises(NotFound, match=GONE):
        invitations.find_by_name(offered.public_id, by=otto.caller)
    with pytest.raises(Conflict):
        invitations.accept(offered, by=otto.caller)
    with pytest.raises(NotFound, match="There is no such invitation"):
        invitations.withdraw(public_id=offered.public_id, by=otto.caller)
    assert invitations.naming(otto.caller) == []
    invitations.accept(invitations.find_by_name(offered.public_id, by=nora.caller), by=nora.caller)
    assert teams.is_member(team, nora.user)
    with pytest.raises(Conflict, match="is in the team already"):
        invitations.invite_by_name(team=team, username="nora", role="member", by=mara.caller)


def test_whoever_is_invited_may_decline(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara)
    invitations.invite_by_name(team=team, username="otto", role="member", by=mara.caller)
    (offered,) = invitations.naming(otto.caller)
    invitations.withdraw(public_id=offered.public_id, by=otto.caller)
    assert invitations.naming(otto.caller) == []
    assert not teams.is_member(team, otto.user)


def test_who_is_invited_already_is_not_invited_twice_and_nobody_cannot_be(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara)
    for name in ("otto", "OTTO"):
        invitations.invite_by_name(team=team, username=name, role="member", by=mara.caller)
    with pytest.raises(NotFound, match="no user 'nobody'"):
        invitations.invite_by_name(team=team, username="nobody", role="member", by=mara.caller)
    assert Invitation.objects.count() == 1


def test_after_an_invitation_by_name_has_expired_there_can_be_another(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara)
    invitations.invite_by_name(team=team, username="otto", role="member", by=mara.caller)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert invitations.naming(otto.caller) == []
    invitations.invite_by_name(team=team, username="otto", role="owner", by=mara.caller)
    assert [each.role for each in invitations.naming(otto.caller)] == ["owner"]


def test_no_token_accepts(mara: Person, otto: Person) -> None:
    team = make_team("lab", mara)
    _, secret = invitations.invite_by_link(team=team, by=mara.caller)
    with pytest.raises(Denied, match="not by tokens"):
        invitations.accept(invitations.find(secret), by=otto.client)
    assert not teams.is_member(team, otto.user)


@pytest.mark.django_db(transaction=True)
def test_a_link_that_many_follow_at_once_lets_one_in() -> None:
    mara = make_person("mara")
    people = [make_person(f"nora{number}") for number in range(5)]
    team = make_team("lab", mara)
    _, secret = invitations.invite_by_link(team=team, by=mara.caller)
    found = invitations.find(secret)
    came = outcomes(*(lambda by=each.caller: invitations.accept(found, by=by) for each in people))
    assert sorted(came) == ["Conflict"] * 4 + ["done"]
    assert team.memberships.count() == 2


def test_the_database_keeps_none_that_is_neither_by_link_nor_by_name(
    mara: Person, otto: Person
) -> None:
    team = make_team("lab", mara)
    common = {"team": team, "expires_at": timezone.now() + timedelta(days=1)}
    for wrong in (
        {},
        {"digest": "0" * 64, "user": otto.user},
        {"user": otto.user, "team": None},
        {"user": otto.user, "role": "reader"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Invitation.objects.create(**common | wrong)


def test_who_registers_by_an_invitation_uses_it_up(administrator: Person) -> None:
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    found = invitations.find(secret)
    user = registration.create_user(username="nora", password="x" * 12)
    invitations.accept(found, by=Caller(user))
    with pytest.raises(NotFound, match=GONE):
        invitations.find(secret)
