"""Announcing: a push says which image it is about to send, and learns whether it need not.

An announced image has its bytes at once where its pusher may read them elsewhere. Naming a hash
gives nobody anything: what counts is that this caller could fetch these very bytes now, from an
image that they may pull.
"""

from django.db import transaction

from shub.accounts.callers import Caller
from shub.audit import trail
from shub.containers import blobs, ledger, namespaces, tagging, usage
from shub.containers.admission import check_not_frozen
from shub.containers.models import Container, Image
from shub.containers.models.image import FACTS
from shub.containers.permissions import Scope, containers_visible_to
from shub.errors import Invalid
from shub.names import is_hash_ref
from shub.rows import first


def announce(*, container_id: str, hash_ref: str, description: str, by: Caller) -> Image:
    """The image of this hash in the container, made as a claim if it is missing.

    Where the caller may read the same bytes elsewhere the image has them at once.
    """
    container = namespaces.pushable_container(container_id, by=by)
    if not hash_ref.startswith("sha256.") or not is_hash_ref(hash_ref):
        raise Invalid(f"{hash_ref!r} is no image hash: expected sha256. and 64 hex digits.")
    image, _ = Image.objects.select_related("blob").get_or_create(
        container=container,
        digest=hash_ref.removeprefix("sha256."),
        defaults={
            "description": namespaces.without_filler(description),
            "created_by": by.user,
        },
    )
    image.container = container
    if image.blob_id is None:
        link(image, by=by)
    return image


def link(image: Image, *, by: Caller) -> None:
    """Give the claim the bytes and facts of an equal image that the caller may read.

    Nothing happens where there is none, where its bytes leave at this moment, or where they would
    be more than the entity may store: then the client sends them, and is told what is to be told.
    """
    source = _readable_equal(image, by=by)
    if source is None or source.blob is None:
        return
    entity = image.container.collection.entity
    if not usage.has_room(entity, digest=image.digest, size=source.blob.size):
        return
    with transaction.atomic():
        claim = first(Image.objects.select_for_update(no_key=True).filter(pk=image.pk))
        if claim is None or claim.blob_id is not None:
            return
        tagging.lock_pending(claim)
        # Who freezes the container locks it: nothing comes in once they are told that it is frozen.
        container = Container.objects.select_for_update(no_key=True).get(pk=claim.container_id)
        check_not_frozen(container)
        blob = blobs.keep(source.blob)
        if blob is None:
            return
        claim.container = image.container
        claim.take(blob, source)
        # Tags may wait for an upload of these bytes that is still being verified.
        tagging.move_pending(claim)
        trail.record(
            "image.linked",
            kind="image",
            public_id=image.public_id,
            name=str(image),
            entity=entity.public_id,
            by=by,
            size=blob.size,
        )
        if ledger.balance(entity.pk, [image.digest]).is_over:
            # Others have taken the room since it was looked at.
            transaction.set_rollback(True)
            return
    # Not before it is so: the caller's image says what its row says.
    for name in ("blob", *FACTS):
        setattr(image, name, getattr(claim, name))


def _readable_equal(image: Image, *, by: Caller) -> Image | None:
    """A proven image of the same digest, in a container that the caller may pull from."""
    equal = Image.objects.select_related("blob").filter(
        digest=image.digest,
        blob__state="proven",
        container__in=containers_visible_to(by, Scope.PULL),
    )
    return first(equal.exclude(pk=image.pk).order_by("id"))
