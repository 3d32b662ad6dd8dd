"""`…/CONTAINER/-/images`: every image, those without a tag too."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import contents
from shub.web import places
from shub.web.refusals import page
from shub.web.site import caller, page_number


@require_safe
@page
def show(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """All that are proven, the newest first; `?untagged=` narrows them."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    untagged = bool(request.GET.get("untagged"))
    return render(
        request,
        "web/images.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "page": contents.images_of(
                found, untagged_only=untagged, page=page_number(request), by=by
            ),
            "untagged": untagged,
        },
    )
