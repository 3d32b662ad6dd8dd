"""The four objects of the wire (wire contract A.2): the one place that knows their camelCase.

Clients decode strictly: strings, integers, booleans and lists of exactly these kinds, times with a
zone, or the whole call fails.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from shub.accounts.models import Entity
from shub.containers import usage
from shub.containers.models import Collection, Container, Image


def entity(row: Entity) -> dict[str, Any]:
    """An entity as clients read it."""
    return {
        "id": row.public_id,
        "name": row.name,
        "description": row.description,
        "collections": [],
        "size": 0,
        "quota": usage.quota_bytes(row),
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
        "private": row.is_private,
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
        "private": parent.is_private,
        "readOnly": False,
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
        "blob": row.blob.public_id if row.blob else "",
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
