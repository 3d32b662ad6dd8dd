"""References: "entity/collection/container:tag" as clients write them ⇄ LibraryRef."""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from shub.errors import NotFound
from shub.names import folded, is_hash_ref

DEFAULT_TAG = "latest"


@dataclass(frozen=True)
class LibraryRef:
    """A reference with its defaults filled in. Names are in lower case; the tag's case is kept."""

    entity: str
    collection: str
    container: str
    tag: str

    @property
    def digest(self) -> str:
        """Hex of the hash where the reference names an image by one; else empty."""
        algorithm, _, digest = self.tag.partition(".")
        return digest if algorithm == "sha256" and is_hash_ref(self.tag) else ""

    @property
    def sif_id(self) -> UUID | None:
        """The id in the SIF header, where the reference names an image by that."""
        kind, _, sif_id = self.tag.partition(".")
        return UUID(sif_id) if kind == "sif" and is_hash_ref(self.tag) else None

    @property
    def path(self) -> str:
        """The container's part of it."""
        return f"{self.entity}/{self.collection}/{self.container}"

    def __str__(self) -> str:
        return f"{self.path}:{self.tag}"


def parse(written: str) -> LibraryRef:
    """Read what stands in an address; NotFound for what no image can be called.

    Short references take the site's defaults: one name is a container of the default collection,
    two are COLLECTION/CONTAINER of the default entity. Empty parts, which clients of 2019 leave in
    place, count as left out.

    >>> from django.test import override_settings
    >>> with override_settings(DEFAULT_ENTITY="library", DEFAULT_COLLECTION="default"):
    ...     [str(parse(ref)) for ref in ("alpine", "//tools/gcc:13", "Mara/tools/gcc:latest")]
    ['library/default/alpine:latest', 'library/tools/gcc:13', 'mara/tools/gcc:latest']
    """
    path, _, tag = written.partition(":")
    names = [folded(name) for name in path.split("/") if name]
    if not 1 <= len(names) <= 3 or "\0" in written:
        raise NotFound(f"{written!r} is no reference: expected ENTITY/COLLECTION/CONTAINER:TAG.")
    defaults = [settings.DEFAULT_ENTITY, settings.DEFAULT_COLLECTION]
    entity, collection, container = defaults[: 3 - len(names)] + names
    return LibraryRef(entity, collection, container, tag or DEFAULT_TAG)
