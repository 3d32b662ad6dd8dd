"""`/admin-area/`: how much there is, what is under way, and what wants to be looked at."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import freezing
from shub.uploads import overview
from shub.web.admin_area.frame import for_administrators, frame
from shub.web.site import caller


@for_administrators
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The overview."""
    by = caller(request)
    stored = overview.stored(by=by)
    return render(
        request,
        "web/admin_area/overview.html",
        {
            **frame(request),
            "stored": stored,
            "work": overview.work(by=by),
            "largest": overview.largest(stored),
            "site_quota": settings.SITE_QUOTA_BYTES,
            "mode": freezing.read_only_mode(),
            "days": overview.DAYS,
            "counted_seconds": overview.COUNTED_SECONDS,
        },
    )
