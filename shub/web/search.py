"""`/search`: the containers that match, why, and what narrows them further."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from shub.client_address import client_address, neighbourhood
from shub.containers import finding
from shub.containers.finding import Facets, Filters
from shub.containers.search import MOST_CHARACTERS
from shub.limits import spend
from shub.web import fragments
from shub.web.refusals import page
from shub.web.site import caller, page_number
from shub.web.templatetags.pages import in_units

YEAR = 365

ORDERS = [
    (finding.BEST, gettext_lazy("best match")),
    (finding.NEWEST, gettext_lazy("pushed last")),
    (finding.DOWNLOADS, gettext_lazy("pulled most")),
    (finding.NAME, gettext_lazy("name")),
]


class SearchForm(forms.Form):
    """The text, and what narrows it; what makes no sense counts as not said."""

    q = forms.CharField(required=False, max_length=MOST_CHARACTERS)
    arch = forms.CharField(required=False, max_length=16)
    signed = forms.ChoiceField(required=False, choices=[("yes", "yes"), ("no", "no")])
    entity = forms.CharField(required=False, max_length=128)
    size = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(low), str(low)) for low in finding.SIZE_CLASSES],
    )
    days = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(each), str(each)) for each in finding.DAYS],
    )
    order = forms.ChoiceField(required=False, choices=ORDERS)

    @property
    def asked(self) -> dict[str, Any]:
        """Each field that was understood."""
        self.is_valid()
        return {"q": "", **self.cleaned_data}

    @property
    def filters(self) -> Filters:
        """The same, in the domain's words."""
        asked = self.asked
        low, days = asked.get("size"), asked.get("days")
        return Filters(
            arch=asked.get("arch", ""),
            signed={"yes": True, "no": False}.get(asked.get("signed", "")),
            entity=asked.get("entity", ""),
            min_size=low,
            max_size=_upper_bound(low),
            pushed_since=timezone.now() - timedelta(days=days) if days else None,
        )


@dataclass(frozen=True)
class Choice:
    """One value of a facet, and how many it leaves."""

    value: str
    label: str
    count: int | None
    is_chosen: bool


@dataclass(frozen=True)
class Facet:
    """What the matches are narrowed by."""

    name: str
    label: str
    choices: list[Choice]


@require_safe
@vary_on_headers("HX-Request")
@page
def show(request: HttpRequest) -> HttpResponse:
    """What matches the text, with facets. To a script's question the part that differs."""
    _count(request)
    form = SearchForm(request.GET)
    asked = form.asked
    found = finding.find_containers(
        asked["q"],
        filters=form.filters,
        order=asked.get("order", ""),
        page=page_number(request),
        by=caller(request),
    )
    context = {
        "text": asked["q"],
        "order": asked.get("order") or finding.BEST,
        "orders": ORDERS,
        "page": found.page,
        "counted_all": found.counted_all,
        "total": found.page.total,
        "facets": _facets(found.facets, asked),
        "is_narrowed": any(asked.get(name) for name in ("arch", "signed", "entity", "days"))
        or asked.get("size") is not None,
    }
    template = "web/parts/found.html" if fragments.is_wanted(request) else "web/search.html"
    return render(request, template, context)


def _count(request: HttpRequest) -> None:
    """Count it, as the API counts searches; TooMany after enough. Each word costs a look."""
    by = caller(request)
    if by.user is not None:
        spend("LIMIT_USER_SEARCHES", who=str(by.user.pk), what="searches by you")
    else:
        spend(
            "LIMIT_PAGE_SEARCHES",
            who=neighbourhood(client_address(request)),
            what="searches from your address by who is not signed in",
        )


def _facets(counts: Facets, asked: dict[str, Any]) -> list[Facet]:
    said = {
        "yes": counts.signed.get(True, 0),
        "no": counts.signed.get(False, 0),
    }
    words = {"yes": _("signed"), "no": _("not signed")}
    return [
        _facet(
            "arch", _("Architecture"), {each: each for each in counts.arches}, counts.arches, asked
        ),
        _facet("signed", _("Signature"), words, said, asked),
        _facet(
            "entity", _("Entity"), {each: each for each in counts.entities}, counts.entities, asked
        ),
        _facet(
            "size",
            _("Size"),
            {str(low): _size_words(low) for low in counts.sizes},
            {str(low): count for low, count in counts.sizes.items()},
            asked,
        ),
        _facet(
            "days",
            _("Pushed"),
            {str(days): _days_words(days) for days in counts.days},
            {str(days): count for days, count in counts.days.items()},
            asked,
        ),
    ]


def _facet(name: str, label: str, words: Any, counts: Any, asked: dict[str, Any]) -> Facet:
    """What is chosen is offered too, where nothing matches it: so it can be taken back."""
    given = asked.get(name)
    chosen = "" if given is None else str(given)
    values = [value for value in words if value]
    if chosen and chosen not in values:
        values.append(chosen)
    any_of_them = Choice("", _("any"), None, is_chosen=not chosen)
    return Facet(
        name,
        label,
        [
            any_of_them,
            *(
                Choice(value, words.get(value, value), counts.get(value, 0), value == chosen)
                for value in values
            ),
        ],
    )


def _upper_bound(low: int | None) -> int | None:
    larger = [each for each in finding.SIZE_CLASSES if low is not None and each > low]
    return min(larger, default=None)


def _size_words(low: int) -> str:
    high = _upper_bound(low)
    if high is None:
        return _("%(size)s and more") % {"size": in_units(low)}
    if not low:
        return _("under %(size)s") % {"size": in_units(high)}
    return _("%(low)s to %(high)s") % {"low": in_units(low), "high": in_units(high)}


def _days_words(days: int) -> str:
    if days == YEAR:
        return _("the last year")
    return ngettext("the last day", "the last %(days)s days", days) % {"days": days}
