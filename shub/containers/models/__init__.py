"""The rows of what is kept, one module each."""

from shub.containers.models.blob import Blob
from shub.containers.models.charge import Charge
from shub.containers.models.collection import Collection, Visibility
from shub.containers.models.container import Container
from shub.containers.models.download import Download, DownloadCount
from shub.containers.models.former import FormerCollectionName, FormerContainerName
from shub.containers.models.grant import Grant, Role
from shub.containers.models.image import Image
from shub.containers.models.pause import CollectionPause
from shub.containers.models.read_only import ReadOnly
from shub.containers.models.readme import Readme
from shub.containers.models.removable import not_removed
from shub.containers.models.removed import RemovedImage
from shub.containers.models.tag import PendingTag, Tag, TagMove
from shub.containers.models.usage import EntityUsage, SiteUsage

__all__ = [
    "Blob",
    "Charge",
    "Collection",
    "CollectionPause",
    "Container",
    "Download",
    "DownloadCount",
    "EntityUsage",
    "FormerCollectionName",
    "FormerContainerName",
    "Grant",
    "Image",
    "PendingTag",
    "ReadOnly",
    "Readme",
    "RemovedImage",
    "Role",
    "SiteUsage",
    "Tag",
    "TagMove",
    "Visibility",
    "not_removed",
]
