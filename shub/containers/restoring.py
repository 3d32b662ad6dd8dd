"""Restoring: what was removed comes back as it was, while it is kept; or goes for good.

Asked of those who may do it, which are those who might remove the thing if it were there; to all
others nothing is there. `by` is None for whoever is at the server's own terminal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

from django.db import IntegrityError
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from shub.accounts.callers import NOBODY, Caller
from shub.accounts.models import Entity
from shub.containers import blobs, former_names, images, ledger, recording, tagging, usage
from shub.containers.admission import check_not_frozen, check_writable
from shub.containers.models import (
    Collection,
    Container,
    Image,
    RemovedImage,
    not_removed,
)
from shub.containers.permissions import (
    Place,
    collections_restorable_by,
    containers_restorable_by,
    images_restorable_by,
    may_restore,
)
from shub.errors import Conflict, NotFound, Refusal
from shub.public_ids import new_public_id
from shub.rows import first, in_transaction

# Nobody reads more on a page.
MOST_LISTED = 100

Thing: TypeAlias = RemovedImage | Container | Collection

IMAGE, CONTAINER, COLLECTION = KINDS = ("image", "container", "collection")


@dataclass(frozen=True)
class Removed:
    """One thing that can be brought back."""

    kind: str
    """IMAGE, CONTAINER or COLLECTION; or of `shub.uploads.bringing_back`."""
    public_id: str
    name: str
    """The whole reference: of an image, by its hash."""
    images: int
    """Of a container or a collection: those in it; of an image 1."""
    size: int | None
    """Bytes of an image; of the others they are not summed up."""
    tags: list[str]
    """The names that an image had; of the others they are in it."""
    removed_at: datetime
    removed_by: str
    """A sign-in name; empty: at the server's own terminal."""
    kept_until: datetime
    reason: str = ""
    """Why nobody has it, where nobody removed it."""


@dataclass(frozen=True)
class RestoredImage:
    """An image that is there again, and its tags, each by name and arch."""

    image: Image
    tags: list[tuple[str, str]]
    """Those that mean it."""
    tags_taken: list[tuple[str, str]]
    """Those that mean another image by now, or are frozen: they did not come back."""


# ── what there is ──
def removed_in(place: Place | None, *, by: Caller | None, most: int = MOST_LISTED) -> list[Removed]:
    """What was removed there and the caller may bring back, the newest first, at most so many.

    In an entity: its collections, what was in those that are there, and so on down. None: on the
    whole site. Whoever may bring nothing back gets an empty list.
    """
    rows: list[Thing] = []
    if not isinstance(place, Container | Collection):
        rows += _newest(_collections(place, by=by), most)
    if not isinstance(place, Container):
        rows += _newest(_containers(place, by=by), most)
    rows += _newest(_images(place, by=by), most)
    rows.sort(key=lambda row: (row.removed_at, row.pk), reverse=True)
    return [_told(row) for row in rows[:most]]


def _collections(place: Entity | None, *, by: Caller | None) -> QuerySet[Collection]:
    found = Collection.objects.filter(removed_at__isnull=False)
    if by is not None:
        found = collections_restorable_by(by)
    found = found.filter(**_under(place, "")).select_related("entity")
    return _with_images(found, "container__collection", not_removed("container"))


def _containers(place: Entity | Collection | None, *, by: Caller | None) -> QuerySet[Container]:
    found = Container.objects.filter(not_removed("collection"), removed_at__isnull=False)
    if by is not None:
        found = containers_restorable_by(by)
    found = found.filter(**_under(place, "collection")).select_related("collection__entity")
    return _with_images(found, "container", Q())


def _images(place: Place | None, *, by: Caller | None) -> QuerySet[RemovedImage]:
    found = RemovedImage.objects.filter(images.THERE)
    if by is not None:
        found = images_restorable_by(by)
    if isinstance(place, Container):
        found = found.filter(container=place)
    else:
        found = found.filter(**_under(place, "container__collection"))
    return found.select_related("blob", images.PARENTS)


def _under(place: Entity | Collection | None, collection: str) -> dict[str, Any]:
    """The filter of rows with that path to their collection."""
    if isinstance(place, Collection):
        return {collection: place}
    if isinstance(place, Entity):
        return {"__".join(filter(None, [collection, "entity"])): place}
    return {}


def _with_images(rows: QuerySet[Any], path: str, there: Q) -> QuerySet[Any]:
    """Each row with the number of images in it, that have bytes and are there."""
    inside = Image.objects.filter(there, blob__isnull=False, **{path: OuterRef("pk")})
    numbers = inside.order_by().values(path).annotate(number=Count("pk")).values("number")
    counted: QuerySet[Any] = rows.annotate(image_count=Coalesce(Subquery(numbers), 0))
    return counted


def _newest(rows: QuerySet[Any], most: int) -> list[Any]:
    return list(rows.filter(kept_until__gt=Now()).order_by("-removed_at", "-pk")[:most])


def _told(row: Any) -> Removed:
    image = row if isinstance(row, RemovedImage) else None
    return Removed(
        kind=recording.kind_of(row),
        public_id=row.public_id,
        name=str(row),
        images=1 if image else row.image_count,
        size=image.blob.size if image else None,
        tags=sorted({name for name, _ in image.tags}) if image else [],
        removed_at=row.removed_at,
        removed_by=row.removed_by,
        kept_until=row.kept_until,
    )


# ── back ──
def restore_image(*, public_id: str, by: Caller | None) -> RestoredImage:
    """Have the image there again, with those of its tags whose names are free.

    Where an equal one is there by now, only the tags come back. Conflict where the container is
    frozen, or where the store has damaged the bytes; OverQuota where there is no room.
    """
    removed = _find(_every(IMAGE), public_id, by=by)
    check_writable()
    check_not_frozen(removed.container)
    _count_before(removed)
    done: list[RestoredImage] = []

    def restore() -> None:
        done[:] = [_restore_image(removed, by=by)]

    in_transaction(restore)
    return done[0]


def restore_container(*, public_id: str, by: Caller | None) -> Container:
    """Have the container there again, with all that was in it; the container.

    Conflict where another is called so by now; OverQuota where there is no room.
    """
    container: Container = _restore_place(CONTAINER, public_id, by=by)
    return container


def restore_collection(*, public_id: str, by: Caller | None) -> Collection:
    """Have the collection there again, with all that was in it; the collection.

    Conflict where another is called so by now; OverQuota where there is no room.
    """
    collection: Collection = _restore_place(COLLECTION, public_id, by=by)
    return collection


def restore(kind: str, public_id: str, *, by: Caller | None) -> RestoredImage | Place:
    """Bring back what is of this kind (IMAGE, CONTAINER or COLLECTION)."""
    acts: dict[str, Callable[..., RestoredImage | Place]] = {
        IMAGE: restore_image,
        CONTAINER: restore_container,
        COLLECTION: restore_collection,
    }
    return acts[kind](public_id=public_id, by=by)


def _restore_image(found: RemovedImage, *, by: Caller | None) -> RestoredImage:
    removed = first(RemovedImage.objects.select_for_update().filter(pk=found.pk))
    if removed is None or not _is_kept(removed):
        raise missing(found.public_id)
    container = removed.container = found.container
    image = _image_again(removed)
    image.container = container
    tagging.lock_pending(image)
    now = first(Container.objects.select_for_update(no_key=True).filter(pk=container.pk))
    if now is None or now.is_removed:
        raise missing(found.public_id)
    check_not_frozen(now)
    if image.blob_id is None:
        blob = blobs.keep(found.blob)
        if blob is None:
            raise Conflict(
                f"The bytes of {found} are damaged, in the store. Push it again, if you have it."
            )
        image.take(blob, removed)
    wanted = [(name, arch) for name, arch in removed.tags]
    tagging.bring_back(image, wanted, by=by or NOBODY)
    # Tags may wait for an upload of these bytes that is still being verified.
    tagging.move_pending(image)
    meant = set(image.tags.values_list("name", "arch"))
    removed.delete()
    blobs.release(removed.blob_id)
    outcome = RestoredImage(
        image=image,
        tags=[tag for tag in wanted if tag in meant],
        tags_taken=[tag for tag in wanted if tag not in meant],
    )
    _record("restored", found, by=by, tags_taken=len(outcome.tags_taken), image=image.public_id)
    entity = recording.entity_of(found)
    usage.check_return(ledger.balance(entity.pk, [image.digest]), entity, by=by)
    return outcome


def _image_again(removed: RemovedImage) -> Image:
    """The image as it was, still without its bytes; or the equal one that is there by now."""
    taken = Image.objects.filter(public_id=removed.public_id).exists()
    image, _ = Image.objects.get_or_create(
        container=removed.container,
        digest=removed.digest,
        defaults={
            "public_id": new_public_id() if taken else removed.public_id,
            "description": removed.description,
            "download_count": removed.download_count,
            "created_at": removed.created_at,
            "created_by_id": removed.created_by_id,
        },
    )
    # Nothing is joined to it: Postgres would join what was there before the wait.
    locked = first(Image.objects.select_for_update(no_key=True).filter(pk=image.pk))
    if locked is None:
        raise Conflict("Something that this needs changed at the same moment. Try again.")
    return locked


def _restore_place(kind: str, public_id: str, *, by: Caller | None) -> Any:
    place = _find(_every(kind), public_id, by=by)
    check_writable()
    _count_before(place)
    try:
        in_transaction(partial(_bring_place_back, place, by=by))
    except IntegrityError:
        raise Conflict(
            f"The name {place} is taken: another {kind} is called so by now. Remove that first, or "
            "leave it."
        ) from None
    return place


def _bring_place_back(place: Any, *, by: Caller | None) -> None:
    now = first(_same(place).select_for_update(no_key=True))
    if now is None or not _is_kept(now):
        raise missing(place.public_id)
    place.removed_at, place.removed_by, place.kept_until = None, "", None
    place.save(update_fields=["removed_at", "removed_by", "kept_until"])
    former_names.take_over(place)
    _record("restored", place, by=by)
    usage.check_return(ledger.balance_place(place), recording.entity_of(place), by=by)


def _is_kept(row: Thing) -> bool:
    """Asked with the row locked, of the database's clock, as who drops it does."""
    return _same(row).filter(kept_until__gt=Now()).exists()


def _count_before(thing: Thing) -> None:
    """What was counted before says what is new to the entity when the thing is back."""
    ledger.usage_of(recording.entity_of(thing).pk)


# ── for good ──
def remove_for_good(kind: str, public_id: str, *, by: Caller | None) -> None:
    """Have it gone: nobody can bring it back from now on, and the next sweeps drop it.

    It takes no longer for a collection of very many images.
    """
    found = _find(_every(kind), public_id, by=by)
    check_writable()

    def end() -> None:
        if not _same(found).filter(kept_until__gt=Now()).update(kept_until=Now()):
            raise missing(public_id)
        _record("removed_for_good", found, by=by)

    in_transaction(end)


# ── finding ──
def kind_of(public_id: str, *, by: Caller | None) -> str:
    """Of what kind the removed thing of this id is; NotFound where there is none to bring back."""
    for kind in KINDS:
        try:
            _find(_every(kind), public_id, by=by)
        except NotFound:
            continue
        return kind
    raise missing(public_id)


def _every(kind: str) -> QuerySet[Any]:
    if kind == IMAGE:
        return RemovedImage.objects.select_related("blob", images.PARENTS)
    if kind == CONTAINER:
        removed = Container.objects.filter(removed_at__isnull=False)
        return removed.select_related("collection__entity")
    return Collection.objects.filter(removed_at__isnull=False).select_related("entity")


def _find(rows: QuerySet[Any], public_id: str, *, by: Caller | None) -> Any:
    """The removed thing that the caller may bring back; NotFound, in the same words, for all else.

    Conflict where what it was in was removed too: only at the terminal anybody learns of that.
    """
    found = first(rows.filter(public_id=public_id, kept_until__gt=Now()))
    if by is not None and not may_restore(by, found):
        raise missing(public_id)
    if found is None:
        raise missing(public_id)
    _check_parent_there(found)
    return found


def _check_parent_there(thing: Thing) -> None:
    above: list[Container | Collection] = []
    if isinstance(thing, RemovedImage):
        above = [thing.container.collection, thing.container]
    elif isinstance(thing, Container):
        above = [thing.collection]
    for place in above:
        if place.removed_at is not None:
            raise Conflict(f"{place} was removed too: bring that back first.")


def missing(public_id: str) -> Refusal:
    """The same words for what is not there, and for what is not the caller's to bring back."""
    return NotFound(
        f"Nothing that was removed has the id {public_id!r}, or it is kept no longer, or you may "
        "not bring it back."
    )


def _same(thing: Thing) -> QuerySet[Any]:
    """The row of the thing, as it is now; none where it is not removed any more."""
    model: Any = type(thing)
    rows: QuerySet[Any] = model.objects.filter(removed_at__isnull=False, pk=thing.pk)
    return rows


def _record(done: str, thing: Thing, *, by: Caller | None, **detail: Any) -> None:
    recording.record(f"{recording.kind_of(thing)}.{done}", thing, by=by, **detail)
