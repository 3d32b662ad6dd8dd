"""What machines may not do as often as they like: guess tokens, and search."""

from rest_framework.request import Request

from shub import metrics
from shub.accounts.models import User
from shub.client_address import client_address, neighbourhood
from shub.limits import spend


def count_bad_token(request: Request) -> None:
    """Count a request with a token that is none, by its client's address; TooMany after enough.

    Asked only when the token was looked for and not found, so a good one is never caught and costs
    nothing. Views that carry image bytes (`carries_bytes`) are left out: current clients write the
    words of an error into the image.
    """
    metrics.BAD_TOKENS.inc()
    if getattr((request.parser_context or {}).get("view"), "carries_bytes", False):
        return
    spend("LIMIT_BAD_TOKENS", who=_client(request), what="requests with a token that is not known")


def count_search(request: Request) -> None:
    """Count a search, by user, or by address where nobody says who they are."""
    if isinstance(request.user, User):
        spend("LIMIT_USER_SEARCHES", who=str(request.user.pk), what="searches by you")
    else:
        spend(
            "LIMIT_ANONYMOUS_SEARCHES",
            who=_client(request),
            what="searches from your address without a token",
        )


def _client(request: Request) -> str:
    return neighbourhood(client_address(request))
