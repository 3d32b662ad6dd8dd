"""`…/CONTAINER/-/tags`: which name exists for which arch; and `…/-/tags/TAG`, one name."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from shub.containers import contents, tagging
from shub.containers.permissions import may_delete, may_manage
from shub.web import client_commands, places
from shub.web.refusals import attempt, page
from shub.web.site import caller, page_number

MOST_LENGTH = 128


@require_safe
@page
def show_all(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """All names, in pages; `?contains=` narrows them."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    contains = request.GET.get("contains", "").strip()[:MOST_LENGTH]
    grid = contents.tag_grid(found, page=page_number(request), contains=contains, by=by)
    return render(
        request,
        "web/tags.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "arches": grid.arches,
            "page": grid.page,
            "rows": grid.page.rows,
            "contains": contains,
        },
    )


@require_safe
@page
def show_one(
    request: HttpRequest, entity: str, collection: str, container: str, tag: str
) -> HttpResponse:
    """The images that the name means now, and what it meant before. `?arch=` leads to the image of
    that arch."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    tags = contents.tags_named(found, tag, by=by)
    history = contents.history(found, tag=tag, page=page_number(request), by=by)
    if not tags and not history.rows:
        raise Http404("There is no such tag.")
    if "arch" in request.GET:
        wanted = [each for each in tags if each.arch == request.GET["arch"]]
        if not wanted:
            raise Http404("The tag means no image of this architecture.")
        return redirect("image", entity, collection, container, wanted[0].image.digest)
    return render(
        request,
        "web/tag.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "name": tag,
            "tags": tags,
            "is_frozen": any(each.is_frozen for each in tags),
            "page": history,
            "commands": client_commands.pull_commands(
                f"{found}:{tag}", visibility=found.narrowest_visibility
            ),
            "may_manage": may_manage(by, found),
            "may_delete": may_delete(by, found),
        },
    )


@login_required
@require_POST
@page
def remove(
    request: HttpRequest, entity: str, collection: str, container: str, tag: str
) -> HttpResponse:
    """Have the name mean nothing, for any arch. Its page has its history, and leads to the images
    that it meant."""
    found = places.find_container(request, entity, collection, container)
    attempt(
        request,
        lambda: tagging.remove_tag(found, name=tag, arch=None, by=caller(request)),
        done=_("The tag %(tag)s is removed. Its images are there, and it can be set again.")
        % {"tag": tag},
    )
    return redirect("tag", entity, collection, container, tag)
