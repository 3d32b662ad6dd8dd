"""`/admin-area/quotas`: who stores how much, and may."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import ledger, usage
from shub.rows import Cut
from shub.web.admin_area.frame import for_administrators, frame
from shub.web.refusals import made_by
from shub.web.site import caller, page_number

PAGE = 50


class QuotaForm(forms.Form):
    """How much an entity may store."""

    entity = forms.CharField(max_length=150, label=gettext_lazy("Entity"))
    quota = forms.CharField(
        max_length=40,
        label=gettext_lazy("Quota"),
        help_text=gettext_lazy(
            "such as 20 GB or 1 TiB; none for no bound, default for the site's own"
        ),
    )


@for_administrators
@require_http_methods(["GET", "HEAD", "POST"])
def quotas(request: HttpRequest) -> HttpResponse:
    """The entities, those that store the most first; a POST sets a quota."""
    by = caller(request)
    form = QuotaForm(request.POST or None, initial={"entity": request.GET.get("entity", "")[:150]})
    entity = made_by(form, lambda: _set(form, by)) if request.method == "POST" else None
    if entity is not None:
        messages.success(request, _("The quota of %(name)s is changed.") % {"name": entity})
        return redirect(request.get_full_path())
    cut = Cut.at(page_number(request), PAGE)
    page = cut.page(usage.by_entity(by=by, start=cut.skipped, count=cut.size + 1))
    return render(
        request,
        "web/admin_area/quotas.html",
        {
            **frame(request),
            "form": form,
            "page": page,
            "rows": page.rows,
            "default_quota": settings.DEFAULT_QUOTA_BYTES,
            "site": ledger.site(),
            "site_quota": settings.SITE_QUOTA_BYTES,
        },
    )


def _set(form: QuotaForm, by: Caller) -> Entity:
    written = usage.quota_written(form.cleaned_data["quota"])
    return usage.set_quota(name=form.cleaned_data["entity"], quota=written, by=by)
