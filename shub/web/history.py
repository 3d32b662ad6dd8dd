"""`…/CONTAINER/-/history`: what each tag meant, since when, and by whom."""

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
    """Every move of every tag, the newest first."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    return render(
        request,
        "web/history.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "page": contents.history(found, page=page_number(request), by=by),
        },
    )
