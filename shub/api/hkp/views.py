"""The keystore's door while no keystore is behind it.

It has to be there: no client pulls from a site that publishes none.
"""

from django.http import HttpResponse, HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from shub.api.description import described
from shub.errors import Denied, NotFound

INDEX = OpenApiResponse({"type": "string"}, description="`info:1:COUNT`, and a line for each key.")


class KeystoreView(APIView):
    """A view that asks nobody who they are."""

    authentication_classes = ()


class LookupView(KeystoreView):
    """`/pks/lookup`"""

    @described(
        "Look for keys: there are none",
        answers={200: INDEX},
        refusals=[404],
        parameters=[
            OpenApiParameter("op", str, description="`get` or `index`."),
            OpenApiParameter("options", str, description="`mr`: for machines."),
            OpenApiParameter("search", str),
        ],
        media_type="text/plain",
    )
    def get(self, request: Request) -> HttpResponseBase:
        """No key matches, in the form that each operation's clients read."""
        query = request.query_params
        if query.get("op") == "index" and query.get("options") == "mr":
            return HttpResponse("info:1:0\n", content_type="text/plain")
        raise NotFound("No matching keys: this registry keeps none.")


class AddView(KeystoreView):
    """`/pks/add`"""

    @described(
        "Add a key: refused",
        answers={},
        refusals=[403],
        request={"application/x-www-form-urlencoded": {"type": "object"}},
    )
    def post(self, request: Request) -> HttpResponseBase:
        """Refused, by the one status whose words `key push` shows."""
        raise Denied(
            "This registry does not keep keys. Your key stays in your own keyring, which is enough "
            "to sign and push; give the public key to those who verify with `key export`."
        )
