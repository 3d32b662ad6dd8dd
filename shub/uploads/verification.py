"""Verification: the stored bytes are read back and hashed before anybody may have them.

One upload is taken by one thread at a time, by a lease that ends by itself: a sweep that was killed
leaves nothing locked, and a sweep that was thought dead finds its lease gone and writes nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from time import monotonic

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from shub import metrics, request_ids, retrying
from shub.audit import trail
from shub.containers import blobs, damage, tagging, usage
from shub.containers.models import Blob, Container, Image
from shub.containers.permissions import may_still_push
from shub.errors import Unavailable
from shub.public_ids import new_public_id
from shub.rows import first, is_row_busy
from shub.sif import PREFIX_BYTES, Facts, UnreadableSIF, read_facts
from shub.storage import NoSuchObject, availability
from shub.storage.availability import StoreAway
from shub.storage.reading import read_and_hash
from shub.uploads import reserving, room
from shub.uploads.ending import drop_claim, other_bytes, write_refusal
from shub.uploads.joining import tell_sweeps
from shub.uploads.models import Upload

log = logging.getLogger(__name__)

State = Upload.State

# A killed sweep's work lies still for so long; a living one renews its lease well before.
LEASE = timedelta(seconds=15)
RENEW_EVERY_SECONDS = 5

# What threads of this process are reading just now, by key.
_held: dict[int, Upload] = {}


class LeaseLost(Exception):
    """Another thread has taken the upload over; what was read counts for nothing."""


@dataclass(frozen=True)
class Finding:
    """What reading an object showed."""

    digest: str
    size: int
    facts: Facts | None
    fault: str
    """Why it is refused, in words; empty when it is what was claimed."""


def verify_next() -> bool:
    """Verify the upload that waits longest; False when none waits, or the store is away."""
    upload = take_next()
    if upload is None:
        return False
    _held[upload.pk] = upload
    try:
        with request_ids.following(upload.public_id):
            verify(upload)
    except StoreAway as error:
        log.warning("Upload %s waits for the store: %s", upload.public_id, error)
        return False
    finally:
        _held.pop(upload.pk, None)
    return True


def verify(upload: Upload) -> None:
    """Read the upload that was taken, and write down what was found.

    Where that fails, the upload is tried again later, with growing pauses, and its row says why.
    StoreAway where none could be read just now: then no row is to blame.
    """
    try:
        finding = examine(upload, partial(renew, upload))
        over = settle(upload, finding)
    except LeaseLost:
        log.info("Upload %s was taken over by another sweep.", upload.public_id)
    except Unavailable as error:
        put_off(upload, error)
    except (OperationalError, InterfaceError) as error:
        if not is_row_busy(error):
            raise
        log.info("Upload %s met another change of its image.", upload.public_id)
        postpone(upload, retrying.BUSY)
    except Exception as fault:  # noqa: BLE001  or the same upload were taken again at once, for ever
        with transaction.atomic():
            if let_go(upload):
                retrying.note_fault(upload, fault)
    else:
        follow(over)


def hand_back() -> None:
    """Let other sweeps begin at once with what this process is reading, since it ends.

    Its own threads, if they still go on, find their leases gone and write nothing.
    """
    for upload in list(_held.values()):
        left = Upload.objects.filter(pk=upload.pk, lease=upload.lease, state=State.VERIFYING)
        if left.update(lease="", leased_until=None):
            metrics.VERIFIED.labels("handed back").inc()
            log.info("Upload %s is handed back to other sweeps.", upload.public_id)
    tell_sweeps()


def take_next() -> Upload | None:
    """Lease the upload that waits longest, of one whose other uploads are not being read just now.

    So one who pushes much keeps nobody waiting longer than it takes to read one image.
    """
    now = timezone.now()
    being_read = Upload.objects.filter(
        state=State.VERIFYING, created_by=OuterRef("created_by"), leased_until__gt=now
    ).exclude(lease="")
    with transaction.atomic():
        upload = (
            Upload.objects.select_for_update(skip_locked=True)
            .filter(
                Q(leased_until__isnull=True) | Q(leased_until__lt=now),
                retrying.due(),
                state=State.VERIFYING,
            )
            .order_by(Exists(being_read), "active_at")
            .first()
        )
        if upload is not None:
            upload.lease = new_public_id()
            upload.leased_until = now + LEASE
            upload.verified_bytes = 0
            upload.save(update_fields=["lease", "leased_until", "verified_bytes"])
    return upload


def renew(upload: Upload, verified_bytes: int) -> None:
    """Keep the lease for another while, and say how far it is. LeaseLost when it is another's."""
    if not Upload.objects.filter(pk=upload.pk, lease=upload.lease, state=State.VERIFYING).update(
        leased_until=timezone.now() + LEASE, verified_bytes=verified_bytes
    ):
        raise LeaseLost


def put_off(upload: Upload, error: Unavailable) -> None:
    """Let others go first, where the store has something against this one; StoreAway where it has
    against all of them."""
    try:
        availability.check_answers()
    except StoreAway:
        let_go(upload)
        raise
    log.warning("The store does not give the bytes of upload %s: %s", upload.public_id, error)
    postpone(upload, error.message)


def let_go(upload: Upload) -> bool:
    """Let others take it; False where they have it already, and it is no matter of ours."""
    left = Upload.objects.filter(pk=upload.pk, lease=upload.lease, state=State.VERIFYING)
    return bool(left.update(lease="", leased_until=None))


def postpone(upload: Upload, trouble: str) -> None:
    """Let others go first for a while, and say why."""
    with transaction.atomic():
        if let_go(upload):
            retrying.postpone(upload, trouble)


def examine(upload: Upload, still_ours: Callable[[int], None]) -> Finding:
    """Read the object from its first byte to its last."""
    begun = last = monotonic()

    def renew_now_and_then(size: int) -> None:
        nonlocal last
        if monotonic() - last > RENEW_EVERY_SECONDS:
            still_ours(size)
            last = monotonic()

    try:
        read = read_and_hash(upload.key, prefix_bytes=PREFIX_BYTES, after_each=renew_now_and_then)
        metrics.VERIFIED_BYTES.inc(read.size)
        metrics.VERIFIED_SECONDS.inc(monotonic() - begun)
    except NoSuchObject:
        return Finding("", 0, None, "The store has lost the bytes of this upload. Push it again.")
    if read.digest != upload.digest:
        return Finding(
            read.digest,
            read.size,
            None,
            other_bytes(upload.digest),
        )
    try:
        facts = read_facts(read.prefix, read.size)
    except UnreadableSIF as error:
        return Finding(read.digest, read.size, None, str(error))
    return Finding(read.digest, read.size, facts, "")


def settle(upload: Upload, finding: Finding) -> Upload:
    """Write down what was found, all of it or nothing; the upload as it then is."""
    with transaction.atomic(durable=True):
        # Nothing is joined to a locked row: Postgres would join what was there before the wait.
        row = Upload.objects.select_for_update().get(pk=upload.pk)
        if row.lease != upload.lease or row.state != State.VERIFYING or row.blob is None:
            raise LeaseLost
        row.verified_bytes = finding.size
        fault = finding.fault or fault_since_sent(row)
        if not fault and finding.facts is not None:
            fault = accept_if_room(row, row.blob, finding.facts)
        if fault:
            refuse(row, row.blob, fault)
            give_back(row)
            reserving.settle(row)
    metrics.VERIFIED.labels(row.state).inc()
    log.info(
        "Upload %s of %d bytes into %s: %s.",
        *(row.public_id, finding.size, row.container_id, row.reason or row.state),
    )
    return row


def follow(upload: Upload) -> None:
    """What a verdict gives the occasion for: others are healed, and what nobody needs goes.

    None of it is the upload's any more, which is over. What fails is logged and left to the sweeps;
    what is kept beyond a quota, to the next that is kept. A database that is away is raised.
    """
    blob = upload.blob
    if blob is None:
        return
    acts: list[Callable[[], object]] = []
    if blob.state == Blob.State.CONDEMNED:
        acts.append(lambda: room.keep_within_quota(upload.container.collection.entity))
    acts.append(partial(blobs.collect, blob))
    if upload.state == State.DONE:
        acts.append(partial(damage.heal_digest, upload.digest))
    for act in acts:
        _spare_the_sweep(upload, act)


def _spare_the_sweep(upload: Upload, act: Callable[[], object]) -> None:
    try:
        act()
    except Unavailable as error:
        log.info("What upload %s leaves is left to the sweep: %s", upload.public_id, error)
    except (OperationalError, InterfaceError) as error:
        if not is_row_busy(error):
            raise
        log.info("What upload %s leaves is left to the sweep: %s", upload.public_id, retrying.BUSY)
    except Exception:
        # Ours, and yet nothing in the upload is to be tried again because of it.
        log.exception("What upload %s leaves is left to the sweep.", upload.public_id)


def fault_since_sent(upload: Upload) -> str:
    """Why the image is not to be had any more, though its bytes are right; empty where it is.

    In the caller's transaction: nothing comes into the container once it is frozen.
    """
    # The image first, as who sets its tags does.
    image = first(Image.objects.select_for_update(no_key=True).filter(uploads=upload.pk))
    if image is None or image.is_proven:
        return ""
    tagging.lock_pending(image)
    container = Container.objects.select_for_update(no_key=True).get(pk=upload.container_id)
    if container.is_frozen:
        return f"{container} was frozen while this image was on its way."
    if not may_still_push(upload.pusher, container):
        return f"Whoever sent this image may no longer push into {container}."
    return ""


def accept_if_room(upload: Upload, blob: Blob, facts: Facts) -> str:
    """verifying → done, and the entity pays for it; where its quota was made smaller meanwhile, and
    others have the room, nothing is changed, and the answer says why."""
    with transaction.atomic():
        accept(upload, blob, facts)
        give_back(upload)
        change = reserving.settle(upload)
        if not change.is_over:
            return ""
        transaction.set_rollback(True)
    return usage.no_room(change, blob.size)


def give_back(upload: Upload) -> None:
    """Save the upload as it has become, and nobody's."""
    upload.lease = ""
    upload.leased_until = None
    retrying.clear(upload)
    upload.save()


def accept(upload: Upload, blob: Blob, facts: Facts) -> None:
    """verifying → done: the image has its bytes, and the tags that waited for it move."""
    upload.state = State.DONE
    image = first(Image.objects.select_for_update(no_key=True).filter(uploads=upload.pk))
    if image is None or image.is_proven:
        # Another push of the same bytes was faster, or nobody wants them any more.
        if image is not None:
            tagging.move_pending(image)
        blobs.condemn(blob, keep=image is not None)
        return
    image.take(blobs.prove(blob), facts)
    tagging.move_pending(image)
    trail.record(
        "image.pushed",
        kind="image",
        public_id=image.public_id,
        name=str(image),
        entity=image.container.collection.entity.public_id,
        by=upload.pusher,
        push=upload.public_id,
        size=blob.size,
    )


def refuse(upload: Upload, blob: Blob, reason: str) -> None:
    """verifying → refused: the bytes are condemned, and a claim that nothing else backs goes.

    They are kept for a while: the upload can be verified again (`shub.uploads.bringing_back`).
    """
    upload.state = State.REFUSED
    upload.reason = reason
    write_refusal(upload)
    drop_claim(upload)
    blobs.condemn(blob, keep=True)
