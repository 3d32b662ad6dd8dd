"""`/setup`: the first image, step by step, for the client that one has; and a look whether it came.

The page watches by asking for a part of itself again, and stops after a while: nothing is kept of
who watches. Without a script it is asked by a button.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.rows import first
from shub.uploads import progress
from shub.web import client_commands
from shub.web.site import caller
from shub.web.token_forms import NewTokenForm

# Where nobody is signed in, whose entity it is cannot be said.
ANYBODY = "YOUR-NAME"
NAME_AND_TAG = "hello:1.0"

WATCHED_FOR = timedelta(minutes=10)
# A page that was opened long ago is asked for what came today.
LOOKED_BACK = timedelta(days=1)


class ClientForm(forms.Form):
    """Which client one has."""

    client = forms.ChoiceField(
        choices=[(key, each.name) for key, each in client_commands.CLIENTS.items()],
        label=gettext_lazy("Your client"),
    )


@require_safe
def show(request: HttpRequest) -> HttpResponseBase:
    """The steps, for whoever looks; to htmx, only what has become of the push."""
    answer = _arrival(request) if "HX-Request" in request.headers else _page(request)
    patch_vary_headers(answer, ["HX-Request"])
    return answer


def _page(request: HttpRequest) -> HttpResponse:
    by = caller(request)
    key = _client(request)
    entity = _own_entity(by)
    name = entity.name if entity else ANYBODY
    reference = f"{name}/{settings.DEFAULT_COLLECTION}/{NAME_AND_TAG}"
    commands = client_commands.first_push(client_commands.CLIENTS[key], reference)
    # Whoever asks again by the button is watched for as long again.
    watch = _Watch(key, since=_moment(request, "since"), until=timezone.now() + WATCHED_FOR)
    context = {
        "form": ClientForm(initial={"client": key}),
        "commands": commands,
        "entity": entity,
        "steps": progress.steps(by=by),
        "file_form": NewTokenForm(auto_id="file_%s", initial={"name": "remote.yaml"}),
        "meta_title": "Push your first image",
    }
    return render(request, "web/setup.html", context | watch.look(by))


def _arrival(request: HttpRequest) -> HttpResponse:
    watch = _Watch(
        _client(request), since=_moment(request, "since"), until=_moment(request, "until")
    )
    context = watch.look(caller(request))
    if watch.goes_on and request.GET.get("seen") == context["progress"].seen:
        # Nothing is put in place of what is shown already, and nothing read aloud again.
        return HttpResponse(status=204)
    return render(request, "web/parts/arrival.html", context)


class _Watch:
    """What is watched for: a push since the one moment, until the other."""

    def __init__(self, client: str, *, since: datetime, until: datetime) -> None:
        now = timezone.now()
        self.client = client
        self.since = max(since, now - LOOKED_BACK)
        self.until = min(until, now + WATCHED_FOR)
        self.goes_on = now < self.until

    def look(self, by: Caller) -> dict[str, Any]:
        """How far it has come, and where to ask next; nowhere, where it is over or too long ago."""
        found = progress.newest(since=self.since, by=by)
        again = by.signed_in is not None and self.goes_on and not found.is_over
        self.goes_on = again
        asked = {
            "client": self.client,
            "since": _written(self.since),
            "until": _written(self.until),
            "seen": found.seen,
        }
        return {
            "progress": found,
            "image_page": reverse("container", args=found.place.split("/")) if found.place else "",
            "client": self.client,
            "since": _written(self.since),
            "since_moment": self.since,
            "poll": f"{reverse('setup')}?{urlencode(asked)}" if again else "",
        }


def _client(request: HttpRequest) -> str:
    asked = request.GET.get("client", "")
    return asked if asked in client_commands.CLIENTS else client_commands.NEWEST


def _own_entity(by: Caller) -> Entity | None:
    user = by.signed_in
    return first(Entity.objects.filter(user=user)) if user is not None else None


def _moment(request: HttpRequest, name: str) -> datetime:
    """What the query string says in seconds; now, where it says nothing of use."""
    written = request.GET.get(name, "")
    if written.isascii() and written.isdecimal() and len(written) < 11:
        return datetime.fromtimestamp(int(written), tz=UTC)
    return timezone.now()


def _written(moment: datetime) -> str:
    return str(int(moment.timestamp()))
