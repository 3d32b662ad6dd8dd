"""`/library/…/-/rename`: another name for an entity, a collection or a container."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import naming
from shub.containers.models import Collection
from shub.containers.permissions import Place, may_rename
from shub.errors import NotFound, Refusal
from shub.names import NAME_LENGTH
from shub.web import places
from shub.web.refusals import page
from shub.web.site import caller


class RenamingForm(forms.Form):
    """The other name."""

    to = forms.CharField(
        max_length=NAME_LENGTH,
        label=gettext_lazy("New name"),
        help_text=gettext_lazy("Lower-case letters, digits, and . _ - between them."),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def rename(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """What a new name means, and a form for it: to those who may give it one."""
    by = caller(request)
    found = places.find(request, entity, collection, container)
    if not may_rename(by, found):
        raise NotFound("There is no such page, or you may not see it.")
    form = RenamingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            renamed = _renamed(found, to=form.cleaned_data["to"], by=by)
        except Refusal as refusal:
            form.add_error("to", refusal.message)
        else:
            messages.success(request, _said(renamed))
            return redirect(f"{places.address(renamed)}/-/rename")
    context = {
        **places.heading(found, by=by),
        "kind": places.kind_of(found),
        "form": form,
        "former": found.former_names.order_by("-given_up_at"),
    }
    return render(request, "web/rename.html", context)


def _renamed(place: Place, *, to: str, by: Caller) -> Place:
    if isinstance(place, Entity):
        return naming.rename(place, to=to, by=by)
    return naming.rename_place(place, to=to, by=by)


def _said(place: Place) -> str:
    if isinstance(place, Entity):
        said = _("The entity is called %(name)s now.")
    elif isinstance(place, Collection):
        said = _("The collection is called %(name)s now.")
    else:
        said = _("The container is called %(name)s now.")
    return said % {"name": place.name}
