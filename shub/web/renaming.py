"""`/library/ENTITY/-/rename`: another name for an entity."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from shub.containers import naming
from shub.containers.permissions import may_own
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
def rename(request: HttpRequest, entity: str) -> HttpResponse:
    """What a new name means, and a form for it: to its owners and to administrators."""
    by = caller(request)
    found = places.find_entity(request, entity)
    if not may_own(by, found):
        raise NotFound("There is no such page, or you may not see it.")
    form = RenamingForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            renamed = naming.rename(found, to=form.cleaned_data["to"], by=by)
        except Refusal as refusal:
            form.add_error("to", refusal.message)
        else:
            messages.success(
                request, _("The entity is called %(name)s now.") % {"name": renamed.name}
            )
            return redirect("rename-entity", renamed.name)
    former = found.former_names.order_by("-given_up_at")
    context = {**places.heading(found, by=by), "entity": found, "form": form, "former": former}
    return render(request, "web/rename.html", context)
