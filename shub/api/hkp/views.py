"""The keystore's door while no keystore is behind it.

It has to be there: no client pulls from a site that publishes none.
"""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from shub.api.errors import envelope


@require_safe
def lookup(request: HttpRequest) -> HttpResponse:
    """`/pks/lookup`: no key matches, in the form that each operation's clients read."""
    if request.GET.get("op") == "index" and request.GET.get("options") == "mr":
        return HttpResponse("info:1:0\n", content_type="text/plain")
    return JsonResponse(envelope(404, "No matching keys: this registry keeps none."), status=404)


@csrf_exempt
@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """`/pks/add`: refused, by the one status whose words `key push` shows."""
    message = (
        "This registry does not keep keys. Your key stays in your own keyring, which is enough to "
        "sign and push; give the public key to those who verify with `key export`."
    )
    return JsonResponse(envelope(403, message), status=403)
