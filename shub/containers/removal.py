"""Removal: an image goes with its tags; its bytes go when no other image has them."""

from functools import partial

from shub.accounts.callers import NOBODY, Caller
from shub.audit import trail
from shub.containers import blobs, images, tagging
from shub.containers.admission import check_may_delete, check_not_frozen
from shub.containers.models import Collection, Container, Image, Visibility
from shub.containers.refs import LibraryRef
from shub.errors import Conflict
from shub.rows import first, in_transaction

# What one pass removes of deleted accounts at most, so that it keeps no other sweep waiting.
BATCH = 500


def remove_image(ref: LibraryRef, *, arch: str, by: Caller) -> Image:
    """Remove the image that the reference means, with all its tags; the image as it was.

    By hash or SIF id, `arch` does not count. By tag it is the image of this arch; without an arch,
    the only one. NotFound as in `images.find_image`; Conflict where a tag means images of several
    archs and none is named; Denied for one who may see the image and not delete it.
    """
    found = images.find_image(ref, arch=arch, by=by)
    check_may_delete(by, found.container)
    if not (arch or ref.digest or ref.sif_id):
        _check_only_arch(ref)
    in_transaction(lambda: _remove(found, by=by))
    return found


def empty_retired() -> int:
    """Remove images of entities whose account was deleted, up to a batch of them; how many.

    Frozen ones too: who deleted the account was told so. One by one, each in a transaction of its
    own: whatever is killed in between, the next pass goes on.
    """
    # One may have been made while the account was deleted.
    Collection.objects.filter(entity__retired_at__isnull=False).exclude(
        visibility=Visibility.PRIVATE
    ).update(visibility=Visibility.PRIVATE)
    left = Image.objects.filter(container__collection__entity__retired_at__isnull=False)
    count = 0
    for image in left.select_related("blob", images.PARENTS).order_by("id")[:BATCH]:
        in_transaction(partial(_remove, image, by=NOBODY, even_frozen=True))
        count += 1
    return count


def _remove(found: Image, *, by: Caller, even_frozen: bool = False) -> None:
    # The uploads first, as whoever proves or refuses one of them locks them: upload, then image.
    list(found.uploads.select_for_update().order_by("pk"))
    image = first(Image.objects.select_for_update().filter(pk=found.pk))
    if image is None:
        return  # by another request at this moment: it is gone, as was asked
    if not even_frozen:
        _check_still_not_frozen(image)
    image.container = found.container
    tagging.drop(image, by=by, even_frozen=even_frozen)
    blob_id, size = image.blob_id, found.blob.size if found.blob else 0
    image.delete()
    if blob_id is not None:
        blobs.release(blob_id)
    trail.record(
        "image.removed",
        kind="image",
        public_id=found.public_id,
        name=str(found),
        entity=found.container.collection.entity.public_id,
        by=by,
        size=size,
    )


def _check_still_not_frozen(image: Image) -> None:
    """Conflict where the container was frozen since: who freezes it, or a tag in it, locks it."""
    check_not_frozen(Container.objects.select_for_update(no_key=True).get(pk=image.container_id))


def _check_only_arch(ref: LibraryRef) -> None:
    """Conflict when the tag means images of several archs: none of them is guessed at."""
    arches = [tag.arch or "unknown" for tag in images.tags_named(ref)]
    if len(arches) > 1:
        raise Conflict(
            f"The tag {ref} means images of several architectures: {', '.join(sorted(arches))}. "
            "Name one by --arch, or name the image by its hash."
        )
