"""What clients ask of the site itself: its services, its version, and whether a token is good."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from shub.accounts import tokens
from shub.api.authentication import bearer
from shub.api.library.door import LibraryView, answer
from shub.errors import NotFound, Unauthenticated

# What makes clients use the v2 upload and the tags per arch; greater versions change nothing.
API_VERSION = "2.0.0-alpha.2"


@require_safe
def service_document(request: HttpRequest) -> JsonResponse:
    """`/assets/config/config.prod.json`: where each service is.

    Always with a keystore, or no client pulls; always by the public address, since clients of 2021
    keep this document for 30 days.
    """
    here = {"uri": settings.PUBLIC_URL}
    return JsonResponse({"libraryAPI": here, "keystoreAPI": here, "tokenAPI": here})


@require_safe
def version(request: HttpRequest) -> JsonResponse:
    """`/version`: asked before each push and pull, by anybody. Never 401."""
    return JsonResponse({"data": {"version": API_VERSION, "apiVersion": API_VERSION}})


class TokenStatusView(LibraryView):
    """`v1/token-status`"""

    authentication_classes = ()

    def get(self, request: Request) -> Response:
        """Whether the token is good; NotFound is what clients show as "Invalid Credentials"."""
        token = tokens.recognise(bearer(request))
        if token is None:
            raise NotFound("The token is unknown, expired or revoked.")
        return answer({"username": token.user.username})


class CurrentUserView(LibraryView):
    """`v1/rbac/users/current`"""

    def get(self, request: Request) -> Response:
        """Who the token is of, as a bare object. The token itself is not repeated."""
        user = request.user
        if not user.is_authenticated:
            raise Unauthenticated("Nobody is logged in.")
        return Response(
            {"username": user.username, "email": user.email, "realname": user.get_full_name()}
        )


class OCIRedirectView(LibraryView):
    """`v1/oci-redirect`"""

    authentication_classes = ()

    def get(self, request: Request) -> Response:
        """NotFound: clients then speak the library's own protocol."""
        raise NotFound("This registry has no OCI door yet.")


class NothingHereView(LibraryView):
    """Everything else below the library's prefixes."""

    authentication_classes = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound("There is nothing at this address of the Library API.")
