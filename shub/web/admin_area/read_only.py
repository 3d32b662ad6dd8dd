"""`/admin-area/read-only`: the switch that has the whole site stand still."""

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from shub.containers import freezing
from shub.web.admin_area.frame import for_administrators, frame
from shub.web.refusals import attempt
from shub.web.site import caller


class ReadOnlyForm(forms.Form):
    """What clients are told while nothing changes."""

    message = forms.CharField(
        max_length=500,
        label=gettext_lazy("Why, and until when"),
        help_text=gettext_lazy(
            "Whoever pushes reads it in their terminal: until 18:00, the disk is changed"
        ),
    )


@for_administrators
@require_http_methods(["GET", "HEAD", "POST"])
def switch(request: HttpRequest) -> HttpResponse:
    """What is so; a POST with a message makes the site read-only, one with `end` ends it."""
    by = caller(request)
    ends = "end" in request.POST
    form = ReadOnlyForm(request.POST if request.method == "POST" and not ends else None)
    if request.method == "POST" and (ends or form.is_valid()):
        message = "" if ends else form.cleaned_data["message"]
        done = _("The site takes pushes again.") if ends else _("The site is read-only now.")
        attempt(request, lambda: freezing.set_read_only(message, by=by), done=done)
        return redirect("admin-read-only")
    return render(
        request,
        "web/admin_area/read_only.html",
        {**frame(request), "form": form, "mode": freezing.read_only_mode()},
    )
