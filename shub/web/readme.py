"""`/library/…/-/readme`: what a place says of itself at length, written with a look at it before.

A preview stores nothing. With a script it stands below the text; without one it is the same page.
"""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST
from django.views.decorators.vary import vary_on_headers

from shub.containers import describing
from shub.containers.admission import check_may_manage
from shub.containers.permissions import Place
from shub.web import markdown, places
from shub.web.refusals import made_by, page
from shub.web.site import caller


class ReadmeForm(forms.Form):
    """The text. How long it may be is the domain's to say: browsers send two signs for a line's
    end, of which one is kept."""

    text = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("README, in Markdown"),
        help_text=gettext_lazy(
            "Headings, lists, tables, code and links. An image elsewhere becomes a link to it."
        ),
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "true"}),
    )


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def edit(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """The text, to those who may change it; on POST it is kept."""
    found = _managed(request, entity, collection, container)
    if request.method != "POST":
        form = ReadmeForm(initial={"text": describing.readme_of(found)})
        return _render(request, found, form)
    form = ReadmeForm(request.POST)
    if made_by(form, lambda: _write(request, found, form)):
        messages.success(request, _("The README is changed."))
        return redirect(places.address(found))
    return _render(request, found, form)


def _write(request: HttpRequest, place: Place, form: ReadmeForm) -> bool:
    describing.write_readme(place, text=form.cleaned_data["text"], by=caller(request))
    return True


@login_required
@require_POST
@vary_on_headers("HX-Request")
@page
def preview(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """How the text would look: typeset only for those who may change it, since it takes a while."""
    found = _managed(request, entity, collection, container)
    form = ReadmeForm(request.POST)
    text = form.cleaned_data["text"] if form.is_valid() else ""
    # What could not be kept is not typeset either.
    too_long = len(text.replace("\r\n", "\n")) > describing.LONGEST_README
    if too_long:
        words = _("A README has %(most)s characters at most.")
        form.add_error("text", words % {"most": f"{describing.LONGEST_README:,}"})
    shown = "" if form.errors else markdown.render(text)
    if request.headers.get("HX-Request"):
        return render(request, "web/parts/readme_preview.html", {"shown": shown, "form": form})
    return _render(request, found, form, shown=shown, is_preview=True)


def _managed(request: HttpRequest, entity: str, collection: str, container: str) -> Place:
    found = places.find(request, entity, collection, container)
    check_may_manage(caller(request), found)
    return found


def _render(
    request: HttpRequest,
    place: Place,
    form: ReadmeForm,
    *,
    shown: str = "",
    is_preview: bool = False,
) -> HttpResponse:
    return render(
        request,
        "web/readme.html",
        {
            **places.heading(place, by=caller(request)),
            "form": form,
            "shown": shown,
            "is_preview": is_preview,
        },
    )
