"""The trail's pages: each shows what concerns who looks, and is not there for others."""

import json
from typing import Any

import pytest
from django.test import Client

from shub.accounts import standing, tokens
from shub.accounts.callers import Caller
from shub.audit.models import Event
from shub.containers import granting, naming
from shub.containers.models import Role
from shub.errors import Invalid
from tests.factories import Person, make_person

pytestmark = pytest.mark.django_db

SIGN_IN = "user.signed_in"


def browser(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


@pytest.fixture
def auditor(administrator: Person) -> Person:
    person = make_person("audra")
    standing.set_site_role(person.user, "auditor", by=administrator.caller)
    person.user.refresh_from_db()
    return person


def actions(client: Client, address: str) -> list[str]:
    """What the page's export names, oldest first, but for the tests' own sign-ins."""
    answer = client.get(address)
    assert answer.status_code == 200, answer
    assert "attachment" in answer["Content-Disposition"]
    lines = b"".join(answer.streaming_content).decode().splitlines()
    return [action for line in lines if (action := json.loads(line)["action"]) != SIGN_IN]


def test_everybody_reads_what_concerns_themselves(
    mara: Person, otto: Person, administrator: Person
) -> None:
    tokens.revoke(public_id=mara.token.public_id, user=mara.user, by=administrator.caller)
    granting.grant(place=otto.entity, holder=mara.user, role=Role.READER, by=otto.caller)
    assert actions(browser(mara), "/account/audit?format=jsonl") == [
        "user.created",
        "token.issued",
        "token.revoked",
        "role.granted",
    ]
    page = browser(mara).get("/account/audit")
    assert b"token.revoked" in page.content
    assert "no-store" in page["Cache-Control"]
    assert Client().get("/account/audit")["Location"].startswith("/account/sign-in?next=")


def test_an_entitys_page_is_there_for_who_manages_it_and_for_no_other(
    mara: Person, otto: Person, administrator: Person, auditor: Person
) -> None:
    granting.grant(place=mara.entity, holder=otto.user, role=Role.WRITER, by=mara.caller)
    address = "/library/mara/-/audit"
    for person in (mara, administrator, auditor):
        assert b"role.granted" in browser(person).get(address).content
    hidden = browser(otto).get(address)
    missing = browser(otto).get("/library/nobody/-/audit")
    assert hidden.status_code == missing.status_code == 404
    granting.grant(place=mara.entity, holder=otto.user, role=Role.MAINTAINER, by=mara.caller)
    assert actions(browser(otto), address + "?format=jsonl") == ["role.granted"] * 2
    assert Client().get(address).status_code == 302


def test_an_entitys_page_shows_nothing_of_others(mara: Person, otto: Person) -> None:
    naming.rename(otto.entity, to="others", by=otto.caller)
    naming.rename(mara.entity, to="genomics", by=mara.caller)
    found = actions(browser(mara), "/library/genomics/-/audit?format=jsonl")
    assert found == ["entity.renamed"]
    moved = browser(mara).get("/library/mara/-/audit")
    assert moved["Location"] == "/library/genomics/-/audit"


def test_the_whole_trail_is_there_for_who_sees_everything(
    mara: Person, administrator: Person, auditor: Person
) -> None:
    for person in (administrator, auditor):
        found = actions(browser(person), "/admin-area/audit?format=jsonl")
        assert len(found) == Event.objects.exclude(action=SIGN_IN).count()
    assert browser(mara).get("/admin-area/audit").status_code == 404
    assert Client().get("/admin-area/audit").status_code == 302


def test_filters_and_pages_lie_in_the_query_and_leave_none_out(administrator: Person) -> None:
    for number in range(120):
        tokens.issue(user=administrator.user, name=f"token {number}", by=administrator.caller)
    client, found, address = browser(administrator), 0, "/admin-area/audit?action=token"
    while address:
        page = client.get(address)
        shown = page.context["page"]
        assert {event.action for event in shown.events} == {"token.issued"}
        found += len(shown.events)
        address = f"/admin-area/audit?{page.context['older']}" if shown.older else ""
    assert found == 121
    assert actions(client, "/admin-area/audit?action=user&format=jsonl") == ["user.created"]
    assert actions(client, "/admin-area/audit?until=2020-01-01&format=jsonl") == []
    assert len(actions(client, "/admin-area/audit?actor=root&since=2020-01-01&format=jsonl")) == 120


@pytest.mark.parametrize(
    "query",
    [
        "since=soon",
        "actor=%00",
        "before=x",
        "until=%00",
        "before=%00_1",
        "since=99999-01-01",
        "since=0001-01-01T00:00%2b23:59",
        "before=9999-12-31T23:59:59-23:59_1",
    ],
)
def test_a_filter_that_means_nothing_is_said(query: str, administrator: Person) -> None:
    for more in ("", "&format=jsonl"):
        page = browser(administrator).get(f"/admin-area/audit?{query}{more}")
        assert page.status_code == 200
        if "before" not in query:
            assert b"notice error" in page.content


def test_a_page_takes_as_many_queries_for_many_events_as_for_few(
    administrator: Person, django_assert_num_queries: Any
) -> None:
    client = browser(administrator)
    with django_assert_num_queries(3):
        client.get("/admin-area/audit")
    for number in range(60):
        tokens.issue(user=administrator.user, name=str(number), by=administrator.caller)
    with django_assert_num_queries(3):
        assert client.get("/admin-area/audit").status_code == 200


def test_nothing_is_changed_by_asking(administrator: Person) -> None:
    client, before = browser(administrator), Event.objects.count()
    for address in ("/admin-area/audit", "/account/audit", "/library/root/-/audit"):
        assert client.get(address).status_code == 200
        assert client.post(address).status_code == 405
    assert Event.objects.count() == before


def test_what_somebody_calls_a_thing_is_text_on_the_page(mara: Person) -> None:
    tokens.issue(user=mara.user, name="<script>alert(1)</script>", by=mara.caller)
    page = browser(mara).get("/account/audit").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_where_an_administrator_sits_is_not_told_to_whom_it_concerns(
    mara: Person, administrator: Person
) -> None:
    by = Caller(administrator.user, address="10.9.8.7")
    standing.set_site_role(mara.user, "auditor", by=by)
    page = browser(mara).get("/account/audit").content.decode()
    assert "user.site_role" in page
    assert "10.9.8.7" not in page
    with pytest.raises(Invalid):
        tokens.issue(user=mara.user, name="x", scopes=["push"], by=mara.caller)
