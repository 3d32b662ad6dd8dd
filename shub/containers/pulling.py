"""Pulling: an image's bytes for one who may have them, by an address of the store or through us."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shub.accounts.callers import Caller
from shub.containers import downloads, images
from shub.containers.admission import check_may_pull
from shub.containers.models import Image
from shub.containers.refs import LibraryRef
from shub.errors import NotFound, Unavailable
from shub.storage import NoSuchObject, object_store

log = logging.getLogger(__name__)


DAMAGED = (
    "The stored bytes of this image are damaged: the registry has found that they no longer have "
    "its hash, and gives them to nobody. Whoever has the image can push it again, which mends it; "
    "tell the administrator."
)


@dataclass(frozen=True)
class Pull:
    """A proven image whose bytes the caller may have."""

    image: Image
    key: str
    size: int

    def record(self) -> None:
        """Count this pull."""
        downloads.record(self.image)

    def address(self, *, asked_host: str, filename: str = "") -> str:
        """Where a client gets the bytes from the store itself, whole or by ranges. A browser saves
        them under the file name, where one is given."""
        return object_store().object_address(self.key, asked_host=asked_host, filename=filename)

    def inner_address(self) -> str:
        """The same, for a proxy in front of us that asks the store itself."""
        return object_store().inner_address(self.key)

    @contextmanager
    def read(self, *, start: int, length: int) -> Iterator[Iterator[bytes]]:
        """The bytes of a range, in pieces."""
        try:
            with object_store().read(self.key, start=start, length=length, awaited=True) as pieces:
                yield pieces
        except NoSuchObject as error:
            log.exception("The store has lost %s, the bytes of %s.", self.key, self.image)
            raise Unavailable(
                "The registry's store has lost the bytes of this image. Tell the administrator."
            ) from error


def find(ref: LibraryRef, *, arch: str, by: Caller) -> Pull:
    """The image that the reference means to this caller, to be pulled.

    NotFound as in `images.find_image`; Denied to a token that is not for pulling; Unavailable while
    the bytes are being verified, and where they are damaged.
    """
    image = images.find_image(ref, arch=arch, by=by)
    check_may_pull(by, image.container)
    if not image.is_proven:
        if images.is_arriving(image):
            raise Unavailable(
                "The image has arrived and is being verified. Try again in a few seconds."
            )
        # Or its proof has come between these two looks.
        image = images.find_image(ref, arch=arch, by=by)
        check_may_pull(by, image.container)
    if image.is_damaged:
        raise Unavailable(DAMAGED)
    if not image.is_proven or image.blob is None:
        raise NotFound(f"The image {ref} was announced, but its bytes have not arrived.")
    return Pull(image=image, key=image.blob.key, size=image.blob.size)
