"""The pages of teams and invitations."""

import re
from typing import Any

import pytest
from django.test import Client

from shub.accounts import invitations
from shub.accounts.models import Invitation, Team
from tests.factories import Person, make_auditor, make_person, make_team
from tests.web.reading import forms_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(mara: Person) -> Team:
    return make_team("lab", mara)


def test_who_is_not_signed_in_is_led_to_where_that_is_done(lab: Team) -> None:
    for address in ("/account/teams", "/account/teams/lab", "/account/teams/none"):
        answer = Client().get(address)
        assert answer["Location"] == f"/account/sign-in?next={address}"


def test_a_team_is_made_and_its_maker_led_to_its_page(mara: Person) -> None:
    form = {"name": "lab", "description": "<script>alert(1)</script>"}
    answer = mara.browser.post("/account/teams", form)
    assert answer["Location"] == "/account/teams/lab"
    page = text_of(mara.browser.get("/account/teams/lab"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert 'href="/library/lab"' in page
    assert 'href="/account/teams/lab"' in text_of(mara.browser.get("/account/teams"))


def test_a_name_that_is_taken_is_said_beside_the_form(mara: Person, otto: Person) -> None:
    page = text_of(mara.browser.post("/account/teams", {"name": "otto"}))
    assert "The name &#x27;otto&#x27; is taken" in page
    assert not Team.objects.exists()


def test_where_only_administrators_make_teams_no_form_is_shown_and_none_is_taken(
    mara: Person, settings: Any
) -> None:
    settings.TEAM_CREATION = "administrators"
    assert "Make team" not in text_of(mara.browser.get("/account/teams"))
    page = text_of(mara.browser.post("/account/teams", {"name": "lab"}), status=403)
    assert "Only administrators make teams here" in page
    assert not Team.objects.exists()


def test_a_team_that_one_is_not_in_and_none_look_the_same(otto: Person, lab: Team) -> None:
    assert otto.browser.get("/account/teams/lab").status_code == 404
    assert otto.browser.get("/account/teams/none").status_code == 404
    for act in ("members/role", "members/remove", "invitations/by-name", "invitations/by-link"):
        form = {"username": "otto", "role": "owner", "days": "7"}
        assert otto.browser.post(f"/account/teams/lab/{act}", form).status_code == 404
    assert members(lab) == {"mara": "owner"}
    assert not Invitation.objects.exists()


def test_an_owner_hands_the_team_over_and_leaves(mara: Person, otto: Person) -> None:
    lab = make_team("lab", mara, otto)
    browser = mara.browser
    leave = ("/account/teams/lab/members/remove", {"username": "mara"})
    assert "is the only owner" in text_of(browser.post(*leave, follow=True))
    make_owner = {"username": "otto", "role": "owner"}
    browser.post("/account/teams/lab/members/role", make_owner)
    answer = browser.post(*leave)
    assert answer["Location"] == "/account/teams"
    assert members(lab) == {"otto": "owner"}


def test_a_member_sees_who_is_in_it_and_may_leave_and_nothing_else(
    mara: Person, otto: Person
) -> None:
    lab = make_team("lab", mara, otto)
    invitations.invite_by_link(team=lab, by=mara.caller, note="for Nora")
    browser = otto.browser
    page = browser.get("/account/teams/lab")
    assert "mara" in text_of(page)
    assert "for Nora" not in text_of(page)
    assert forms_of(page) == ["/account/teams/lab/members/remove"]
    for act in (
        ("members/role", {"username": "otto", "role": "owner"}),
        ("members/remove", {"username": "mara"}),
        ("invitations/by-name", {"username": "otto", "role": "owner"}),
        ("invitations/by-link", {"role": "owner", "days": "7"}),
    ):
        answer = browser.post(f"/account/teams/lab/{act[0]}", act[1])
        assert "Only an owner of the team lab may do this" in text_of(answer, status=403)
    assert members(lab) == {"mara": "owner", "otto": "member"}
    assert Invitation.objects.count() == 1


def test_an_auditor_sees_every_team_and_changes_none(mara: Person, lab: Team) -> None:
    browser = make_auditor().browser
    assert 'href="/account/teams/lab"' in text_of(browser.get("/account/teams"))
    assert forms_of(browser.get("/account/teams/lab")) == []
    form = {"username": "audit", "role": "owner"}
    assert browser.post("/account/teams/lab/members/role", form).status_code == 403
    assert browser.post("/account/teams/lab/invitations/by-name", form).status_code == 403


def test_who_is_invited_by_name_finds_it_on_their_page_and_accepts(
    mara: Person, otto: Person, lab: Team
) -> None:
    form = {"username": "otto", "role": "member"}
    answer = mara.browser.post("/account/teams/lab/invitations/by-name", form, follow=True)
    assert "otto is invited" in text_of(answer)
    assert "otto" in text_of(mara.browser.get("/account/teams/lab"))
    offered = Invitation.objects.get()
    accept = f"/account/invitations/-/{offered.public_id}/accept"
    assert accept in forms_of(otto.browser.get("/account/teams"))
    assert make_person("nora").browser.post(accept).status_code == 404
    assert otto.browser.post(accept)["Location"] == "/account/teams/lab"
    assert members(lab) == {"mara": "owner", "otto": "member"}
    assert otto.browser.post(accept).status_code == 404


def test_nobody_is_invited_by_a_name_that_nobody_has(mara: Person, lab: Team) -> None:
    form = {"username": "nobody", "role": "member"}
    answer = mara.browser.post("/account/teams/lab/invitations/by-name", form, follow=True)
    assert "There is no user" in text_of(answer)
    assert not Invitation.objects.exists()


def test_who_is_invited_declines(mara: Person, otto: Person, lab: Team) -> None:
    invitations.invite_by_name(team=lab, username="otto", role="member", by=mara.caller)
    offered = Invitation.objects.get()
    decline = f"/account/invitations/-/{offered.public_id}/decline"
    nora = make_person("nora")
    nora.browser.post(decline)
    assert Invitation.objects.open().exists()
    page = otto.browser.post(decline, follow=True)
    assert "The invitation is declined" in text_of(page)
    assert "You are invited" not in text_of(page)
    assert not Invitation.objects.open().exists()


def link_made(mara: Person, **form: str) -> str:
    """The address that the page shows, without the site."""
    asked = {"role": "member", "days": "7", "note": ""} | form
    page = mara.browser.post("/account/teams/lab/invitations/by-link", asked)
    assert "no-store" in page["Cache-Control"]
    found = re.search(r"(/account/invitations/[\w-]{40,})<", text_of(page))
    assert found
    return found[1]


def test_a_link_is_shown_once_and_lets_in_who_accepts(
    mara: Person, otto: Person, lab: Team
) -> None:
    link = link_made(mara, note="<b>Otto</b>")
    again = text_of(mara.browser.get("/account/teams/lab"))
    assert link not in again
    assert "&lt;b&gt;Otto&lt;/b&gt;" in again
    browser = otto.browser
    page = browser.get(link)
    for words in ("mara invites you", "lab", "a member"):
        assert words in text_of(page)
    assert members(lab) == {"mara": "owner"}
    secret = link.rpartition("/")[2]
    answer = browser.post("/account/invitations/-/accept", {"secret": secret})
    assert answer["Location"] == "/account/teams/lab"
    assert members(lab) == {"mara": "owner", "otto": "member"}
    assert browser.get(link).status_code == 404


def test_who_is_not_signed_in_is_told_nothing_of_an_invitation_but_where_to_sign_in(
    mara: Person, lab: Team
) -> None:
    link = link_made(mara)
    known, unknown = Client().get(link), Client().get(link[:-4] + "xxxx")
    for page in (known, unknown):
        assert "lab" not in re.sub(r"<title>.*?</title>", "", text_of(page)).replace("label", "")
        assert "mara" not in text_of(page)
    assert f'href="/account/sign-in?next={link}"' in text_of(known)
    secret = link.rpartition("/")[2]
    answer = Client().post("/account/invitations/-/accept", {"secret": secret})
    assert answer["Location"].startswith("/account/sign-in")
    assert Invitation.objects.open().exists()


def test_the_secret_of_a_link_is_told_to_no_other_page_and_no_log(
    mara: Person, otto: Person, lab: Team, caplog: pytest.LogCaptureFixture
) -> None:
    link = link_made(mara)
    secret = link.rpartition("/")[2]
    forger = Client(enforce_csrf_checks=True)
    forger.force_login(otto.user)
    page = forger.get(link)
    # `same-origin` would tell the stylesheet's log; `no-referrer` would make the form no form of
    # ours, its origin being hidden.
    assert page["Referrer-Policy"] == "strict-origin"
    assert "no-store" in page["Cache-Control"]
    assert forms_of(page) == ["/account/invitations/-/accept"]
    answer = forger.post("/account/invitations/-/accept", {"secret": secret})
    assert answer.status_code == 403
    assert secret not in caplog.text
    assert members(lab) == {"mara": "owner"}


def test_an_invitation_is_withdrawn_by_the_teams_owners_only(
    mara: Person, otto: Person, lab: Team
) -> None:
    link = link_made(mara)
    offered = Invitation.objects.get()
    withdraw = f"/account/teams/lab/invitations/{offered.public_id}/withdraw"
    assert otto.browser.post(withdraw).status_code == 404
    assert Invitation.objects.open().exists()
    make_team("other", otto)
    otto.browser.post(f"/account/teams/other/invitations/{offered.public_id}/withdraw")
    assert Invitation.objects.open().exists()
    assert withdraw in forms_of(mara.browser.get("/account/teams/lab"))
    mara.browser.post(withdraw)
    assert otto.browser.get(link).status_code == 404


def test_an_invitation_to_register_is_not_used_up_by_who_is_registered(
    mara: Person, administrator: Person
) -> None:
    _, secret = invitations.invite_by_link(team=None, by=administrator.caller)
    page = text_of(mara.browser.get(f"/account/invitations/{secret}"))
    assert "you need none" in page
    mara.browser.post("/account/invitations/-/accept", {"secret": secret})
    assert invitations.find(secret)


def members(team: Team) -> dict[str, str]:
    """Who is in the team, as what."""
    return dict(team.memberships.values_list("user__username", "role"))
