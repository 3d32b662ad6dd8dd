"""Reserving: room is kept for an upload from its beginning to its end, in the ledger.

Each function is called last in the transaction that it speaks of: it locks usage rows.
"""

from django.db import transaction
from django.db.models import QuerySet

from shub.accounts.callers import Caller
from shub.containers import ledger, usage
from shub.uploads.models import Upload

State = Upload.State

# What the ledger has to know of uploads. Into what was removed too: they end by themselves.
UPLOADS_UNDER_WAY = """
    SELECT collection.entity_id, upload.digest, upload.size,
        upload.blob_id IS NOT NULL AS is_object
    FROM uploads_upload AS upload
    JOIN containers_container AS container ON container.id = upload.container_id
    JOIN containers_collection AS collection ON collection.id = container.collection_id
    WHERE upload.state IN ('open', 'joining', 'verifying')
"""

# How many a transaction expires: what is locked stands still meanwhile.
EXPIRED_AT_ONCE = 5_000


def begin(upload: Upload, *, by: Caller) -> None:
    """Write the new upload down, in a transaction of its own, and keep room for it; OverQuota where
    there is none: then nothing is written."""
    entity = upload.container.collection.entity
    with transaction.atomic():
        upload.save(force_insert=True)
        change = ledger.balance(entity.pk, [upload.digest])
        usage.check_change(change, entity, size=upload.size, by=by)
        usage.check_site_change(ledger.change_site(reserved=upload.size), size=upload.size)


def end_unsent(upload: Upload) -> None:
    """open or joining → ended: nobody waits for its bytes any more."""
    settle(upload)
    ledger.change_site(reserved=-upload.size)


def arrive(upload: Upload) -> None:
    """Its bytes are an object of the store: verifying, or refused at once for their size."""
    if upload.blob is None:
        return
    if upload.state in Upload.ENDED:
        settle(upload)
    ledger.change_site(stored=upload.blob.size, reserved=-upload.size)


def settle(upload: Upload) -> ledger.Change:
    """verifying → ended: what the entity pays for it is what its image has."""
    return ledger.balance(upload.container.collection.entity_id, [upload.digest])


def expire(uploads: QuerySet[Upload]) -> int:
    """open → expired, those of them that are open; how many. As fast for very many."""
    count = 0
    while ended := _expire_some(uploads):
        count += ended
    return count


def _expire_some(uploads: QuerySet[Upload]) -> int:
    # Of their parents nothing is read that ever changes.
    rows = uploads.filter(state=State.OPEN).select_for_update(skip_locked=True, of=("self",))
    with transaction.atomic():
        found = list(
            rows.values_list("pk", "container__collection__entity_id", "digest", "size")[
                :EXPIRED_AT_ONCE
            ]
        )
        if found:
            Upload.objects.filter(pk__in=[each[0] for each in found]).update(state=State.EXPIRED)
            ledger.balance_each((entity, digest) for _, entity, digest, _ in found)
            ledger.change_site(reserved=-sum(each[3] for each in found))
    return len(found)
