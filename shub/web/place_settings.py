"""`/library/…/-/settings`: what a place is said to be, who sees it, and what is to stay as it is.

Each change is a form of its own, with an address of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from shub.accounts.models import Entity
from shub.containers import describing, freezing, usage, visibility
from shub.containers.admission import check_may_look_into
from shub.containers.models import Collection, Container, Visibility
from shub.containers.permissions import Place, may_manage, may_remove, may_rename
from shub.web import places
from shub.web.refusals import attempt, page
from shub.web.site import caller

PUBLIC, INTERNAL, PRIVATE = Visibility.PUBLIC, Visibility.INTERNAL, Visibility.PRIVATE

LABELS = {
    PUBLIC: gettext_lazy("Public"),
    INTERNAL: gettext_lazy("Internal"),
    PRIVATE: gettext_lazy("Private"),
}

MEANS = {
    PUBLIC: gettext_lazy("Everybody who reaches this site finds and pulls it, without signing in."),
    INTERNAL: gettext_lazy("Everybody who has an account here finds and pulls it."),
    PRIVATE: gettext_lazy("Only those who have a role here know of it, and pull it."),
}

CHANGES = {
    (PUBLIC, INTERNAL): gettext_lazy("Who is not signed in loses it at once."),
    (PUBLIC, PRIVATE): gettext_lazy("Everybody without a role here loses it at once."),
    (INTERNAL, PRIVATE): gettext_lazy("Everybody without a role here loses it at once."),
    (PRIVATE, INTERNAL): gettext_lazy("Everybody who has an account here gains it at once."),
    (PRIVATE, PUBLIC): gettext_lazy("The whole world that reaches this site gains it at once."),
    (INTERNAL, PUBLIC): gettext_lazy("Who is not signed in gains it at once."),
}


class DescriptionForm(forms.Form):
    """What it is for."""

    description = forms.CharField(
        required=False,
        max_length=describing.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3}),
        label=gettext_lazy("What it is for"),
        help_text=gettext_lazy("Some words, shown below the name and in lists, as plain text."),
    )


class VisibilityForm(forms.Form):
    """Who sees it; which words are allowed is the domain's to say."""

    visibility = forms.CharField(required=False, max_length=16)


class DefaultPrivateForm(forms.Form):
    """Whether a push makes private collections."""

    default_private = forms.BooleanField(required=False)


class FrozenForm(forms.Form):
    """Whether it is to stay as it is."""

    frozen = forms.ChoiceField(
        choices=[("yes", gettext_lazy("Freeze")), ("no", gettext_lazy("Unfreeze"))]
    )


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
    return render(
        request,
        "web/settings.html",
        {
            **places.heading(found, by=by),
            "may_change": may_manage(by, found),
            "may_rename": may_rename(by, found),
            "form": DescriptionForm(initial={"description": found.description}),
            "readme": describing.readme_of(found),
            "choices": [] if isinstance(found, Entity) else _choices(found),
            "kind": places.kind_of(found),
            "room": _room(found) if isinstance(found, Entity) else None,
            "may_remove": not isinstance(found, Entity) and may_remove(by, found),
        },
    )


@dataclass(frozen=True)
class Room:
    """How many bytes are used, and how many there may be."""

    used: int
    quota: int
    """0 where there is no bound."""

    @property
    def percent(self) -> int:
        """Of the quota; more than 100 where a quota was made smaller since."""
        return round(100 * self.used / self.quota) if self.quota else 0

    @property
    def warn_at(self) -> int:
        """From here on the meter warns."""
        return self.quota * 9 // 10

    @property
    def left(self) -> int:
        """Bytes that there is room for."""
        return max(self.quota - self.used, 0)


def _room(entity: Entity) -> Room:
    return Room(usage.stored_bytes(entity), usage.quota_bytes(entity))


@dataclass(frozen=True)
class Choice:
    """A visibility that a place can have, and what choosing it would do."""

    value: str
    label: str
    sign: str
    """Who would see it then: the name of the sign, which is that of the visibility."""
    means: str
    change: str
    """Who gains or loses access at once; empty where nobody does."""


def _choices(place: Collection | Container) -> list[Choice]:
    if isinstance(place, Collection):
        return [_choice(each, now=place.visibility) for each in visibility.allowed(place)]
    now = place.narrowest_visibility
    return [
        _choice(each, now=now) if each else _as_collection(place.collection.visibility, now=now)
        for each in visibility.allowed(place)
    ]


def _choice(then: str, *, now: str) -> Choice:
    which = Visibility(then)
    return Choice(then, str(LABELS[which]), then, str(MEANS[which]), _change_from(now, then))


def _as_collection(then: str, *, now: str) -> Choice:
    label = _("As its collection, which is %(visibility)s") % {"visibility": then}
    means = _("Where the collection is made narrower or wider, it follows.")
    return Choice("", label, then, means, _change_from(now, then))


def _change_from(now: str, then: str) -> str:
    """What becomes of those who may see it now, or may not."""
    return str(CHANGES.get((Visibility(now), Visibility(then)), ""))


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
        done=_("The description is changed."),
    )


@login_required
@require_POST
@page
def change_visibility(
    request: HttpRequest, entity: str, collection: str, container: str = ""
) -> HttpResponse:
    """Say who sees a collection, or a container in it."""
    found = places.find_within(request, entity, collection, container)
    form = VisibilityForm(request.POST)
    return _change(
        request,
        found,
        form,
        lambda: visibility.change(found, to=form.cleaned_data["visibility"], by=caller(request)),
        done=_("Who may see it is changed."),
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
        done=_("What a push makes here is changed."),
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
        done=_("The container is frozen.") if frozen else _("The container is no longer frozen."),
    )


@login_required
@require_POST
@page
def freeze_tag(
    request: HttpRequest, entity: str, collection: str, container: str, tag: str
) -> HttpResponse:
    """Have the tag go on meaning what it means, or move again."""
    found = places.find_container(request, entity, collection, container)
    form = FrozenForm(request.POST)
    frozen = form.is_valid() and form.cleaned_data["frozen"] == "yes"
    said = _("The tag %(tag)s is frozen.")
    said_not = _("The tag %(tag)s is no longer frozen.")
    return _change(
        request,
        found,
        form,
        lambda: freezing.set_tag_frozen(found, name=tag, frozen=frozen, by=caller(request)),
        done=(said if frozen else said_not) % {"tag": tag},
        # The name's own page, where there is one: else all names.
        back=f"/-/tags/{tag}" if found.tags.filter(name=tag).exists() else "/-/tags",
    )
