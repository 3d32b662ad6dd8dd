"""`/library/ENTITY/COLLECTION/CONTAINER`: the address that clients print after a push."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from shub.containers import contents, describing
from shub.containers.contents import GridRow, Listed
from shub.containers.permissions import may_manage, may_push
from shub.containers.refs import DEFAULT_TAG
from shub.uploads import arrivals
from shub.web import client_commands, markdown, places
from shub.web.refusals import page
from shub.web.site import caller

# So many names stand on this page; the others have pages of their own.
MOST_NAMES = 10


@require_safe
@page
def show(request: HttpRequest, entity: str, collection: str, container: str) -> HttpResponse:
    """What it is, how to pull it, and what its tags mean; to those who may push, also what is on
    its way or was refused, and why."""
    found = places.find_container(request, entity, collection, container)
    by = caller(request)
    grid = contents.tag_grid(found, by=by)
    first = grid.page.rows[0] if grid.page.rows else None
    # Clients of before 2023 set no tag: what they pushed is seen here, too, and pulled by its hash.
    newest = None if first else next(iter(contents.images_of(found, by=by)), None)
    pushes = may_push(by, found)
    return render(
        request,
        "web/container.html",
        {
            **places.heading(found, by=by),
            "container": found,
            "readme": markdown.render(describing.readme_of(found)),
            "arches": grid.arches,
            "rows": grid.page.rows[:MOST_NAMES],
            "total": grid.page.total,
            "has_more": len(grid.page.rows) > MOST_NAMES,
            "first": first,
            "newest": newest.image if newest else None,
            "same": _same(first, grid.page.rows),
            "commands": client_commands.pull_commands(
                f"{found}:{_most_wanted(first, newest)}",
                visibility=found.narrowest_visibility,
            ),
            "uploads": arrivals.under_way_or_refused(found) if pushes else [],
            "push_command": f"apptainer push image.sif library://{found}:1.0",
            "may_push": pushes,
            "may_manage": may_manage(by, found),
        },
    )


def _most_wanted(first: GridRow | None, newest: Listed | None) -> str:
    """What most who come want to pull: the first name, else the image that was pushed last."""
    if first is not None:
        return first.name
    return newest.image.hash if newest else DEFAULT_TAG


def _same(first: GridRow | None, rows: Sequence[GridRow]) -> list[str]:
    """What else the first name's images are called: `latest` says little by itself."""
    if first is None:
        return []
    return [row.name for row in rows if row is not first and row.images == first.images]
