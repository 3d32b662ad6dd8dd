"""People and things for tests, made the way the product makes them."""

from dataclasses import dataclass

from shub.accounts import registration, tokens
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, Token, User

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
