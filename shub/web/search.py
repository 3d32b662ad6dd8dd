"""`/search`: the containers that match."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """What matches the text, with facets."""
    return render(request, "web/search.html", {"text": request.GET.get("q", "")})
