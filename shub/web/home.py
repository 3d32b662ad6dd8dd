"""`/`: what this site is, what was pushed lately, and the collections that one may see."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import browsing
from shub.web.about import about
from shub.web.site import caller, page_number

MOST_RECENT = 8


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The first page for everybody; later pages list collections only."""
    by = caller(request)
    number = page_number(request)
    return render(
        request,
        "web/home.html",
        {
            "about": about(),
            "recent": browsing.recently_pushed(most=MOST_RECENT, by=by) if number == 1 else [],
            "page": browsing.collections(page=number, by=by),
        },
    )
