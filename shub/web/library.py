"""`/library/ENTITY/COLLECTION[/CONTAINER]`: the address that clients print after a push."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from shub.containers import namespaces, visibility
from shub.containers.models import Container, Visibility
from shub.containers.permissions import containers_visible_to, may_manage, may_push
from shub.errors import NotFound, Refusal
from shub.uploads.models import Upload
from shub.web.site import caller

MOST_SHOWN = 100


def show_collection(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """The containers of a collection."""
    try:
        found = namespaces.find_collection(entity, collection, by=caller(request))
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    if found.entity.name != entity:
        return _by_its_name(request, "collection", found.entity.name, found.name)
    return render(
        request,
        "web/collection.html",
        {
            "collection": found,
            "containers": containers_visible_to(caller(request))
            .filter(collection=found)
            .order_by("name")[:MOST_SHOWN],
            "may_manage": may_manage(caller(request), found),
            "visibilities": Visibility,
        },
    )


def show_container(
    request: HttpRequest, entity: str, collection: str, container: str
) -> HttpResponse:
    """How to pull, the tags, the images; and to those who may push, what was refused and why."""
    try:
        found = namespaces.find_container(entity, collection, container, by=caller(request))
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    home = found.collection
    if home.entity.name != entity:
        return _by_its_name(request, "container", home.entity.name, home.name, found.name)
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


def _by_its_name(request: HttpRequest, page: str, *names: str) -> HttpResponse:
    """The same page at the address of today: of another case, or of a name from before."""
    query = request.META.get("QUERY_STRING", "")
    return redirect(reverse(page, args=names) + (f"?{query}" if query else ""))


def _uploads_for(request: HttpRequest, container: Container) -> list[Upload]:
    if not may_push(caller(request), container):
        return []
    under_way_or_refused = container.uploads.filter(
        state__in=["open", "joining", "verifying", "refused"]
    )
    return list(under_way_or_refused.order_by("-created_at")[:20])


@login_required
@require_POST
def change_visibility(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """Say who sees a collection."""
    try:
        found = namespaces.find_collection(entity, collection, by=caller(request))
        visibility.change(found, to=request.POST.get("visibility", ""), by=caller(request))
    except NotFound as refusal:
        raise Http404(refusal.message) from refusal
    except Refusal as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, f"The collection is now {found.visibility}.")
    return redirect("collection", entity, collection)
