"""A user comes with an entity; a token opens a door and is never kept."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from shub.accounts import registration, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Token, User
from shub.audit.models import Event
from shub.errors import Conflict, Invalid, NotFound
from tests.factories import Person

pytestmark = pytest.mark.django_db


def test_a_user_owns_an_entity_of_the_same_name_in_lower_case() -> None:
    user = registration.create_user(username="Mara.Smith", password="x" * 12)
    assert user.entity.name == "mara.smith"


@pytest.mark.parametrize("username", ["müller", "a@b.example", "-a", "a--b"])
def test_a_name_that_is_illegal_as_an_entity_is_asked_for(username: str) -> None:
    with pytest.raises(Invalid, match="choose an entity name"):
        registration.create_user(username=username, password="x" * 12)
    assert not User.objects.exists()
    user = registration.create_user(username=username, password="x" * 12, entity_name="other")
    assert user.entity.name == "other"


def test_nobody_is_called_as_a_team_is_written() -> None:
    with pytest.raises(Invalid, match="a team is written so"):
        registration.create_user(username="@lab", password="x" * 12, entity_name="other")
    assert not User.objects.exists()


def test_a_name_that_is_taken_makes_neither_user_nor_entity(mara: Person) -> None:
    for username, entity_name in (("Mara", ""), ("library", ""), ("new", "mara")):
        with pytest.raises(Conflict, match="is taken"):
            registration.create_user(username=username, password="x" * 12, entity_name=entity_name)
    assert User.objects.count() == 1
    assert set(Entity.objects.values_list("name", flat=True)) == {"library", "mara"}


def test_a_token_is_long_recognised_by_its_text_and_kept_as_a_hash(mara: Person) -> None:
    token, text = tokens.issue(user=mara.user, name="laptop")
    assert 200 <= len(text) <= 4096
    assert text.startswith("shub_")
    assert tokens.recognise(text) == token
    assert not Token.objects.filter(digest__contains=text[:20]).exists()
    assert text not in str(Event.objects.values())


def test_a_text_with_a_letter_changed_is_known_for_no_token_without_a_look_up(
    mara: Person, django_assert_num_queries: object
) -> None:
    _, text = tokens.issue(user=mara.user, name="laptop")
    wrong = text[:100] + ("a" if text[100] != "a" else "b") + text[101:]
    with django_assert_num_queries(0):
        assert tokens.recognise(wrong) is None


def test_a_token_cannot_be_made_to_expire_in_the_past(mara: Person) -> None:
    with pytest.raises(Invalid):
        tokens.issue(user=mara.user, name="old", expires_at=timezone.now() - timedelta(1))


def test_nobody_revokes_somebody_elses_token(mara: Person, otto: Person) -> None:
    with pytest.raises(NotFound):
        tokens.revoke(public_id=mara.token.public_id, user=otto.user, by=otto.caller)
    assert tokens.recognise(mara.token_text) is not None


def test_the_audit_trail_cannot_be_changed(mara: Person) -> None:
    for change in (
        lambda: Event.objects.update(actor="otto"),
        lambda: Event.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            change()


def test_the_database_refuses_names_ids_and_states_of_another_form(mara: Person) -> None:
    for change in ({"name": "UPPER"}, {"name": "a--b"}, {"public_id": "x" * 24}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Entity.objects.filter(pk=mara.entity.pk).update(**change)


@pytest.mark.parametrize(
    ("by", "actor", "address"),
    [(None, "", ""), (Caller(address="192.0.2.7"), "nora", "192.0.2.7")],
    ids=["terminal", "themselves"],
)
def test_it_is_written_down_who_made_an_account(
    db: None, by: Caller | None, actor: str, address: str
) -> None:
    registration.create_user(username="nora", password=None, by=by)
    made = Event.objects.get(action="user.created")
    assert (made.actor, made.address) == (actor, address)
