"""`/remote.yaml`: what a client needs to know of this registry, ready to be saved."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from shub.errors import Refusal
from shub.remote_yaml import remote_yaml
from shub.web.site import caller
from shub.web.token_forms import NewTokenForm

# The longest version that is read; anything else gets the form of today.
MOST_VERSION = 20


@require_http_methods(["GET", "HEAD", "POST"])
def remote_file(request: HttpRequest) -> HttpResponse:
    """The file without a token for anybody; on POST, with a new one of one's own in it.

    `?for=3.6` gives the form that Singularity up to 3.8 takes.
    """
    if request.method == "POST":
        return _with_token(request)
    return _file("", request.GET.get("for", ""))


@login_required
def _with_token(request: HttpRequest) -> HttpResponse:
    form = NewTokenForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Name the token that is to be made for the file.")
        return redirect("tokens")
    try:
        text = form.issue(caller(request))
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return redirect("tokens")
    answer = _file(text, request.POST.get("for", ""))
    answer["Cache-Control"] = "no-store"
    return answer


def _file(token: str, version: str) -> HttpResponse:
    return HttpResponse(
        remote_yaml(settings.PUBLIC_URL, token=token, for_version=version[:MOST_VERSION]),
        content_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="remote.yaml"'},
    )
