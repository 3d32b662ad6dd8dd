"""Repairing: what is safe, each act by itself, and none of them harmful when it is done again.

Rows say what is so before bytes go, and nothing that an image has is ever removed.
"""

from time import sleep

from django.db import transaction

from shub.containers import blobs, damage, fixity
from shub.containers.models import Blob
from shub.operations.fsck.kinds import DAMAGED, GONE_OBJECT, MISSING, OTHER_SIZE, UNKNOWN_OBJECT
from shub.operations.fsck.looking import Seen, known, look
from shub.rows import first
from shub.storage import object_store

State = Blob.State

MARKED = "marked as damaged"
HEALED = "healed: right bytes were elsewhere in the store, or are there again"


def mend_object(seen: Seen) -> str:
    """Do what is safe about rows and object of one key."""
    if seen.kind is GONE_OBJECT:
        return _remove_gone(seen.key)
    blob = first(Blob.objects.filter(key=seen.key))
    if blob is None:
        return ""
    if seen.kind is DAMAGED:
        return _look_at_damaged(blob)
    return _mark(blob) if seen.kind in (MISSING, OTHER_SIZE) else ""


def mend_bytes(blob: Blob, verdict: fixity.Verdict, *, rate: int = 0) -> str:
    """Mark the blob whose bytes were read twice and are not right; a second copy is read at most
    `rate` bytes a second (0: no bound)."""
    outcome = fixity.settle(blob, verdict, rate=rate)
    return HEALED if outcome == "healed" else MARKED


def _mark(blob: Blob) -> str:
    # A store that has just forgotten an object and remembers it has damaged nothing.
    sleep(fixity.LOOK_AGAIN_SECONDS)
    again = look(blob.key)
    if again.kind not in (MISSING, OTHER_SIZE):
        return "is as it should be"
    fault = f"It was found with {again.words}."
    return mend_bytes(blob, fixity.Verdict(fault, is_missing=again.kind is MISSING))


def _look_at_damaged(blob: Blob) -> str:
    if damage.proven_beside(blob) is None:
        verdict = fixity.examine(blob, lambda size: None)
        if verdict.is_right:
            fixity.settle(blob, verdict)
            return HEALED
    return HEALED if damage.heal(blob) else ""


def _remove_gone(key: str) -> str:
    # What is gone never comes back: its key is its own.
    if known(key).state != State.GONE:
        return ""
    object_store().remove([key])
    return "removed"


def remove_unknown(key: str) -> str:
    """Remove an object that no row knows; the key names an upload, so none will."""
    if look(key).kind is not UNKNOWN_OBJECT:
        return "is known now, or gone"
    object_store().remove([key])
    return "removed"


def condemn_unused(blob: int) -> str:
    """Condemn a proven or damaged blob that nothing has."""
    with transaction.atomic(durable=True):
        locked = Blob.objects.select_for_update().filter(pk=blob, state__in=Blob.HELD)
        if first(locked) is not None:
            blobs.release(blob)
    return "condemned: the sweep removes it"


def condemn_forgotten(blob: int) -> str:
    """Condemn a pending blob that no upload brings."""
    with transaction.atomic(durable=True):
        locked = first(Blob.objects.select_for_update().filter(pk=blob, state=State.PENDING))
        if locked is None:
            return "is pending no more"
        blobs.condemn(locked)
    return "condemned: the sweep removes it"


def take_back(blob: int) -> str:
    """Take a condemned blob back that images have, where its bytes are right; else have them those
    that are proven elsewhere."""
    found = first(Blob.objects.filter(pk=blob, state=State.CONDEMNED))
    if found is None:
        return "is condemned no more"
    if damage.proven_beside(found) is None and fixity.examine(found, lambda size: None).is_right:
        with transaction.atomic(durable=True):
            if blobs.keep(found) is not None:
                return "read, right, and taken back"
    return HEALED if damage.heal(found) else ""
