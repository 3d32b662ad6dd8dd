"""`v1/search`: what matches a text, of what the caller may see."""

from rest_framework.request import Request
from rest_framework.response import Response

from shub.api.library import objects
from shub.api.library.door import LibraryView, answer
from shub.containers.search import search
from shub.sif.layout import arch_named

# More archs than there are need not be looked for.
MOST_ARCHES = 50


class SearchView(LibraryView):
    """`v1/search`"""

    def get(self, request: Request) -> Response:
        """Four lists, empty where nothing matches: clients read a 404 as a fault."""
        query = request.query_params
        found = search(
            query.get("value", ""),
            arches=[
                arch_named(name) for name in query.get("arch", "").split(",")[:MOST_ARCHES] if name
            ],
            signed_only=query.get("signed", "").lower() in {"true", "1"},
            by=request.user,
        )
        return answer(
            {
                "entity": [objects.entity(row) for row in found.entities],
                "collection": [objects.collection(row) for row in found.collections],
                "container": [
                    objects.container(row, tags=found.container_tags.get(row.pk, {}))
                    for row in found.containers
                ],
                "image": [
                    objects.image(row, uploaded=True, tags=found.tags.get(row.pk, []))
                    for row in found.images
                ],
            }
        )
