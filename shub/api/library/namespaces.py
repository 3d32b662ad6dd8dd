"""Entities, collections and containers: looked up, and made by a push on its way."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shub.api.authentication import caller
from shub.api.description import described, enveloped
from shub.api.library import objects
from shub.api.library.door import MOST_DESCRIPTION, LibraryView, answer, pusher
from shub.containers import namespaces, usage


class NewEntity(serializers.Serializer[None]):
    """What a push sends where it found no entity; the rest of the object is ignored."""

    name = serializers.CharField(trim_whitespace=False)


class NewCollection(serializers.Serializer[None]):
    """What a push sends where it found no collection. `private` is always false: no wish."""

    name = serializers.CharField(trim_whitespace=False)
    entity = serializers.CharField()
    description = serializers.CharField(
        allow_blank=True, required=False, default="", max_length=MOST_DESCRIPTION
    )


class NewContainer(serializers.Serializer[None]):
    """What a push sends where it found no container."""

    name = serializers.CharField(trim_whitespace=False)
    collection = serializers.CharField()
    description = serializers.CharField(
        allow_blank=True, required=False, default="", max_length=MOST_DESCRIPTION
    )


class EntitiesView(LibraryView):
    """`v1/entities`"""

    @described(
        "The entity to push into",
        answers={200: enveloped(objects.EntityObject)},
        refusals=[403],
        request=NewEntity,
    )
    def post(self, request: Request) -> Response:
        """The entity to push into, if it is the caller's."""
        by = pusher(request)
        body = self.read(request, NewEntity)
        entity = namespaces.ensure_entity(body["name"], by=by)
        return answer(objects.entity(entity, quota=usage.quota_told_to(by, entity)))


class EntityView(LibraryView):
    """`v1/entities/NAME`"""

    @described("An entity", answers={200: enveloped(objects.EntityObject)}, refusals=[404])
    def get(self, request: Request, entity: str) -> Response:
        """The entity."""
        found = namespaces.find_entity(entity, by=caller(request))
        return answer(objects.entity(found, quota=usage.quota_told_to(caller(request), found)))


class CollectionsView(LibraryView):
    """`v1/collections`"""

    @described(
        "The collection to push into, made if it is missing",
        answers={200: enveloped(objects.CollectionObject)},
        refusals=[403, 409],
        request=NewCollection,
    )
    def post(self, request: Request) -> Response:
        """The collection to push into, made if it is missing."""
        by = pusher(request)
        body = self.read(request, NewCollection)
        collection = namespaces.ensure_collection(
            entity_id=body["entity"],
            name=body["name"],
            description=body["description"],
            by=by,
        )
        return answer(objects.collection(collection))


class CollectionView(LibraryView):
    """`v1/collections/ENTITY/COLLECTION`"""

    @described("A collection", answers={200: enveloped(objects.CollectionObject)}, refusals=[404])
    def get(self, request: Request, entity: str, collection: str) -> Response:
        """The collection."""
        found = namespaces.find_collection(entity, collection, by=caller(request))
        return answer(objects.collection(found))


class ContainersView(LibraryView):
    """`v1/containers`"""

    @described(
        "The container to push into, made if it is missing",
        answers={200: enveloped(objects.ContainerObject)},
        refusals=[403, 409],
        request=NewContainer,
    )
    def post(self, request: Request) -> Response:
        """The container to push into, made if it is missing."""
        by = pusher(request)
        body = self.read(request, NewContainer)
        container = namespaces.ensure_container(
            collection_id=body["collection"],
            name=body["name"],
            description=body["description"],
            by=by,
        )
        return answer(objects.container(container))


class ContainerView(LibraryView):
    """`v1/containers/ENTITY/COLLECTION/CONTAINER`"""

    @described("A container", answers={200: enveloped(objects.ContainerObject)}, refusals=[404])
    def get(self, request: Request, entity: str, collection: str, container: str) -> Response:
        """The container."""
        found = namespaces.find_container(entity, collection, container, by=caller(request))
        return answer(objects.container(found))
