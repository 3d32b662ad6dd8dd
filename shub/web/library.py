"""`/library/ENTITY[/COLLECTION[/CONTAINER]]`: the address that clients print after a push."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers.models import Container
from shub.containers.permissions import (
    collections_visible_to,
    containers_visible_to,
    may_manage,
    may_push,
)
from shub.uploads.models import Upload
from shub.web import places
from shub.web.refusals import page
from shub.web.site import caller

MOST_SHOWN = 100


@require_safe
@page
def show_entity(request: HttpRequest, entity: str) -> HttpResponse:
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


@require_safe
@page
def show_collection(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
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


@require_safe
@page
def show_container(
    request: HttpRequest, entity: str, collection: str, container: str
) -> HttpResponse:
    """How to pull, the tags, the images; and to those who may push, what was refused and why."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    return render(
        request,
        "web/container.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "tags": found.tags.select_related("image__blob").order_by("name", "arch")[:MOST_SHOWN],
            "images": found.images.filter(blob__state="proven")
            .select_related("blob")
            .order_by("-created_at")[:MOST_SHOWN],
            "uploads": _uploads_for(request, found),
            "may_manage": may_manage(by, found),
        },
    )


def _uploads_for(request: HttpRequest, container: Container) -> list[Upload]:
    if not may_push(caller(request), container):
        return []
    under_way_or_refused = container.uploads.filter(
        state__in=["open", "joining", "verifying", "refused"]
    )
    return list(under_way_or_refused.order_by("-created_at")[:20])
