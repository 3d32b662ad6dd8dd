"""`/`: the collections that one may see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from shub.containers.permissions import collections_visible_to
from shub.web.site import caller

MOST_SHOWN = 100


def show(request: HttpRequest) -> HttpResponse:
    """The first collections, by name."""
    collections = (
        collections_visible_to(caller(request))
        .select_related("entity")
        .order_by("entity__name", "name")[:MOST_SHOWN]
    )
    return render(request, "web/home.html", {"collections": collections})
