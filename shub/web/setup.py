"""`/setup`: the first image, step by step."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The steps, for whoever looks."""
    return render(request, "web/setup.html")
