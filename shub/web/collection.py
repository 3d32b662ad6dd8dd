"""`/library/ENTITY/COLLECTION`: the containers of a collection."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import browsing, describing
from shub.containers.permissions import may_manage, may_push
from shub.web import markdown, places
from shub.web.refusals import page
from shub.web.site import caller, page_number


@require_safe
@page
def show(request: HttpRequest, entity: str, collection: str) -> HttpResponse:
    """The containers of a collection that one may see."""
    found = places.find_collection(request, entity, collection)
    by = caller(request)
    return render(
        request,
        "web/collection.html",
        {
            **places.heading(found, by=by),
            "collection": found,
            "readme": markdown.render(describing.readme_of(found)),
            "page": browsing.containers_of_collection(found, page=page_number(request), by=by),
            "push_command": f"apptainer push image.sif library://{found}/name:1.0",
            "may_push": may_push(by, found),
            "may_manage": may_manage(by, found),
        },
    )
