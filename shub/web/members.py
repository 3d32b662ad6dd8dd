"""`/library/ENTITY[/COLLECTION]/-/members`: who has which role there."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from shub.accounts.models import Entity
from shub.containers import granting
from shub.containers.models import Collection, Role
from shub.web import places
from shub.web.refusals import attempt, made_by, page
from shub.web.site import caller


class GrantForm(forms.Form):
    """Who is to have which role."""

    holder = forms.CharField(
        max_length=150,
        label=gettext_lazy("User or team"),
        help_text=gettext_lazy("a sign-in name, or @team"),
    )
    role = forms.TypedChoiceField(choices=Role.choices, coerce=int, initial=Role.READER)


class RoleForm(forms.Form):
    """Another role for somebody who has one."""

    role = forms.TypedChoiceField(choices=Role.choices, coerce=int)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def members(request: HttpRequest, entity: str, collection: str = "") -> HttpResponse:
    """Who has a role; on POST, one more."""
    place = places.find_with_members(request, entity, collection)
    form = GrantForm(request.POST or None)
    by = caller(request)
    if request.method == "POST":
        made = made_by(
            form,
            lambda: granting.grant_by_name(
                place=place,
                name=form.cleaned_data["holder"],
                role=form.cleaned_data["role"],
                by=by,
            ),
        )
        if made is not None:
            messages.success(
                request, _("%(name)s has the role now.") % {"name": form.cleaned_data["holder"]}
            )
            return redirect(_page(place))
    return render(
        request,
        "web/members.html",
        {
            **places.heading(place, by=by),
            "members": granting.members(place, by=by),
            "roles": granting.roles_to_give(place, by=by),
            "form": form,
            "is_sites": isinstance(place, Entity) and place.is_sites,
        },
    )


@login_required
@require_POST
@page
def change(request: HttpRequest, entity: str, grant: int, collection: str = "") -> HttpResponse:
    """Another role, instead of the one that was granted."""
    place = places.find_with_members(request, entity, collection)
    form = RoleForm(request.POST)
    role = form.cleaned_data["role"] if form.is_valid() else 0
    attempt(
        request,
        lambda: granting.change(place=place, grant_id=grant, role=role, by=caller(request)),
        done=_("The role is changed."),
    )
    return redirect(_page(place))


@login_required
@require_POST
@page
def take_away(request: HttpRequest, entity: str, grant: int, collection: str = "") -> HttpResponse:
    """End a role that was granted there; one's own too."""
    place = places.find_with_members(request, entity, collection)
    attempt(
        request,
        lambda: granting.revoke(place=place, grant_id=grant, by=caller(request)),
        done=_("The role is taken away."),
    )
    if granting.may_see_members(place, by=caller(request)):
        return redirect(_page(place))
    return redirect("home")


def _page(place: Entity | Collection) -> str:
    return places.address(place) + "/-/members"
