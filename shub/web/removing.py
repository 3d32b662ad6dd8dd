"""`/library/…/-/remove` and `…/-/removed`: what would go, what went, and how it comes back.

A removal that can be undone asks for nothing but a yes; one that cannot asks for the name.
"""

from typing import Any, TypeAlias

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from shub.accounts.callers import Caller
from shub.containers import images, removal, restoring
from shub.containers.admission import check_may_look_into
from shub.containers.models import Collection, Container, Image
from shub.containers.permissions import Place
from shub.errors import Conflict, NotFound
from shub.uploads import bringing_back
from shub.web import places
from shub.web.refusals import attempt, made_by, page
from shub.web.site import caller
from shub.web.templatetags.pages import SHORT, UNDO

Removable: TypeAlias = Image | Container | Collection


class NameForm(forms.Form):
    """The name of what goes, so that nobody does it by mistake. None: it can be undone."""

    name = forms.CharField(max_length=500, label=gettext_lazy("Its name"))

    def __init__(self, *args: Any, expected: str | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = expected
        if expected is None:
            del self.fields["name"]
        else:
            words = _("Write %(name)s: this cannot be undone.")
            self.fields["name"].help_text = words % {"name": expected}

    def clean_name(self) -> str:
        """The expected one, and no other."""
        name: str = self.cleaned_data["name"].strip()
        if name != self.expected:
            raise forms.ValidationError(_("Write %(name)s to remove it.") % {"name": self.expected})
        return name


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def remove(
    request: HttpRequest, entity: str, collection: str, container: str = "", digest: str = ""
) -> HttpResponse:
    """What would go with the collection, the container or the image; and on POST, it goes."""
    place = places.find_within(request, entity, collection, container)
    by = caller(request)
    thing: Removable = place
    if digest and isinstance(place, Container):
        thing = images.find_image(places.image_in(place, digest), by=by)
    foreseen, in_the_way, form = None, "", None
    try:
        foreseen = removal.foresee(thing, by=by)
    except Conflict as refusal:
        in_the_way = refusal.message
    else:
        expected = None if foreseen.until else _name_of(thing)
        form = NameForm(request.POST if request.method == "POST" else None, expected=expected)
        if request.method == "POST" and made_by(form, lambda: _remove(thing, by=by)):
            return _say_removed(request, thing, undo=foreseen.until is not None)
    return render(
        request,
        "web/remove.html",
        {
            **places.heading(place, by=by),
            "foreseen": foreseen,
            "in_the_way": in_the_way,
            "form": form,
            "kind": type(thing).__name__.lower(),
            "name": _name_of(thing),
            "back": _page_before(request, place, digest),
        },
    )


def _page_before(request: HttpRequest, place: Place, digest: str) -> str:
    """Where the button was that led here: the image's own page, or the place's settings."""
    if digest:
        return request.path.removesuffix("/remove")
    return f"{places.address(place)}/-/settings"


def _remove(thing: Removable, *, by: Caller) -> bool:
    if isinstance(thing, Image):
        removal.remove_image(places.image_in(thing.container, thing.digest), arch="", by=by)
    elif isinstance(thing, Collection):
        removal.remove_collection(thing, by=by)
    else:
        removal.remove_container(thing, by=by)
    return True


def _say_removed(request: HttpRequest, thing: Removable, *, undo: bool) -> HttpResponse:
    """Back to where it was, with a way to undo it where there is one."""
    parent = _parent(thing)
    address = f"{_page(parent)}/{thing.public_id}/restore" if undo else ""
    said = _("%(name)s is removed.") % {"name": _name_of(thing)}
    messages.success(request, said, extra_tags=f"{UNDO}{address}" if undo else "")
    return redirect(places.address(parent))


def _parent(thing: Removable) -> Place:
    if isinstance(thing, Image):
        return thing.container
    return thing.entity if isinstance(thing, Collection) else thing.collection


def _name_of(thing: Removable) -> str:
    """Of an image the first digits of its hash: nobody reads, or types, all of them."""
    return thing.digest[:SHORT] if isinstance(thing, Image) else str(thing)


@login_required
@require_safe
@page
def list_removed(
    request: HttpRequest, entity: str, collection: str = "", container: str = ""
) -> HttpResponse:
    """What was removed there and can be brought back, to those who may."""
    place = places.find(request, entity, collection, container)
    by = caller(request)
    removed = bringing_back.removed_in(place, by=by)
    if not removed:
        # Who may bring back something there, in a collection of theirs, need not manage the rest.
        check_may_look_into(by, place)
    return render(
        request,
        "web/removed.html",
        {
            **places.heading(place, by=by),
            "removed": removed,
            "most": restoring.MOST_LISTED,
            "removed_page": _page(place),
        },
    )


@login_required
@require_POST
@page
def restore(
    request: HttpRequest,
    public_id: str,
    entity: str,
    collection: str = "",
    container: str = "",
) -> HttpResponse:
    """Bring it back, and go to where it is."""
    place = places.find(request, entity, collection, container)
    by = caller(request)
    done: list[restoring.RestoredImage | Place | bringing_back.BroughtBack] = []

    def bring_back() -> None:
        kind = bringing_back.kind_of(public_id, by=by)
        done.append(bringing_back.restore(kind, public_id, by=by))

    if not attempt(request, bring_back):
        check_may_look_into(by, place)
        return redirect(_page(place))
    (back,) = done
    if isinstance(back, bringing_back.BroughtBack):
        return _say_verified_again(request, back)
    messages.success(request, _("It is there again."))
    if not isinstance(back, restoring.RestoredImage):
        return redirect(places.address(back))
    if back.tags_taken:
        taken = ", ".join(sorted({name for name, _arch in back.tags_taken}))
        said = _("Tags that mean another image by now, or are frozen, did not come back: %(tags)s")
        messages.warning(request, said % {"tags": taken})
    return redirect(places.address(back.image.container))


def _say_verified_again(request: HttpRequest, back: bringing_back.BroughtBack) -> HttpResponse:
    """To the container, which shows what becomes of it."""
    messages.success(request, _("It is being verified again."))
    if back.tags_taken:
        said = _("Tags that mean another image by now, or are frozen, did not come back: %(tags)s")
        messages.warning(request, said % {"tags": ", ".join(sorted(back.tags_taken))})
    return redirect(places.address(back.upload.container))


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def remove_for_good(
    request: HttpRequest,
    public_id: str,
    entity: str,
    collection: str = "",
    container: str = "",
) -> HttpResponse:
    """What is then gone; and on POST, with its name, it goes."""
    place = places.find(request, entity, collection, container)
    by = caller(request)
    removed = bringing_back.removed_in(place, by=by)
    thing = next((each for each in removed if each.public_id == public_id), None)
    if thing is None:
        check_may_look_into(by, place)
        raise NotFound("There is no such page, or you may not see it.")
    form = NameForm(
        request.POST if request.method == "POST" else None, expected=_name_to_write(thing)
    )

    def end() -> bool:
        bringing_back.remove_for_good(thing.kind, public_id, by=by)
        return True

    if request.method == "POST" and made_by(form, end):
        messages.success(request, _("%(name)s is removed for good.") % {"name": thing.name})
        return redirect(_page(place))
    context = {**places.heading(place, by=by), "thing": thing, "form": form}
    return render(request, "web/remove_for_good.html", context)


def _name_to_write(thing: restoring.Removed) -> str:
    """Of an image the first digits of its hash: nobody types all of them."""
    if thing.kind not in {restoring.IMAGE, bringing_back.UPLOAD}:
        return thing.name
    return thing.name.rpartition("sha256.")[2][:SHORT]


def _page(place: Place) -> str:
    return reverse(f"{places.kind_of(place)}-removed", args=places.names_of(place))
