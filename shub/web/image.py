"""`/library/ENTITY/COLLECTION/CONTAINER/-/images/sha256.HEX`: one image, and its bytes."""

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from shub.containers import contents, images, pulling, tagging
from shub.containers.models import Image
from shub.containers.permissions import may_delete, may_push
from shub.errors import NotFound
from shub.names import TAG_LENGTH
from shub.uploads import arrivals
from shub.web import client_commands, places
from shub.web.refusals import attempt, page
from shub.web.site import caller
from shub.web.templatetags.pages import SHORT


class TagForm(forms.Form):
    """A tag that is to mean the image; which names are legal is the domain's to say."""

    name = forms.CharField(max_length=TAG_LENGTH, label=gettext_lazy("Tag"))


@require_safe
@page
def show(
    request: HttpRequest, entity: str, collection: str, container: str, digest: str
) -> HttpResponse:
    """What is known of the image; to those who may push, also of one that is not proven yet, or
    that was refused, and why."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    pushes = may_push(by, found)
    context = {**places.heading(found, by=by), "container": found, "digest": digest}
    try:
        image = images.find_image(places.image_in(found, digest), by=by)
    except NotFound:
        refused = arrivals.last_refused(found, digest=digest) if pushes else None
        if refused is None:
            raise
        return render(request, "web/image_refused.html", {**context, "upload": refused})
    return render(
        request,
        "web/image.html",
        {
            **context,
            "image": image,
            "tags": contents.tags_of_image(image, by=by),
            "arrival": None if image.is_proven else arrivals.latest(image),
            "commands": client_commands.pull_commands(
                f"{found}:{image.hash}", visibility=found.narrowest_visibility
            ),
            "checksum_line": f"echo '{digest}  {filename(image)}' | sha256sum --check",
            "may_push": pushes,
            "may_delete": may_delete(by, found),
            "form": TagForm(),
        },
    )


@require_safe
@page
def download(
    request: HttpRequest, entity: str, collection: str, container: str, digest: str
) -> HttpResponse:
    """The way to the bytes, which the store gives; counted as a pull."""
    found = places.find_container(request, entity, collection, container)
    pull = pulling.find(places.image_in(found, digest), arch="", by=caller(request))
    address = pull.address(asked_host=request.get_host(), filename=filename(pull.image))
    if request.method != "HEAD":  # that asks only where they are
        pull.record()
    return HttpResponse(status=303, headers={"Location": address, "Cache-Control": "no-store"})


@login_required
@require_POST
@page
def tag(
    request: HttpRequest, entity: str, collection: str, container: str, digest: str
) -> HttpResponse:
    """Have a tag mean the image, in the image's own arch."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    image = images.find_image(places.image_in(found, digest), by=by)
    form = TagForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["name"]
        attempt(
            request,
            lambda: tagging.set_tag(
                container_id=found.public_id,
                name=name,
                arch="",
                image_id=image.public_id,
                by=by,
            ),
            done=_("The tag %(tag)s means this image now.") % {"tag": name},
        )
    else:
        messages.error(request, _("Write the tag that is to mean this image."))
    return redirect("image", *places.names_of(found), image.digest)


def filename(image: Image) -> str:
    """What the image is saved as: its container, and the beginning of its hash."""
    return f"{image.container.name}_{image.digest[:SHORT]}.sif"
