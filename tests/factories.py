"""People and things for tests, made the way the product makes them."""

from dataclasses import dataclass

from django.test import Client

from shub.accounts import registration, teams, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Team, Token, User
from shub.containers import namespaces
from shub.containers.models import Collection, Container

PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Person:
    """A user, with the text of a token."""

    user: User
    token: Token
    token_text: str

    @property
    def caller(self) -> Caller:
        """Them, signed in to the pages."""
        return Caller(self.user)

    @property
    def client(self) -> Caller:
        """Them, by their token."""
        return Caller(self.user, self.token)

    @property
    def browser(self) -> Client:
        """A browser in which they are signed in."""
        client = Client()
        client.force_login(self.user)
        return client

    @property
    def entity(self) -> Entity:
        """The namespace that is theirs."""
        return self.user.entity


def make_person(username: str, *, is_administrator: bool = False) -> Person:
    """Register somebody and give them a token."""
    user = registration.create_user(
        username=username, password=PASSWORD, is_administrator=is_administrator
    )
    token, text = tokens.issue(user=user, name="for tests")
    return Person(user, token, text)


def make_auditor(username: str = "audit") -> Person:
    """Register one who sees everything and changes nothing, with a token for pulling."""
    user = registration.create_user(username=username, password=PASSWORD)
    user.is_auditor = True
    user.save()
    token, text = tokens.issue(user=user, name="for tests", scopes=["pull"])
    return Person(user, token, text)


def make_team(name: str, owner: Person, *members: Person) -> Team:
    """A team with an owner and members."""
    team = teams.create(name=name, description="", by=owner.caller)
    for member in members:
        teams.add(team=team, user=member.user, role="member", by=owner.caller)
    return team


def make_collection(entity: Entity, name: str, by: Person, *, visibility: str = "") -> Collection:
    """A collection, made as by a push."""
    made = namespaces.ensure_collection(
        entity_id=entity.public_id, name=name, description="", by=by.caller
    )
    if visibility:
        made.visibility = visibility
        made.save()
    return made


def make_container(collection: Collection, name: str, by: Person) -> Container:
    """A container, made as by a push."""
    return namespaces.ensure_container(
        collection_id=collection.public_id, name=name, description="", by=by.caller
    )
