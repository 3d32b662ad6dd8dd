"""`/library/ENTITY/COLLECTION`: the containers of a collection."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers.permissions import containers_visible_to
from shub.web import places
from shub.web.refusals import page
from shub.web.site import caller

MOST_SHOWN = 100


@require_safe
@page
def show(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """The containers of a collection that one may see."""
    found = places.find_collection(request, entity, collection)
    by = caller(request)
    containers = containers_visible_to(by).filter(collection=found)
    return render(
        request,
        "web/collection.html",
        {
            **places.heading(found, by=by),
            "collection": found,
            "containers": containers.select_related("collection").order_by("name")[:MOST_SHOWN],
        },
    )
