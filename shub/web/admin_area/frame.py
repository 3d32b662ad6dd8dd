"""What the pages for administrators have in common: who enters, and the way from one to another."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from shub.accounts.administrators import check_sees_everything, is_administrator
from shub.web.refusals import page
from shub.web.site import caller

Parts = ParamSpec("Parts")

# Of what is typed into a filter.
MOST_LENGTH = 150


def for_administrators(
    view: Callable[Concatenate[HttpRequest, Parts], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, Parts], HttpResponseBase]:
    """A page that is there for administrators and auditors only, who are signed in.

    What only an administrator does is asked again by the act itself.
    """

    @login_required
    @page
    @wraps(view)
    def enter(
        request: HttpRequest, /, *args: Parts.args, **kwargs: Parts.kwargs
    ) -> HttpResponseBase:
        check_sees_everything(caller(request))
        return view(request, *args, **kwargs)

    return enter


def frame(request: HttpRequest, heading: str = "") -> dict[str, Any]:
    """The heading, the tabs, and whether one may change what is shown."""
    tabs = [
        (_("Overview"), reverse("admin-area"), ""),
        (_("Users"), reverse("admin-users"), ""),
        (_("Quotas"), reverse("admin-quotas"), ""),
        (_("Uploads"), reverse("admin-uploads"), ""),
        (_("Read-only"), reverse("admin-read-only"), ""),
        (_("Audit trail"), reverse("audit"), ""),
        (_("Doctor"), reverse("admin-doctor"), ""),
    ]
    return {
        "heading": heading or _("Administration"),
        "place": _("the administration"),
        "tabs": tabs,
        "may_change": is_administrator(caller(request)),
    }


def asked(request: HttpRequest, *names: str) -> dict[str, str]:
    """What the query string says of these, without what no name contains."""
    return {
        name: request.GET.get(name, "").replace("\0", "").strip()[:MOST_LENGTH] for name in names
    }
