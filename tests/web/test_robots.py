"""The pages of robots, of an entity and of a team."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from shub.accounts import teams, tokens
from shub.accounts.models import Token, User
from shub.containers import granting, robots
from shub.containers.models import Role
from tests.factories import Person, make_auditor, make_collection, make_team
from tests.web.reading import forms_of, text_of

pytestmark = pytest.mark.django_db

PAGE = "/library/mara/-/robots"


@pytest.fixture
def ci(mara: Person) -> User:
    make_collection(mara.entity, "tools", mara)
    return robots.create(home=mara.entity, name="ci", role=Role.WRITER, by=mara.caller)


def new_token(person: Person, page: str, **form: object) -> str:
    """The text that the page of a robot shows of a new token."""
    asked = {"name": "job", "days": "30", "scopes": ["pull", "push"], "bound_to": ""} | form
    answer = person.browser.post(page, asked)
    assert "no-store" in answer["Cache-Control"]
    return str(answer.context["text"])


def test_a_robot_is_made_and_given_a_token_that_is_shown_once(mara: Person) -> None:
    browser = mara.browser
    answer = browser.post(PAGE, {"name": "ci", "role": "20"})
    assert answer["Location"] == f"{PAGE}/ci"
    text = new_token(mara, f"{PAGE}/ci", bound_to="mara/tools", scopes=["push"])
    token = tokens.recognise(text)
    assert token
    assert (token.user.username, token.scopes, token.bound_to, token.created_by) == (
        "mara/ci", ["push"], "mara/tools", "mara",
    )  # fmt: skip
    tokens.note_use(token, address="192.0.2.7")
    page = text_of(browser.get(f"{PAGE}/ci"))
    assert text not in page
    for words in ("job", "mara/tools", "from 192.0.2.7", "by mara"):
        assert words in page
    assert "not yet" not in text_of(browser.get(PAGE))


def test_a_robots_token_is_revoked_and_the_robot_removed(mara: Person, ci: User) -> None:
    text = new_token(mara, f"{PAGE}/ci")
    token = ci.tokens.get()
    revoke = f"{PAGE}/ci/tokens/{token.public_id}/revoke"
    assert revoke in forms_of(mara.browser.get(f"{PAGE}/ci"))
    mara.browser.post(revoke)
    assert tokens.recognise(text) is None
    answer = mara.browser.post(f"{PAGE}/ci/remove", follow=True)
    assert "The robot mara/ci is removed" in text_of(answer)
    assert not User.objects.filter(username="mara/ci").exists()
    assert mara.browser.get(f"{PAGE}/ci").status_code == 404


def test_the_page_of_a_robot_revokes_nobody_elses_token(mara: Person, ci: User) -> None:
    mara.browser.post(f"{PAGE}/ci/tokens/{mara.token.public_id}/revoke")
    assert tokens.recognise(mara.token_text)


def test_who_does_not_manage_the_entity_sees_and_changes_no_robot(
    mara: Person, otto: Person, ci: User
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    token = Token.objects.get(user=mara.user)
    before = Token.objects.count()
    acts = (
        (PAGE, {"name": "other", "role": "20"}),
        (f"{PAGE}/ci", {"name": "x", "scopes": ["pull"]}),
        (f"{PAGE}/ci/remove", {}),
        (f"{PAGE}/ci/tokens/{token.public_id}/revoke", {}),
    )
    for address, form in acts:
        assert Client().post(address, form)["Location"].startswith("/account/sign-in")
        page = text_of(otto.browser.post(address, form), status=403)
        assert "Only a maintainer or owner of mara" in page
    for address in (PAGE, f"{PAGE}/ci", f"{PAGE}/none"):
        assert otto.browser.get(address).status_code == 403
    auditor = make_auditor()
    before += 1
    for address, form in acts:
        assert auditor.browser.post(address, form).status_code == 403
    for address in (PAGE, f"{PAGE}/ci"):
        assert forms_of(auditor.browser.get(address)) == []
    assert User.objects.filter(robot_entity=mara.entity).get() == ci
    assert Token.objects.count() == before


def test_a_hidden_entity_has_no_page_of_robots(mara: Person, otto: Person) -> None:
    for address in (PAGE, "/library/nobody/-/robots"):
        assert otto.browser.get(address).status_code == 404
        assert otto.browser.post(address, {"name": "x", "role": "20"}).status_code == 404


def test_a_maintainer_makes_no_owning_robot_and_no_token_of_one(mara: Person, otto: Person) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    robots.create(home=mara.entity, name="boss", role=Role.OWNER, by=mara.caller)
    assert 'value="40"' not in text_of(otto.browser.get(PAGE))
    for address, form in (
        (PAGE, {"name": "own", "role": "40"}),
        (f"{PAGE}/boss", {"name": "x", "scopes": ["manage"]}),
        (f"{PAGE}/boss/remove", {}),
    ):
        page = text_of(otto.browser.post(address, form), status=403)
        assert "Only an owner of mara" in page
    assert User.objects.filter(robot_entity=mara.entity).get().tokens.count() == 0
    assert otto.browser.post(PAGE, {"name": "fine", "role": "30"}).status_code == 302


def test_names_that_cannot_be_are_said_beside_the_form(mara: Person, ci: User) -> None:
    for name, words in (
        ("ci", "There is a robot &#x27;mara/ci&#x27; already"),
        ("<b>", "&#x27;&lt;b&gt;&#x27; is not a legal robot name"),
    ):
        assert words in text_of(mara.browser.post(PAGE, {"name": name, "role": "20"}))
    assert User.objects.filter(robot_entity=mara.entity).count() == 1


def test_a_teams_robots_are_kept_by_its_owners(mara: Person, otto: Person) -> None:
    lab = make_team("lab", mara, otto)
    page = "/account/teams/lab/robots"
    assert page in text_of(mara.browser.get("/account/teams/lab"))
    assert page not in text_of(otto.browser.get("/account/teams/lab"))
    for address in (page, f"{page}/ci"):
        assert otto.browser.get(address).status_code == 403
    assert otto.browser.post(page, {"name": "ci"}).status_code == 403
    assert mara.browser.post(page, {"name": "ci"})["Location"] == f"{page}/ci"
    text = new_token(mara, f"{page}/ci")
    token = tokens.recognise(text)
    assert token
    assert token.user.robot_team == lab
    assert otto.browser.post(f"{page}/ci/remove").status_code == 403
    teams.remove(team=lab, username="otto", by=otto.caller)
    assert otto.browser.get(page).status_code == 404
    mara.browser.post(f"{page}/ci/remove")
    assert tokens.recognise(text) is None


def test_a_long_list_of_robots_asks_the_database_no_more_than_a_short_one(
    mara: Person, ci: User, django_assert_num_queries: Any
) -> None:
    browser = mara.browser
    with CaptureQueriesContext(connection) as few:
        browser.get(PAGE)
    for number in range(10):
        robots.create(home=mara.entity, name=f"ci{number}", role=Role.WRITER, by=mara.caller)
    with django_assert_num_queries(len(few)):
        browser.get(PAGE)
