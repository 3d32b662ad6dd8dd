"""Images as rows, proven as by the sweep, whose bytes no store holds: what lists are made of."""

import hashlib
from datetime import datetime
from itertools import count

from shub.containers import ledger, tagging
from shub.containers.models import Blob, Container, Image
from shub.sif import Facts
from tests.factories import Person

_numbers = count()


def make_image(
    container: Container,
    *tags: str,
    by: Person,
    arch: str = "amd64",
    signed: bool = False,
    size: int = 1000,
    pushed_at: datetime | None = None,
) -> Image:
    """A proven image of its own bytes, with tags that were moved to it."""
    digest = hashlib.sha256(f"image {next(_numbers)}".encode()).hexdigest()
    blob = Blob.objects.create(digest=digest, size=size, state="proven", key=f"blobs/{digest}")
    image = Image(container=container, digest=digest, created_by=by.user)
    if pushed_at is not None:
        image.created_at = pushed_at
    image.save()
    image.take(
        blob,
        Facts(arch=arch, signed=signed, fingerprints=(), encrypted=False, sif_id=None),
    )
    for tag in tags:
        tagging.move(container, tag, image, arch=arch, by=by.caller)
    ledger.balance(container.collection.entity_id, [digest])
    ledger.change_site(stored=size)
    return image
