"""The four objects of the wire (wire contract A.2): the one place that knows their camelCase.

Clients decode strictly: strings, integers, booleans and lists of exactly these kinds, times with a
zone, or the whole call fails. Each object is described once, and built by hand beside that, since
hot requests build them; the tests hold what is built against what is described.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers

from shub.accounts.models import Entity
from shub.containers.models import Collection, Container, Image, Visibility
from shub.public_ids import PATTERN


class ObjectIdField(serializers.RegexField):
    """A public id: clients of 2018 read nothing else as one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(PATTERN, **options)


class WireObject(serializers.Serializer[Any]):
    """What all four have."""

    id = ObjectIdField()
    description = serializers.CharField(allow_blank=True)
    customData = serializers.CharField(allow_blank=True)
    deleted = serializers.BooleanField()
    createdAt = serializers.DateTimeField()


class EntityObject(WireObject):
    """An entity: the namespace of a user, or of the site."""

    name = serializers.CharField()
    collections = serializers.ListField(
        child=ObjectIdField(), help_text="Empty: there may be many."
    )
    size = serializers.IntegerField(help_text="0: it is not summed up for this.")
    quota = serializers.IntegerField(help_text="Bytes, told to those who may push; 0: no bound.")
    defaultPrivate = serializers.BooleanField()


class CollectionObject(WireObject):
    """A collection of containers."""

    name = serializers.CharField()
    entity = ObjectIdField()
    entityName = serializers.CharField()
    containers = serializers.ListField(child=ObjectIdField(), help_text="Empty: there may be many.")
    size = serializers.IntegerField(help_text="0: it is not summed up for this.")
    private = serializers.BooleanField()


class ContainerObject(WireObject):
    """A container: a name under which images are pushed."""

    name = serializers.CharField()
    fullDescription = serializers.CharField(allow_blank=True)
    collection = ObjectIdField()
    collectionName = serializers.CharField()
    entity = ObjectIdField()
    entityName = serializers.CharField()
    images = serializers.ListField(child=ObjectIdField(), help_text="Empty: there may be many.")
    imageTags = serializers.DictField(
        child=ObjectIdField(), help_text="The newest tags in a search; else empty: see v2/tags."
    )
    archTags = serializers.DictField(
        child=serializers.DictField(child=ObjectIdField()), help_text="Empty: see v2/tags."
    )
    size = serializers.IntegerField(help_text="0: it is not summed up for this.")
    downloadCount = serializers.IntegerField()
    stars = serializers.IntegerField()
    private = serializers.BooleanField()
    readOnly = serializers.BooleanField()


class ImageObject(WireObject):
    """An image: one SIF file, known by its hash."""

    hash = serializers.RegexField(r"^sha256\.[0-9a-f]{64}$")
    container = ObjectIdField()
    containerName = serializers.CharField()
    collection = ObjectIdField()
    collectionName = serializers.CharField()
    entity = ObjectIdField()
    entityName = serializers.CharField()
    blob = serializers.CharField(allow_blank=True, help_text="Empty: no bytes have come yet.")
    size = serializers.IntegerField(help_text="Bytes, exactly; 0: no bytes have come yet.")
    uploaded = serializers.BooleanField(help_text="The client need not send it.")
    arch = serializers.CharField(allow_blank=True, help_text="By its SIF header; empty: unknown.")
    signed = serializers.BooleanField(help_text="It has a signature: a claim, not verified.")
    fingerprints = serializers.ListField(child=serializers.RegexField(r"^[0-9A-F]{40}$"))
    encrypted = serializers.BooleanField()
    tags = serializers.ListField(
        child=serializers.CharField(), help_text="In a search; else empty."
    )
    containerDescription = serializers.CharField(allow_blank=True)
    containerStars = serializers.IntegerField()
    containerDownloads = serializers.IntegerField()


def entity(row: Entity, *, quota: int = 0) -> dict[str, Any]:
    """An entity as clients read it; `quota` in bytes, where the caller is to know it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "description": row.description,
        "collections": [],
        "size": 0,
        "quota": quota,
        "defaultPrivate": row.default_private,
        "customData": "",
        "deleted": False,
        "createdAt": row.created_at.isoformat(),
    }


def collection(row: Collection) -> dict[str, Any]:
    """A collection, its entity fetched."""
    return {
        "id": row.public_id,
        "name": row.name,
        "description": row.description,
        "entity": row.entity.public_id,
        "entityName": row.entity.name,
        "containers": [],
        "size": 0,
        "private": row.visibility != Visibility.PUBLIC,
        "customData": "",
        "deleted": False,
        "createdAt": row.created_at.isoformat(),
    }


def container(row: Container, *, tags: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A container, its parents fetched; `tags` → the ids of their images, where they are told."""
    parent = row.collection
    return {
        "id": row.public_id,
        "name": row.name,
        "description": row.description,
        "fullDescription": "",
        "collection": parent.public_id,
        "collectionName": parent.name,
        "entity": parent.entity.public_id,
        "entityName": parent.entity.name,
        "images": [],
        "imageTags": dict(tags or {}),
        "archTags": {},
        "size": 0,
        "downloadCount": row.download_count,
        "stars": 0,
        "private": row.narrowest_visibility != Visibility.PUBLIC,
        "readOnly": row.is_frozen,
        "customData": "",
        "deleted": False,
        "createdAt": row.created_at.isoformat(),
    }


def image(row: Image, *, uploaded: bool, tags: Sequence[str] = ()) -> dict[str, Any]:
    """An image, its parents and blob fetched; `uploaded` spares the client from sending it."""
    holder = row.container
    parent = holder.collection
    return {
        "id": row.public_id,
        "hash": row.hash,
        "description": row.description,
        "container": holder.public_id,
        "containerName": holder.name,
        "collection": parent.public_id,
        "collectionName": parent.name,
        "entity": parent.entity.public_id,
        "entityName": parent.entity.name,
        # Not the blob's own: it would tell who has the same bytes that somebody stores them too.
        "blob": row.public_id if row.blob else "",
        "size": row.blob.size if row.blob else 0,
        "uploaded": uploaded,
        "arch": row.arch,
        "signed": row.signed,
        "fingerprints": row.fingerprints,
        "encrypted": row.encrypted,
        "tags": list(tags),
        "containerDescription": holder.description,
        "containerStars": 0,
        "containerDownloads": holder.download_count,
        "customData": "",
        "deleted": False,
        "createdAt": row.created_at.isoformat(),
    }
