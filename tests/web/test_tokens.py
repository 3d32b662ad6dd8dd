"""The page of tokens: what a new one is good for, and what is shown of those that there are."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from shub.accounts import tokens
from shub.accounts.models import Token
from tests.factories import Person, make_auditor, make_collection
from tests.web.reading import text_of

pytestmark = pytest.mark.django_db

PAGE = "/auth/tokens"


def make(person: Person, **form: Any) -> Token:
    """The token that the page makes."""
    asked = {"name": "laptop", "days": "90", "scopes": ["pull", "push"], "bound_to": ""} | form
    page = person.browser.post(PAGE, asked)
    token = tokens.recognise(page.context["text"])
    assert token, page.context["form"].errors
    return token


def test_what_clients_do_is_ticked_beforehand_and_manage_is_not(mara: Person) -> None:
    form = mara.browser.get(PAGE).context["form"]
    assert form["scopes"].initial == ["pull", "push", "delete"]
    assert [value for value, _ in form.fields["scopes"].choices] == [
        "pull", "push", "delete", "manage",
    ]  # fmt: skip


def test_a_token_has_the_scopes_life_and_binding_that_were_asked_for(mara: Person) -> None:
    token = make(mara, scopes=["pull"], days="30", bound_to="mara/not-there-yet")
    assert token.scopes == ["pull"]
    assert (token.entity, token.collection) == (mara.entity, "not-there-yet")
    assert token.expires_at
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert make(mara, bound_to="MARA", days="").bound_to == "mara"
    page = text_of(mara.browser.get(PAGE))
    assert "mara/not-there-yet" in page
    assert "never" in page


def test_a_binding_to_what_one_may_not_see_and_to_nothing_are_refused_alike(
    mara: Person, otto: Person
) -> None:
    make_collection(otto.entity, "hidden", otto, visibility="private")
    for name in ("otto", "otto/hidden", "nobody", "nobody/x"):
        page = mara.browser.post(PAGE, {"name": "x", "scopes": ["pull"], "bound_to": name})
        entity = name.partition("/")[0]
        assert f"There is no entity &#x27;{entity}&#x27;, or you may not see it" in text_of(page)
    page = mara.browser.post(PAGE, {"name": "x", "scopes": ["pull"], "bound_to": "mara/a/b"})
    assert "is not a legal collection name" in text_of(page)
    assert mara.user.tokens.count() == 1


def test_a_token_for_nothing_and_one_for_what_is_not_are_refused_in_words(mara: Person) -> None:
    assert "A token needs a scope" in text_of(mara.browser.post(PAGE, {"name": "x"}))
    page = mara.browser.post(PAGE, {"name": "x", "scopes": ["everything"]})
    assert "Select a valid choice" in text_of(page)
    assert mara.user.tokens.count() == 1


def test_an_auditors_tokens_only_pull(mara: Person) -> None:
    auditor = make_auditor()
    form = auditor.browser.get(PAGE).context["form"]
    assert [value for value, _ in form.fields["scopes"].choices] == ["pull"]
    auditor.browser.post(PAGE, {"name": "x", "scopes": ["push"]})
    assert auditor.user.tokens.count() == 1
    assert make(auditor, scopes=["pull"]).scopes == ["pull"]
    file = auditor.browser.post("/remote.yaml", {"name": "remote", "days": "30"})
    assert file.status_code == 200
    assert {tuple(token.scopes) for token in auditor.user.tokens.all()} == {("pull",)}


def test_where_and_when_a_token_was_used_is_shown(mara: Person) -> None:
    assert "not yet" in text_of(mara.browser.get(PAGE))
    tokens.note_use(mara.token, address="192.0.2.7")
    page = text_of(mara.browser.get(PAGE))
    assert "from 192.0.2.7" in page
    assert "not yet" not in page


def test_what_ended_in_the_last_month_is_shown_as_ended_and_cannot_be_revoked(
    mara: Person,
) -> None:
    now = timezone.now()
    before = {"created_at": now - timedelta(days=400)}
    for name, ended in (
        ("old", {"expires_at": now - timedelta(days=31)}),
        ("gone", {"revoked_at": now - timedelta(days=31)}),
        ("lapsed", {"expires_at": now - timedelta(days=29)}),
        ("ended", {"revoked_at": now - timedelta(days=29)}),
    ):
        token, _ = tokens.issue(user=mara.user, name=name)
        Token.objects.filter(pk=token.pk).update(**before, **ended)
    page = text_of(mara.browser.get(PAGE))
    rows = {row.split("</th>")[0].rpartition(">")[2].strip(): row for row in page.split("<tr")[2:]}
    assert set(rows) == {"for tests", "lapsed", "ended"}
    assert "Revoke" in rows["for tests"]
    for name, word in (("lapsed", "expired"), ("ended", "revoked")):
        assert 'class="over"' in rows[name]
        assert word in rows[name]
        assert "/revoke" not in rows[name]


def test_nobodys_tokens_are_shown_to_another(mara: Person, otto: Person) -> None:
    make(mara, name="<script>mine")
    assert "mine" not in text_of(otto.browser.get(PAGE))
    page = text_of(mara.browser.get(PAGE))
    assert "&lt;script&gt;mine" in page
    assert "<script" not in page


def test_a_list_of_many_tokens_asks_the_database_no_more_than_one_of_few(
    mara: Person, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        tokens.issue(user=mara.user, name=str(number), entity=mara.entity)
    browser = mara.browser
    with django_assert_max_num_queries(4):
        browser.get(PAGE)


def test_a_new_token_comes_with_the_commands_that_take_it(mara: Person, settings: Any) -> None:
    settings.PUBLIC_URL = "https://registry.example"
    asked = {"name": "laptop", "days": "90", "scopes": ["pull"], "bound_to": ""}
    page = text_of(mara.browser.post(PAGE, asked))
    for program in ("apptainer", "singularity"):
        assert f"{program} remote login shub" in page
        assert f"{program} remote add --no-login shub https://registry.example" in page
    assert "remote add" not in text_of(mara.browser.get(PAGE)).replace("<code>remote add", "")


def test_a_token_that_ends_within_a_week_is_marked(mara: Person) -> None:
    assert "expires soon" not in text_of(mara.browser.get(PAGE))
    end = timezone.now() + timedelta(days=6)
    tokens.issue(user=mara.user, name="short", expires_at=end)
    assert text_of(mara.browser.get(PAGE)).count("expires soon") == 1


def test_who_has_no_token_is_told_the_next_step(mara: Person) -> None:
    mara.user.tokens.all().delete()
    page = text_of(mara.browser.get(PAGE))
    assert "You have no token yet" in page
    assert "apptainer remote login" in page
