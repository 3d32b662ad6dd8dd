"""Callers: who acts, by which token, from where."""

from dataclasses import dataclass

from shub.accounts.models import Token, User
from shub.errors import Unauthenticated


@dataclass(frozen=True)
class Caller:
    """Who asks for something. Without a user: nobody in particular.

    `token` is the one that the request came with; without one somebody is signed in to the pages,
    or sits at the server's own terminal.
    """

    user: User | None = None
    token: Token | None = None
    address: str = ""

    @property
    def name(self) -> str:
        """The sign-in name; empty for nobody."""
        return self.user.username if self.user else ""

    @property
    def signed_in(self) -> User | None:
        """The user, where they are signed in to the pages: what no token is good for asks this."""
        return self.user if self.token is None and self.user and self.user.is_active else None

    @property
    def token_id(self) -> str:
        """The public id of the token; empty where there is none."""
        return self.token.public_id if self.token else ""

    @property
    def known(self) -> User:
        """The user; Unauthenticated where there is none."""
        if self.user is None:
            raise Unauthenticated("Nobody is logged in.")
        return self.user

    def acting(self, scope: str, *, entity_id: int, collection: str = "") -> User | None:
        """The user, as far as their token is good for this, there; None where it is not.

        An empty scope stands for any; without a collection: for the entity as a whole.
        """
        user = self.user
        if user is None or not user.is_active:
            return None
        if self.token is None:
            return user
        covered = self.token.covers(scope, entity_id=entity_id, collection=collection)
        return user if covered else None


NOBODY = Caller()
