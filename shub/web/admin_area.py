"""`/admin-area/`: what an administrator looks at first."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.accounts.administrators import sees_everything
from shub.web.site import caller


@login_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The overview, for administrators and auditors."""
    if not sees_everything(caller(request)):
        raise Http404("There is no such page, or you may not see it.")
    return render(request, "web/admin_area.html")
