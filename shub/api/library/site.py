"""What clients ask of the site itself: its services, its version, and whether a token is good."""

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.accounts import tokens
from shub.api import throttles
from shub.api.authentication import credential
from shub.api.description import described, enveloped
from shub.api.library.door import LibraryView, answer
from shub.errors import NotFound, Unauthenticated

# What makes clients use the v2 upload and the tags per arch; greater versions change nothing.
API_VERSION = "2.0.0-alpha.2"


class ServiceObject(serializers.Serializer[None]):
    """Where a service is."""

    uri = serializers.URLField()


class ServicesAnswer(serializers.Serializer[None]):
    """The service document."""

    libraryAPI = ServiceObject()
    keystoreAPI = ServiceObject()
    tokenAPI = ServiceObject()


class VersionObject(serializers.Serializer[None]):
    """Versions, as strict semantic ones."""

    version = serializers.CharField()
    apiVersion = serializers.CharField()


class TokenObject(serializers.Serializer[None]):
    """Whose token it is."""

    username = serializers.CharField()


class CurrentUserAnswer(serializers.Serializer[None]):
    """Who is logged in; bare, without an envelope."""

    username = serializers.CharField()
    email = serializers.CharField(allow_blank=True)
    realname = serializers.CharField(allow_blank=True)


class ServicesView(LibraryView):
    """`/assets/config/config.prod.json`"""

    authentication_classes = ()

    @described("Where each service is", answers={200: ServicesAnswer})
    def get(self, request: Request) -> Response:
        """Always with a keystore, or no client pulls; always by the public address, since clients
        of 2021 keep this document for 30 days."""
        here = {"uri": settings.PUBLIC_URL}
        return Response({"libraryAPI": here, "keystoreAPI": here, "tokenAPI": here})


class VersionView(LibraryView):
    """`/version`"""

    authentication_classes = ()

    @described("Which protocol is spoken", answers={200: enveloped(VersionObject)})
    def get(self, request: Request) -> Response:
        """Asked before each push and pull, by anybody. Never 401."""
        return answer({"version": API_VERSION, "apiVersion": API_VERSION})


class TokenStatusView(LibraryView):
    """`v1/token-status`"""

    authentication_classes = ()

    @described("Whether a token is good", answers={200: enveloped(TokenObject)}, refusals=[404])
    def get(self, request: Request) -> Response:
        """Whether the token is good; NotFound is what clients show as "Invalid Credentials"."""
        text = credential(request)
        token = tokens.recognise(text)
        if token is None:
            if text:
                throttles.count_bad_token(request)
            raise NotFound("The token is unknown, expired or revoked.")
        return answer({"username": token.user.username})


class CurrentUserView(LibraryView):
    """`v1/rbac/users/current`"""

    @described("Who is logged in", answers={200: CurrentUserAnswer})
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

    @described("Where images are pushed by OCI: nowhere", answers={}, refusals=[404])
    def get(self, request: Request) -> Response:
        """NotFound: clients then speak the library's own protocol."""
        raise NotFound("This registry has no OCI door yet.")


class NothingHereView(LibraryView):
    """Everything else below the library's prefixes."""

    authentication_classes = ()
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound("There is nothing at this address of the Library API.")
