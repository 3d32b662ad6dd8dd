"""`/library/ENTITY/COLLECTION/CONTAINER`: the address that clients print after a push."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers.models import Container
from shub.containers.permissions import may_manage, may_push
from shub.uploads.models import Upload
from shub.web import client_commands, places
from shub.web.refusals import page
from shub.web.site import caller

MOST_SHOWN = 100


@require_safe
@page
def show(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """How to pull, the tags, the images; and to those who may push, what was refused and why."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    tags = found.tags.select_related("image__blob").order_by("name", "arch")[:MOST_SHOWN]
    reference = f"{found}:{tags[0].name}" if tags else str(found)
    return render(
        request,
        "web/container.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "commands": client_commands.pull_commands(
                reference, visibility=found.narrowest_visibility
            ),
            "tags": tags,
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
