"""`/`: what this site is, what was pushed lately, and the first collections that one may see;
`/collections`: all of these."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import browsing
from shub.web.about import about
from shub.web.site import caller, page_number

MOST_RECENT = 8
MOST_COLLECTIONS = 12


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The first page for everybody."""
    by = caller(request)
    return render(
        request,
        "web/home.html",
        {
            "about": about(),
            "recent": browsing.recently_pushed(most=MOST_RECENT, by=by),
            "page": browsing.collections(most=MOST_COLLECTIONS, by=by),
        },
    )


@require_safe
def collections(request: HttpRequest) -> HttpResponse:
    """All collections that one may see, by name."""
    page = browsing.collections(page=page_number(request), by=caller(request))
    return render(request, "web/collections.html", {"page": page})
