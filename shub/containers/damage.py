"""Damage: stored bytes that are no longer what was proven, and how their images get them back.

A damaged blob keeps its images, and gives nobody bytes. It is healed by right bytes of the same
digest: those that somebody pushes again, those of a duplicate that was about to go, or its own,
where they are right after all. All images that share it have them then, whoever pushed.
"""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from time import monotonic
from typing import cast

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from shub import metrics, retrying
from shub.accounts.callers import NOBODY
from shub.audit import trail
from shub.containers import blobs, images, tagging
from shub.containers.models import Blob, Container, Image, RemovedImage
from shub.errors import Unavailable
from shub.rows import first, in_transaction
from shub.storage import NoSuchObject
from shub.storage.reading import read_and_hash

log = logging.getLogger(__name__)

State = Blob.State

# So many images are named in the trail when their bytes are damaged or healed; others share them.
MOST_NAMED = 200

# What one pass heals at most, so that it keeps no other sweep waiting.
BATCH = 100

# A copy that is read to heal by stays for so long, and again for so long while it is read.
HELD = timedelta(minutes=2)
HOLD_EVERY_SECONDS = 20

# Called between two pieces of what is read, with the number of bytes so far; may raise to stop.
AfterEach = Callable[[int], None]


# ── found ──
def mark(blob: Blob, found: str) -> bool:
    """proven → damaged: nobody is given these bytes any more. `found` says what is wrong, in words.

    False where the blob is not proven any more. The caller has looked twice. Who has claimed the
    blob (`shub.containers.fixity`) has it still: healing may read for as long again.
    """
    with transaction.atomic(durable=True):
        locked = first(Blob.objects.select_for_update().filter(pk=blob.pk, state=State.PROVEN))
        if locked is None:
            return False
        locked.state = State.DAMAGED
        locked.damaged_at = timezone.now()
        locked.damage = found
        locked.failures, locked.trouble = 0, ""
        locked.save(update_fields=["state", "damaged_at", "damage", "failures", "trouble"])
        _record("image.damaged", locked, found=found)
    metrics.DAMAGED.inc()
    log.error("The bytes of %s in the store are damaged: %s", blob.key, found)
    return True


# ── healed ──
def unmark(blob: Blob) -> bool:
    """damaged → proven, where its own bytes were read and are right; False where other proven bytes
    of the digest are there: then these are not needed."""
    with transaction.atomic(durable=True):
        recovered = blobs.recover(blob)
        if recovered is None:
            return False
        _record("image.healed", recovered)
    log.warning("The bytes of %s in the store are right again.", blob.key)
    return True


def heal(blob: Blob, after_each: AfterEach = lambda size: None, *, rate: int = 0) -> bool:
    """Give all images of the damaged blob the right bytes that are elsewhere in the store: proven
    ones of its digest, else those of a duplicate that has not left yet, which are read first, at
    most `rate` bytes a second (0: no bound).

    False where there are no such bytes. Unavailable; and whatever `after_each` raises.
    """
    return heal_beside(blob) or (_prove_spare(blob, after_each, rate) and heal_beside(blob))


def heal_beside(blob: Blob) -> bool:
    """The same by proven bytes only: nothing is read.

    Each image in a transaction of its own; whoever is killed between two leaves the rest to the
    next pass. Where all of its images have gone meanwhile, nobody has the right bytes either.
    """
    right = proven_beside(blob)
    if right is None:
        return False
    for kind in (Image, RemovedImage):
        for key in list(kind.objects.filter(blob=blob.pk).values_list("pk", flat=True)):
            in_transaction(partial(_move, kind, key, blob, right))
    in_transaction(partial(_let_go, blob))
    in_transaction(partial(blobs.release, right.pk))
    return True


def heal_digest(digest: str) -> None:
    """Heal what is damaged of this digest, now that right bytes of it were proven; in one query
    where nothing is, as nearly always."""
    for blob in Blob.objects.filter(digest=digest, state=State.DAMAGED):
        heal_beside(blob)


def heal_left() -> int:
    """Heal the damaged blobs that right bytes are there for: whoever was to do so was killed. How
    many."""
    beside = Blob.objects.filter(
        algorithm=OuterRef("algorithm"), digest=OuterRef("digest"), state=State.PROVEN
    )
    left = Blob.objects.filter(Exists(beside), state=State.DAMAGED).order_by("id")
    # One for which it fails stops no other: it says why.
    return sum(retrying.attempt(blob, partial(heal_beside, blob)) for blob in left[:BATCH])


def proven_beside(blob: Blob) -> Blob | None:
    """Another blob of the same bytes that is proven."""
    return first(
        Blob.objects.filter(
            algorithm=blob.algorithm, digest=blob.digest, state=State.PROVEN
        ).exclude(pk=blob.pk)
    )


def _prove_spare(blob: Blob, after_each: AfterEach, rate: int) -> bool:
    """Whether a duplicate that was condemned was read, is right, and was taken back; or another
    was proven meanwhile."""
    for spare in blobs.spare_copies(blob.digest, size=blob.size):
        if spare.pk == blob.pk or not _reads_right(spare, after_each, rate):
            continue
        if _take_back(spare) or proven_beside(blob) is not None:
            return True
    return False


def _take_back(spare: Blob) -> bool:
    """condemned → proven; False where that cannot be: it leaves, or was found damaged once."""
    with transaction.atomic(durable=True):
        kept = blobs.keep(spare)
        if kept is not None:
            Blob.objects.filter(pk=kept.pk).update(read_at=timezone.now())
    return kept is not None


def _reads_right(blob: Blob, after_each: AfterEach, rate: int) -> bool:
    if not blobs.hold(blob, HELD):
        return False
    held = monotonic()

    def hold_and_go_on(size: int) -> None:
        nonlocal held
        after_each(size)
        if monotonic() - held > HOLD_EVERY_SECONDS:
            blobs.hold(blob, HELD)
            held = monotonic()

    try:
        read = read_and_hash(blob.key, after_each=hold_and_go_on, bytes_per_second=rate)
    except NoSuchObject:
        return False
    except Unavailable as error:
        log.info("%s cannot be read now: %s", blob.key, error)
        return False
    return read.digest == blob.digest


def _move(kind: type[Image] | type[RemovedImage], key: int, damaged: Blob, right: Blob) -> None:
    """Have one image the right bytes."""
    rows = kind.objects.select_for_update(no_key=True).filter(pk=key, blob=damaged.pk)
    image = cast("Image | RemovedImage | None", first(rows))
    if image is None:
        return
    if isinstance(image, Image):
        # Tags may wait for an upload of these bytes that is still being verified.
        tagging.lock_pending(image)
        list(Container.objects.select_for_update(no_key=True).filter(pk=image.container_id))
    blob = blobs.keep(right)
    if blob is None:
        return
    image.blob = blob
    image.save(update_fields=["blob"])
    if isinstance(image, Image):
        tagging.move_pending(image)
    _record_one("image.healed", image)


def _let_go(blob: Blob) -> None:
    """damaged → condemned, once no image has it."""
    locked = first(Blob.objects.select_for_update().filter(pk=blob.pk, state=State.DAMAGED))
    if locked is not None:
        blobs.release(locked.pk)


# ── told ──
def _record(action: str, blob: Blob, **detail: str) -> None:
    """In the trail, where those look who manage the places that the images are in."""
    for kind in (Image, RemovedImage):
        having = kind.objects.filter(blob=blob).select_related(images.PARENTS).order_by("pk")
        for image in having[:MOST_NAMED]:
            _record_one(action, image, **detail)


def _record_one(action: str, image: Image | RemovedImage, **detail: str) -> None:
    trail.record(
        action,
        kind="image",
        public_id=image.public_id,
        name=str(image),
        entity=image.container.collection.entity.public_id,
        by=NOBODY,
        **detail,
    )
