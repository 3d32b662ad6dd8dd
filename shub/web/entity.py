"""`/library/ENTITY`: the collections of an entity."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers.permissions import collections_visible_to, may_push
from shub.web import places
from shub.web.refusals import page
from shub.web.site import caller

MOST_SHOWN = 100


@require_safe
@page
def show(request: HttpRequest, entity: str) -> HttpResponse:
    """The collections of an entity that one may see."""
    found = places.find_entity(request, entity)
    by = caller(request)
    collections = collections_visible_to(by).filter(entity=found)
    return render(
        request,
        "web/entity.html",
        {
            **places.heading(found, by=by),
            "entity": found,
            "collections": collections.order_by("name")[:MOST_SHOWN],
            "may_push": may_push(by, found),
        },
    )
