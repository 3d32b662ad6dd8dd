"""The library's door: what every view of it has in common."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.api.authentication import caller
from shub.errors import Invalid, Unauthenticated
from shub.sif.layout import arch_named

# The longest description that is kept of anything, in characters.
MOST_DESCRIPTION = 10_000


class LibraryView(APIView):
    """A view that answers in the library's envelope."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Postgres holds no NUL in a text: nothing can be called so."""
        asked = (text for pair in request.query_params.items() for text in pair)
        if any("\0" in text for text in (request.path, *asked)):
            raise Invalid("The address contains a NUL character.")
        super().initial(request, *args, **kwargs)

    def read(self, request: Request, form: type[Serializer[Any]]) -> dict[str, Any]:
        """The request's body, checked."""
        serializer = form(data=request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


def pusher(request: Request) -> Caller:
    """Who pushes, by their token; Unauthenticated where nobody says who they are."""
    return known(request, "A push needs a token. Run `remote login`, then push again.")


def known(request: Request, words: str) -> Caller:
    """Who asks, by their token; Unauthenticated, in these words, where nobody says who they are."""
    if not isinstance(request.user, User):
        raise Unauthenticated(words)
    return caller(request)


def asked_arch(request: Request) -> str:
    """The arch that is asked for, by Go's name; empty where none is.

    Singularity 3.6.0 to 3.7.1 encode the query of a delete wrongly: `?arch%3Darm64` arrives as a
    key of that name. Read as no arch, it would delete another image than was meant.
    """
    query = request.query_params
    if "arch" in query:
        return arch_named(query["arch"])
    wrongly = (key.removeprefix("arch=") for key in query if key.startswith("arch="))
    return arch_named(next(wrongly, ""))


def names_arch(request: Request) -> bool:
    """Whether there is an arch in the query, be it an empty one: clients from 3.4 on send one."""
    return "arch" in request.query_params


def answer(data: Any, status: int = 200) -> Response:
    """A success, enveloped."""
    return Response({"data": data}, status=status)


def asked_host(request: Request) -> str:
    """The host that the client asked us by: chooses among configured addresses, nothing else."""
    return str(request.META.get("HTTP_HOST", ""))
