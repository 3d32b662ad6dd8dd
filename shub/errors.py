"""Refusals, without HTTP: what the domain says no with.

Each carries one sentence or two for the person at the client's terminal: what was wrong, what was
expected, what to do. `shub.api.errors` maps each kind to a status, in one table.
"""


class Refusal(Exception):
    """A request that is understood and not done. The message is shown to the user as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(Refusal):
    """The request itself is wrong: a name, a size, bytes that are not what was claimed."""


class Unauthenticated(Refusal):
    """Nobody is logged in, or the token is not one of ours."""


class Denied(Refusal):
    """The caller is known and may not do this."""


class NotFound(Refusal):
    """It does not exist, or the caller may not see it: the two read the same."""


class Conflict(Refusal):
    """What is asked does not fit the state that things are in now."""


class OverQuota(Refusal):
    """There is no room for these bytes."""


class Unmeasured(Refusal):
    """Bytes are to come, and nobody says how many."""


class Unavailable(Refusal):
    """It cannot be done at this moment; the same request may succeed later."""


class TooMany(Refusal):
    """The caller has done this too often; after `retry_after` seconds they may again."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
