"""Refusals on the pages: a hidden thing and a missing one look the same, and a no says why."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from shub.errors import Denied, NotFound, Refusal, TooMany, Unauthenticated, Unavailable

Parts = ParamSpec("Parts")
Made = TypeVar("Made")

# Of refusals that no form and no next page tells.
STATUSES: dict[type[Refusal], int] = {Denied: 403, TooMany: 429, Unavailable: 503}


class Moved(Exception):
    """What the address names is called otherwise now: the parts of the address, by their names."""

    def __init__(self, **names: str) -> None:
        super().__init__(names)
        self.names = names


def page(
    view: Callable[Concatenate[HttpRequest, Parts], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, Parts], HttpResponseBase]:
    """Answer what the domain refuses, and lead from former names to those of today."""

    @wraps(view)
    def answer(
        request: HttpRequest, /, *args: Parts.args, **kwargs: Parts.kwargs
    ) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except NotFound as refusal:
            raise Http404(refusal.message) from refusal
        except Unauthenticated:
            return redirect_to_login(request.get_full_path())
        except Refusal as refusal:
            status = STATUSES.get(type(refusal), 400)
            answer = render(request, "web/refused.html", {"refusal": refusal}, status=status)
            if isinstance(refusal, TooMany):
                answer["Retry-After"] = str(refusal.retry_after)
            return answer
        except Moved as moved:
            return redirect(_address_with(request, moved.names))

    return answer


def attempt(request: HttpRequest, act: Callable[[], object], *, done: str = "") -> bool:
    """Do it, and have the next page say so, or why not. Denied is not for the next page.

    With no word for `done`, the caller says what was done.
    """
    try:
        act()
    except Denied:
        raise
    except Refusal as refusal:
        messages.error(request, refusal.message)
        return False
    if done:
        messages.success(request, done)
    return True


def made_by(form: Form, act: Callable[[], Made]) -> Made | None:
    """What the act makes; None where the form is not valid, or it is refused: the form says why.

    Denied is not for the form.
    """
    if not form.is_valid():
        return None
    try:
        return act()
    except Denied:
        raise
    except Refusal as refusal:
        form.add_error(None, refusal.message)
        return None


def _address_with(request: HttpRequest, names: dict[str, str]) -> str:
    found = request.resolver_match
    if found is None:
        raise Http404
    address = reverse(found.view_name, kwargs={**found.kwargs, **names})
    query = request.META.get("QUERY_STRING", "")
    return f"{address}?{query}" if query else address
