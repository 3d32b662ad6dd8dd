"""The trail is read page by page, each event once, by whom and about whom it is asked for."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from shub.accounts import tokens
from shub.accounts.callers import Caller
from shub.audit import reading, trail
from shub.audit.models import Event
from shub.audit.reading import Person, Question
from shub.errors import Invalid
from tests import factories

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def make(count: int, **fields: Any) -> list[Event]:
    """Events, several of them at the same moment."""
    return Event.objects.bulk_create(
        Event(
            **{
                "action": "image.pushed",
                "kind": "image",
                "at": NOW - timedelta(minutes=number // 3),
                "name": str(number),
                **fields,
            }
        )
        for number in range(count)
    )


class Pages(TestCase):
    """Over many sizes."""

    @settings(max_examples=25, deadline=None)
    @given(count=st.integers(0, 40), size=st.integers(1, 9))
    def test_the_pages_together_are_all_events_newest_first_and_none_twice(
        self, count: int, size: int
    ) -> None:
        make(count)
        found: list[Event] = []
        before = ""
        while True:
            page = reading.page(Question(), before=before, size=size)
            assert len(page.events) <= size
            found += page.events
            assert len(found) <= count
            before = page.older
            if not before:
                break
        assert found == list(Event.objects.order_by("-at", "-id"))


def test_an_export_has_every_event_once_oldest_first_in_bounded_queries(
    monkeypatch: Any, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(reading, "CHUNK", 7)
    make(40)
    with django_assert_num_queries(6):
        found = list(reading.every(Question()))
    assert found == list(Event.objects.order_by("at", "id"))


def test_a_filter_lets_through_what_it_says_and_no_other() -> None:
    make(3, action="image.pushed", actor="mara")
    make(2, action="imagery.made", actor="otto")
    make(1, action="tag.moved", actor="mara", at=NOW - timedelta(days=2))

    def names(**asked: Any) -> list[str]:
        return sorted(event.action for event in reading.page(Question(**asked)).events)

    assert names(action="image") == ["image.pushed"] * 3
    assert names(action="tag.moved") == ["tag.moved"]
    assert names(actor="otto") == ["imagery.made"] * 2
    assert names(actor="mara", until=NOW - timedelta(days=1)) == ["tag.moved"]
    assert names(actor="mara", since=NOW - timedelta(days=1)) == ["image.pushed"] * 3


def test_a_place_that_no_page_named_is_refused() -> None:
    for words in ("x", "2026-11-26", "2026-11-26T00:00_x", "_1", "\0_1"):
        with pytest.raises(Invalid):
            reading.page(Question(), before=words)


def test_a_place_behind_any_row_is_one_that_nothing_is_behind() -> None:
    make(1)
    for words in (f"{NOW.isoformat()}_{'9' * 4000}", f"{NOW.isoformat()}_{2**63}"):
        assert len(reading.page(Question(), before=words).events) == 1


def test_one_reads_what_one_did_and_what_was_done_to_one() -> None:
    mara, otto = factories.make_person("mara"), factories.make_person("otto")
    administrator = factories.make_person("root", is_administrator=True)
    tokens.revoke(
        public_id=mara.token.public_id,
        user=mara.user,
        by=Caller(administrator.user, address="10.0.0.1"),
    )
    tokens.revoke(public_id=otto.token.public_id, user=otto.user, by=otto.caller)
    person = Person("mara", mara.user.public_id, mara.user.date_joined)
    found = reading.page(Question(person=person)).events
    assert [event.action for event in found] == ["token.revoked", "token.issued", "user.created"]
    revoked = found[0]
    assert (revoked.actor, revoked.detail["user"]) == ("root", "mara")
    assert revoked.address == ""
    assert Event.objects.get(pk=revoked.pk).address == "10.0.0.1"


def test_who_had_the_name_before_was_somebody_else() -> None:
    make(2, actor="mara", at=NOW - timedelta(days=9))
    mara = factories.make_person("mara")
    person = Person("mara", mara.user.public_id, mara.user.date_joined)
    found = reading.page(Question(person=person)).events
    assert {event.action for event in found} == {"token.issued", "user.created"}


def test_a_failed_attempt_by_nobody_known_is_told_with_its_address() -> None:
    trail.record("sign_in.failed", kind="user", by=Caller(address="203.0.113.7"), about="a" * 24)
    person = Person("mara", "a" * 24, NOW)
    assert reading.page(Question(person=person)).events[0].address == "203.0.113.7"


def test_the_command_writes_json_lines_that_the_filters_let_through() -> None:
    mara = factories.make_person("mara")
    make(2, actor="otto", entity=mara.entity.public_id, at=NOW - timedelta(days=3))
    make(1, actor="otto")
    out = StringIO()
    call_command("audit", "--actor=otto", "--entity=mara", stdout=out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["name"] for line in lines] == ["0", "1"]
    assert {line["action"] for line in lines} == {"image.pushed"}
    out = StringIO()
    call_command("audit", "--actor=otto", "--since", NOW.date().isoformat(), stdout=out)
    assert len(out.getvalue().splitlines()) == 1
    with pytest.raises(CommandError, match="no moment"):
        call_command("audit", "--since", "soon")
    with pytest.raises(CommandError, match="no entity"):
        call_command("audit", "--entity", "nobody")
