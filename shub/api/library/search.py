"""`v1/search`: what matches a text, of what the caller may see."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api import throttles
from shub.api.authentication import caller
from shub.api.description import described, enveloped
from shub.api.library import objects
from shub.api.library.door import LibraryView, answer
from shub.containers import search
from shub.sif.layout import arch_named

# More archs than there are need not be looked for.
MOST_ARCHES = 50


class FoundObject(serializers.Serializer[None]):
    """What matches, of each kind."""

    entity = objects.EntityObject(many=True)
    collection = objects.CollectionObject(many=True)
    container = objects.ContainerObject(many=True)
    image = objects.ImageObject(many=True)


class SearchView(LibraryView):
    """`v1/search`"""

    @described(
        "What matches a text, of what the caller may see; at most 100 of each kind",
        answers={200: enveloped(FoundObject)},
        parameters=[
            OpenApiParameter("value", str, required=True, description="3 to 400 characters."),
            OpenApiParameter("arch", str, description="Of the images; several by commas."),
            OpenApiParameter("signed", str, description="`true`: signed images only."),
        ],
    )
    def get(self, request: Request) -> Response:
        """Four lists, empty where nothing matches: clients read a 404 as a fault."""
        throttles.count_search(request)
        query = request.query_params
        found = search.find(
            query.get("value", ""),
            arches=[
                arch_named(name) for name in query.get("arch", "").split(",")[:MOST_ARCHES] if name
            ],
            signed_only=query.get("signed", "").lower() in {"true", "1"},
            by=caller(request),
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
