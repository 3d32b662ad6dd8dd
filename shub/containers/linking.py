"""Linking: an announced image has its bytes at once where its pusher may read them elsewhere.

Naming a hash gives nobody anything: what counts is that this caller could fetch these very bytes
now, from an image of a collection that they may see.
"""

from django.db import transaction

from shub.accounts.models import Token, User
from shub.audit import trail
from shub.containers import blobs, usage
from shub.containers.models import Collection, Image
from shub.errors import OverQuota


def link(image: Image, *, by: User, token: Token | None) -> bool:
    """Give the claim the bytes and facts of an equal image that the caller may read.

    False where there is none, where its bytes leave at this moment, or where they would be more
    than the entity may store: then the client sends them, and is told what is to be told.
    """
    source = readable_equal(image, by=by)
    if source is None or source.blob is None:
        return False
    try:
        usage.check_quota(
            image.container.collection.entity, digest=image.digest, size=source.blob.size
        )
    except OverQuota:
        return False
    with transaction.atomic():
        claim = next(iter(Image.objects.select_for_update(no_key=True).filter(pk=image.pk)), None)
        if claim is None or claim.blob_id is not None:
            return False
        blob = blobs.keep(source.blob)
        if blob is None:
            return False
        image.blob = blob
        image.arch = source.arch
        image.signed = source.signed
        image.fingerprints = source.fingerprints
        image.encrypted = source.encrypted
        image.sif_id = source.sif_id
        image.save(update_fields=["blob", "arch", "signed", "fingerprints", "encrypted", "sif_id"])
        trail.record(
            "image.linked",
            kind="image",
            public_id=image.public_id,
            name=str(image),
            actor=by.username,
            token=token.public_id if token else "",
            size=blob.size,
        )
    return True


def readable_equal(image: Image, *, by: User) -> Image | None:
    """A proven image of the same digest, in a collection that the caller may see."""
    equal = Image.objects.select_related("blob").filter(
        digest=image.digest,
        blob__state="proven",
        container__collection__in=Collection.objects.visible_to(by),
    )
    return next(iter(equal.exclude(pk=image.pk).order_by("id")[:1]), None)
