"""The library's door: what every view of it has in common."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from shub.accounts.models import Token, User
from shub.errors import Invalid, Unauthenticated

# The longest description that is kept of anything, in characters.
MOST_DESCRIPTION = 10_000


class LibraryView(APIView):
    """A view that answers in the library's envelope."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Postgres holds no NUL in a text: nothing can be called so."""
        if any("\0" in text for text in (request.path, *request.query_params.values())):
            raise Invalid("The address contains a NUL character.")
        super().initial(request, *args, **kwargs)

    def read(self, request: Request, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The request's body, checked."""
        serializer = form(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


def pusher(request: Request) -> User:
    """Who pushes, by their token; Unauthenticated where nobody says who they are."""
    if not isinstance(request.user, User):
        raise Unauthenticated("A push needs a token. Run `remote login`, then push again.")
    return request.user


def used_token(request: Request) -> Token | None:
    """The token that the request came with."""
    return request.auth if isinstance(request.auth, Token) else None


def answer(data: Any, status: int = 200) -> Response:
    """A success, enveloped."""
    return Response({"data": data}, status=status)


def asked_host(request: Request) -> str:
    """The host that the client asked us by: chooses among configured addresses, nothing else."""
    return str(request.META.get("HTTP_HOST", ""))
