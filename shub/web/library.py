"""`/library/ENTITY/COLLECTION[/CONTAINER]`: the address that clients print after a push."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from shub.containers import namespaces, visibility
from shub.containers.models import Collection, Container
from shub.containers.permissions import may_administer, may_push
from shub.errors import NotFound, Refusal
from shub.uploads.models import Upload
from shub.web.site import signed_in

MOST_SHOWN = 100


def show_collection(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """The containers of a collection."""
    try:
        found = namespaces.find_collection(entity, collection, by=request.user)
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    return render(
        request,
        "web/collection.html",
        {
            "collection": found,
            "containers": found.containers.order_by("name")[:MOST_SHOWN],
            "may_administer": may_administer(request.user, found.entity),
            "visibilities": Collection.Visibility,
        },
    )


def show_container(
    request: HttpRequest, entity: str, collection: str, container: str
) -> HttpResponse:
    """How to pull, the tags, the images; and to those who may push, what was refused and why."""
    try:
        found = namespaces.find_container(entity, collection, container, by=request.user)
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    return render(
        request,
        "web/container.html",
        {
            "container": found,
            "tags": found.tags.select_related("image__blob").order_by("name", "arch")[:MOST_SHOWN],
            "images": found.images.filter(blob__state="proven")
            .select_related("blob")
            .order_by("-created_at")[:MOST_SHOWN],
            "uploads": _uploads_for(request, found),
        },
    )


def _uploads_for(request: HttpRequest, container: Container) -> list[Upload]:
    if not may_push(request.user, container.collection.entity):
        return []
    under_way_or_refused = container.uploads.filter(
        state__in=["open", "joining", "verifying", "refused"]
    )
    return list(under_way_or_refused.order_by("-created_at")[:20])


@login_required
@require_POST
def change_visibility(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """Make a collection public or private."""
    try:
        changed = visibility.change(
            entity=entity,
            collection=collection,
            to=request.POST.get("visibility", ""),
            by=signed_in(request),
        )
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"The collection is now {changed.visibility}.")
    return redirect("collection", entity, collection)
