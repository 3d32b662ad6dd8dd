"""Pulling: the address at which the store gives an image's bytes to one who may have them."""

from shub.containers import downloads, images
from shub.containers.permissions import Caller
from shub.containers.refs import LibraryRef
from shub.errors import NotFound, Unavailable
from shub.storage import object_store


def download_address(ref: LibraryRef, *, arch: str, by: Caller, asked_host: str) -> str:
    """A presigned address of the image's bytes, good for whole and ranged reading.

    NotFound as in `images.find_image`; Unavailable while the bytes are being verified.
    """
    image = images.find_image(ref, arch=arch, by=by)
    if not image.is_proven or image.blob is None:
        if images.is_arriving(image):
            raise Unavailable(
                "The image has arrived and is being verified. Try again in a few seconds."
            )
        raise NotFound(f"The image {ref} was announced, but its bytes have not arrived.")
    downloads.record(image)
    return object_store().object_address(image.blob.key, asked_host=asked_host)
