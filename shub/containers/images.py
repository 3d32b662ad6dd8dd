"""Images: found by a reference or an id."""

from typing import cast
from uuid import UUID

from shub.accounts.callers import Caller
from shub.containers import former_names
from shub.containers.admission import pushable
from shub.containers.models import Blob, Image, Tag, not_removed
from shub.containers.permissions import may_push, may_view
from shub.containers.refs import LibraryRef
from shub.errors import NotFound
from shub.rows import first
from shub.statements import Statement

PARENTS = "container__collection__entity"

# An image or a tag in a place that is there.
THERE = not_removed("container", "container__collection")
DEFAULT_ARCH = "amd64"


IMAGE_BY_DIGEST: Statement[Image] = Statement(
    lambda entity, collection, container, digest: Image.objects.select_related(
        "blob", PARENTS
    ).filter(
        THERE,
        container__collection__entity__name=entity,
        container__collection__name=collection,
        container__name=container,
        digest=digest,
    )
)

IMAGE_BY_ID: Statement[Image] = Statement(
    lambda public_id: Image.objects.select_related("blob", PARENTS).filter(public_id=public_id)
)

TAGS_BY_NAME: Statement[Tag] = Statement(
    lambda entity, collection, container, tag: Tag.objects.select_related(
        "image__blob", PARENTS
    ).filter(
        THERE,
        container__collection__entity__name=entity,
        container__collection__name=collection,
        container__name=container,
        name=tag,
    )
)


def pushable_image(public_id: str, *, by: Caller) -> Image:
    """The image of this id, if the caller may push it; else refused, whichever it is."""
    found = IMAGE_BY_ID.row(public_id=public_id)
    pushable(by, found.container if found else None)
    return cast("Image", found)


def find_image(ref: LibraryRef, *, arch: str = "", by: Caller) -> Image:
    """The image that the reference means to this caller; else NotFound.

    By hash or SIF id, `arch` (Go's name) does not count; by hash, those who may push also find an
    image that is not proven yet. One whose bytes are damaged is found, and cannot be pulled. By
    tag, it is the image of this arch; with no arch, amd64's, else the tag that moved last.
    """
    image = _find(ref, arch, by=by)
    if image is None:
        # Asked whether something is hidden or missing, and of nothing too where the names were
        # none's before: it all takes the same time.
        image = _find(former_names.present_ref(ref), arch, by=by)
    if image is None:
        what = f"{ref} ({arch})" if arch else str(ref)
        raise NotFound(f"There is no image {what}, or you may not see it.")
    return image


def _find(ref: LibraryRef, arch: str, *, by: Caller) -> Image | None:
    if ref.digest:
        image = _find_by_digest(ref)
    elif ref.sif_id:
        image = _find_by_sif_id(ref, ref.sif_id)
    else:
        image = _find_by_tag(ref, arch)
    return image if _is_there_for(by, image) else None


def is_verifying(image: Image) -> bool:
    """Whether its bytes are in the store, whole, and are read back: nobody sends them again."""
    return image.uploads.filter(state="verifying").exists()


def is_arriving(image: Image) -> bool:
    """Whether somebody has said that they sent all of it, and no verdict is known yet."""
    return image.uploads.filter(state__in=["joining", "verifying"]).exists()


def _is_there_for(by: Caller, image: Image | None) -> bool:
    container = image.container if image else None
    # Asked of nothing too: what is hidden and what is missing take the same time.
    if not may_view(by, container) or image is None:
        return False
    return image.is_proven or image.is_damaged or may_push(by, container)


def _find_by_digest(ref: LibraryRef) -> Image | None:
    return IMAGE_BY_DIGEST.row(
        entity=ref.entity, collection=ref.collection, container=ref.container, digest=ref.digest
    )


def _find_by_sif_id(ref: LibraryRef, sif_id: UUID) -> Image | None:
    """The newest image with this id: a file that was signed again keeps its id."""
    found = Image.objects.select_related("blob", PARENTS).filter(
        THERE,
        container__collection__entity__name=ref.entity,
        container__collection__name=ref.collection,
        container__name=ref.container,
        sif_id=sif_id,
        blob__state__in=Blob.HELD,
    )
    return first(found.order_by("-id"))


def tags_named(ref: LibraryRef) -> list[Tag]:
    """Every arch's tag of the name that the reference has, with its image and parents."""
    return TAGS_BY_NAME.rows(
        entity=ref.entity, collection=ref.collection, container=ref.container, tag=ref.tag
    )


def _find_by_tag(ref: LibraryRef, arch: str) -> Image | None:
    tag = choose_tag(tags_named(ref), arch)
    if tag is None:
        return None
    # One path of joins: the container comes with the tag, and is the image's own.
    tag.image.container = tag.container
    return tag.image


def choose_tag(tags: list[Tag], arch: str) -> Tag | None:
    """Of one name's tags, the one that a client of this arch (or of none) means."""
    by_arch = {tag.arch: tag for tag in tags}
    if arch:
        # An image of unknown arch serves only where the name means nothing else.
        return by_arch.get(arch) or (by_arch.get("") if len(tags) == 1 else None)
    return by_arch.get(DEFAULT_ARCH) or max(tags, key=lambda tag: tag.moved_at, default=None)
