"""Bringing back: an upload that was refused is verified again, while its bytes are kept.

A refusal may have been for what is over by now: a reader that did not know the file, a disk that
read wrong, a freeze, a quota. The bytes are read anew, and the verdict is a new one. Whoever may
push there may have it done. It stays the pusher's; where they may push no more, whoever has it done
answers for it as if they had pushed it. `by` is None for whoever is at the server's own terminal,
and then it stays the pusher's in any case.

What else was removed, `shub.containers.restoring` brings back; here both are found together.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from shub import retrying
from shub.accounts.callers import Caller
from shub.containers import blobs, images, ledger, recording, restoring, usage
from shub.containers.admission import check_may_delete, check_not_frozen, check_writable
from shub.containers.models import Blob, Collection, Container, Image, PendingTag, Tag
from shub.containers.permissions import Place, containers_pushable_by, may_push, may_still_push
from shub.containers.restoring import MOST_LISTED, Removed, RestoredImage
from shub.errors import Conflict, NotFound
from shub.public_ids import new_public_id
from shub.rows import first, in_transaction
from shub.uploads import joining, reserving
from shub.uploads.models import Upload

State = Upload.State

UPLOAD = "upload"

# As `blobs.KEPT`, of the upload's blob.
KEPT = Q(state=State.REFUSED, blob__state=Blob.State.CONDEMNED, blob__kept_until__gt=Now())


@dataclass(frozen=True)
class BroughtBack:
    """An upload that waits for its new verdict, and the tags that will move if it is a good one."""

    upload: Upload
    tags: list[str]
    tags_taken: list[str]
    """Those that mean something else by now: they do not move."""


# ── what there is ──
def removed_in(place: Place | None, *, by: Caller | None, most: int = MOST_LISTED) -> list[Removed]:
    """What was removed or refused there and the caller may bring back, the newest first, at most so
    many. None: on the whole site."""
    found = restoring.removed_in(place, by=by, most=most)
    found += refused_in(place, by=by, most=most)
    return sorted(found, key=lambda each: each.removed_at, reverse=True)[:most]


def refused_in(place: Place | None, *, by: Caller | None, most: int = MOST_LISTED) -> list[Removed]:
    """The uploads that were refused there and are kept. One query."""
    rows = Upload.objects.filter(KEPT, images.THERE, _under(place))
    if by is not None:
        rows = rows.filter(container__in=containers_pushable_by(by))
    there = Image.objects.filter(
        container=OuterRef("container"), digest=OuterRef("digest"), blob__state=Blob.State.PROVEN
    )
    rows = rows.exclude(Exists(there)).select_related("blob", "created_by", images.PARENTS)
    return [_told(row) for row in rows.order_by("-active_at", "-id")[:most]]


def _under(place: Place | None) -> Q:
    if isinstance(place, Container):
        return Q(container=place)
    if isinstance(place, Collection):
        return Q(container__collection=place)
    return Q(container__collection__entity=place) if place else Q()


def _told(upload: Upload) -> Removed:
    blob = cast("Blob", upload.blob)
    return Removed(
        kind=UPLOAD,
        public_id=upload.public_id,
        name=name_of(upload),
        images=1,
        size=blob.size,
        tags=sorted({name for name, _ in upload.waiting_tags}),
        removed_at=upload.active_at,
        removed_by=upload.created_by.username if upload.created_by else "",
        kept_until=cast("datetime", blob.kept_until),
        reason=upload.reason,
    )


def name_of(upload: Upload) -> str:
    """The reference that its image would have."""
    return f"{upload.container}:sha256.{upload.digest}"


# ── back ──
def restore(kind: str, public_id: str, *, by: Caller | None) -> RestoredImage | Place | BroughtBack:
    """Bring back what is of this kind (UPLOAD, or one of `restoring.KINDS`)."""
    if kind == UPLOAD:
        return verify_again(public_id=public_id, by=by)
    return restoring.restore(kind, public_id, by=by)


def verify_again(*, public_id: str, by: Caller | None) -> BroughtBack:
    """refused → verifying: the bytes are read once more. Its image is announced again, and the tags
    that waited for it wait again, as far as their names are free.

    NotFound where it is kept no longer, in the same words for who may not push there; Conflict
    where the container is frozen, or the image is there by now; OverQuota where there is no room.
    """
    found = _find(public_id, by=by)
    check_writable()
    check_not_frozen(found.container)
    entity = found.container.collection.entity
    # Counted before: what returns is then new to the ledger.
    ledger.usage_of(entity.pk)
    done: list[BroughtBack] = []

    def act() -> None:
        done[:] = [_verify_again(found, by=by)]

    in_transaction(act)
    return done[0]


def _verify_again(found: Upload, *, by: Caller | None) -> BroughtBack:
    # In the order of who proves: the upload, the image, its waiting tags, the container, the blob.
    row = first(Upload.objects.select_for_update().filter(pk=found.pk, state=State.REFUSED))
    if row is None:
        raise restoring.missing(found.public_id)
    image = _claim_again(row)
    if by is not None and _passes_to(by, row, found.container):
        row.created_by, row.token, row.address = by.user, by.token, by.address
    tags, taken = _let_tags_wait(row, image)
    container = first(Container.objects.select_for_update(no_key=True).filter(pk=row.container_id))
    blob = first(Blob.objects.select_for_update().filter(blobs.KEPT, pk=cast("int", row.blob_id)))
    if container is None or container.is_removed or blob is None:
        raise restoring.missing(found.public_id)
    check_not_frozen(container)
    blobs.take_back(blob, Blob.State.PENDING)
    row.image, row.announced_id = image, image.public_id
    row.state, row.reason, row.waiting_tags = State.VERIFYING, "", []
    row.size = blob.size or row.size
    row.active_at = timezone.now()
    row.lease, row.leased_until, row.verified_bytes = "", None, 0
    retrying.clear(row)
    row.save()
    _record("restored", found, by=by, tags_taken=len(taken))
    joining.tell_sweeps()
    usage.check_return(reserving.settle(row), container.collection.entity, by=by)
    return BroughtBack(upload=row, tags=tags, tags_taken=taken)


def _passes_to(by: Caller, row: Upload, container: Container) -> bool:
    """Whether whoever asks answers for it from now on: not while it is another's, who may still
    push. Else a writer could take it from them, and then end its keeping."""
    return by.known.pk == row.created_by_id or not may_still_push(row.pusher, container)


def _claim_again(row: Upload) -> Image:
    """The image as it was announced, locked; Conflict where it is there, with its bytes."""
    known = row.announced_id
    if not known or Image.objects.filter(public_id=known).exists():
        known = new_public_id()
    image, _ = Image.objects.get_or_create(
        container_id=row.container_id,
        digest=row.digest,
        defaults={"public_id": known, "created_by_id": row.created_by_id},
    )
    locked = first(Image.objects.select_for_update(no_key=True).filter(pk=image.pk))
    if locked is None:
        raise Conflict("Something that this needs changed at the same moment. Try again.")
    if locked.is_proven:
        raise Conflict(f"{locked} is there: it was pushed again, or linked.")
    return locked


def _let_tags_wait(row: Upload, image: Image) -> tuple[list[str], list[str]]:
    """The tags that wait again, and those whose names mean something else by now, or will: the
    latest word counts. They are asked for by whoever answers for the upload."""
    if row.created_by is None:
        return [], [name for name, _ in row.waiting_tags]
    waiting, taken = [], []
    for name, arch in row.waiting_tags:
        same = {"arch": arch} if arch else {}
        by_others = (
            Tag.objects.filter(container_id=row.container_id, name=name, **same),
            Tag.objects.filter(container_id=row.container_id, name=name, is_frozen=True),
            PendingTag.objects.filter(image__container_id=row.container_id, name=name, **same),
        )
        if any(others.exists() for others in by_others):
            taken.append(name)
            continue
        PendingTag.objects.create(
            image=image,
            name=name,
            arch=arch,
            asked_by=row.created_by,
            token=row.token,
            address=row.address,
        )
        waiting.append(name)
    return waiting, taken


# ── for good ──
def remove_for_good(kind: str, public_id: str, *, by: Caller | None) -> None:
    """Have it gone: nobody can bring it back from now on, and the next sweeps remove its bytes."""
    if kind == UPLOAD:
        end_keeping(public_id=public_id, by=by)
    else:
        restoring.remove_for_good(kind, public_id, by=by)


def end_keeping(*, public_id: str, by: Caller | None) -> None:
    """The same of an upload: by whoever sent it, and by those who may remove images there."""
    found = _find(public_id, by=by)
    check_writable()
    if by is not None and found.created_by_id != by.known.pk:
        check_may_delete(by, found.container)

    def end() -> None:
        if not Blob.objects.filter(blobs.KEPT, upload=found.pk).update(kept_until=Now()):
            raise restoring.missing(public_id)
        _record("removed_for_good", found, by=by)

    in_transaction(end)


def end_for_the_retired() -> None:
    """What was refused of those whose account was deleted is kept no longer."""
    theirs = Blob.objects.filter(
        blobs.KEPT, upload__container__collection__entity__retired_at__isnull=False
    )
    blobs.end_keeping(*theirs.values_list("pk", flat=True))


# ── finding ──
def kind_of(public_id: str, *, by: Caller | None) -> str:
    """Of what kind the thing of this id is; NotFound where there is none to bring back."""
    try:
        return restoring.kind_of(public_id, by=by)
    except NotFound:
        _find(public_id, by=by)
    return UPLOAD


def _find(public_id: str, *, by: Caller | None) -> Upload:
    """The upload that the caller may bring back; NotFound, in the same words, for all else.

    Conflict where its container was removed: only at the terminal anybody learns of that.
    """
    kept = Upload.objects.filter(KEPT, public_id=public_id)
    found = first(kept.select_related("blob", "created_by", "token", images.PARENTS))
    if by is not None and not may_push(by, found.container if found else None):
        raise restoring.missing(public_id)
    if found is None:
        raise restoring.missing(public_id)
    for place in (found.container.collection, found.container):
        if place.removed_at is not None:
            raise Conflict(f"{place} was removed too: bring that back first.")
    return found


def _record(done: str, upload: Upload, *, by: Caller | None, **detail: Any) -> None:
    """In the trail, beside the refusal."""
    recording.record(
        f"upload.{done}",
        upload.container,
        by=by,
        push=upload.public_id,
        hash=f"sha256.{upload.digest}",
        pusher=upload.pusher.name,
        **detail,
    )
