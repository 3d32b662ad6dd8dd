"""`/library/…/-/settings`: what a place is said to be, who sees it, and what is to stay as it is.

Each change is a form of its own, with an address of its own.
"""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from shub.accounts.models import Entity
from shub.containers import describing, freezing, usage, visibility
from shub.containers.admission import check_may_look_into
from shub.containers.models import Container, Visibility
from shub.containers.permissions import may_manage, may_own
from shub.web import places
from shub.web.places import Place
from shub.web.refusals import attempt, page
from shub.web.site import caller


class DescriptionForm(forms.Form):
    """What it is for."""

    description = forms.CharField(
        required=False,
        max_length=describing.LONGEST,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="What it is for",
        help_text="shown to all who see it, as plain text",
    )


class VisibilityForm(forms.Form):
    """Who sees it; which words are allowed is the domain's to say."""

    visibility = forms.CharField(required=False, max_length=16)


class DefaultPrivateForm(forms.Form):
    """Whether a push makes private collections."""

    default_private = forms.BooleanField(required=False)


class FrozenForm(forms.Form):
    """Whether it is to stay as it is; the name of the tag, where it is of one."""

    frozen = forms.ChoiceField(choices=[("yes", "Freeze"), ("no", "Unfreeze")])
    tag = forms.CharField(required=False, max_length=128)


@login_required
@require_safe
@page
def show(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """The settings, to those who may change them, and to auditors, who may not."""
    found = places.find(request, entity, collection, container)
    by = caller(request)
    check_may_look_into(by, found)
    used, quota = (0, 0)
    if isinstance(found, Entity):
        used, quota = usage.stored_bytes(found), usage.quota_bytes(found)
    return render(
        request,
        "web/settings.html",
        {
            **places.heading(found, by=by),
            "may_change": may_manage(by, found),
            "may_rename": may_own(by, found),
            "form": DescriptionForm(initial={"description": found.description}),
            "visibilities": _visibilities(found),
            "kind": type(found).__name__.lower(),
            "used": used,
            "quota": quota,
        },
    )


def _visibilities(place: Place) -> list[tuple[str, str]]:
    if isinstance(place, Entity):
        return []
    if not isinstance(place, Container):
        return list(Visibility.choices)
    as_collection = ("", f"as {place.collection}: {place.collection.visibility}")
    labels = dict(Visibility.choices)
    return [as_collection, *((each, labels[each]) for each in visibility.allowed(place) if each)]


def _change(
    request: HttpRequest,
    place: Place,
    form: forms.Form,
    act: Callable[[], object],
    *,
    done: str,
    back: str = "/-/settings",
) -> HttpResponse:
    """Do what the form asks for and go back to where it is."""
    if form.is_valid():
        attempt(request, act, done=done)
    else:
        messages.error(request, _words(form))
    return redirect(places.address(place) + back)


def _words(form: forms.Form) -> str:
    return " ".join(
        f"{name.capitalize()}: {error}" for name, errors in form.errors.items() for error in errors
    )


@login_required
@require_POST
@page
def describe(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """Say what it is for."""
    found = places.find(request, entity, collection, container)
    form = DescriptionForm(request.POST)
    return _change(
        request,
        found,
        form,
        lambda: describing.describe(
            found, text=form.cleaned_data["description"], by=caller(request)
        ),
        done="The description is changed.",
    )


@login_required
@require_POST
@page
def change_visibility(
    request: HttpRequest, entity: str, collection: str, container: str = ""
) -> HttpResponse:
    """Say who sees a collection, or a container in it."""
    found = (
        places.find_container(request, entity, collection, container)
        if container
        else places.find_collection(request, entity, collection)
    )
    form = VisibilityForm(request.POST)
    return _change(
        request,
        found,
        form,
        lambda: visibility.change(found, to=form.cleaned_data["visibility"], by=caller(request)),
        done="Who may see it is changed.",
    )


@login_required
@require_POST
@page
def set_default_private(request: HttpRequest, entity: str) -> HttpResponse:
    """Say whether a push makes private collections."""
    found = places.find_entity(request, entity)
    form = DefaultPrivateForm(request.POST)
    return _change(
        request,
        found,
        form,
        lambda: describing.set_default_private(
            found, private=form.cleaned_data["default_private"], by=caller(request)
        ),
        done="What a push makes here is changed.",
    )


@login_required
@require_POST
@page
def freeze(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """Have the container stay as it is, or change again."""
    found = places.find_container(request, entity, collection, container)
    form = FrozenForm(request.POST)
    frozen = form.is_valid() and form.cleaned_data["frozen"] == "yes"
    return _change(
        request,
        found,
        form,
        lambda: freezing.set_container_frozen(found, frozen=frozen, by=caller(request)),
        done="The container is frozen." if frozen else "The container is no longer frozen.",
    )


@login_required
@require_POST
@page
def freeze_tag(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """Have the tag go on meaning what it means, or move again."""
    found = places.find_container(request, entity, collection, container)
    form = FrozenForm(request.POST)
    frozen = form.is_valid() and form.cleaned_data["frozen"] == "yes"
    tag = form.cleaned_data.get("tag", "")
    return _change(
        request,
        found,
        form,
        lambda: freezing.set_tag_frozen(found, name=tag, frozen=frozen, by=caller(request)),
        done=f"The tag {tag} is frozen." if frozen else f"The tag {tag} is no longer frozen.",
        back="",
    )
