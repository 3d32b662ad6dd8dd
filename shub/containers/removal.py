"""Removal: an image goes with its tags, a container or a collection with all that is in it.

What is removed is there for nobody from that moment on, and counts for no quota. Until it is past
REMOVED_KEEP_DAYS it can be brought back (`shub.containers.restoring`); then the sweep drops it
(`shub.containers.dropping`), and its bytes go when no other image has them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from shub import retrying
from shub.accounts.callers import NOBODY, Caller
from shub.containers import blobs, images, ledger, recording, tagging
from shub.containers.admission import check_may_delete, check_may_remove, check_not_frozen
from shub.containers.models import (
    Blob,
    Collection,
    Container,
    Image,
    RemovedImage,
    Tag,
    Visibility,
    not_removed,
)
from shub.containers.models.image import FACTS
from shub.containers.permissions import containers_visible_to
from shub.containers.refs import LibraryRef
from shub.errors import Conflict
from shub.rows import first, in_transaction

# What one pass removes of deleted accounts at most, so that it keeps no other sweep waiting.
BATCH = 500

# How many tags are named beforehand.
MOST_NAMED = 10

# What a removed image has as it was.
KEPT = ("public_id", "digest", "description", "download_count", "created_at", "created_by_id")


@dataclass(frozen=True)
class Foreseen:
    """What a removal would take."""

    containers: int
    """In a collection; else 0."""
    images: int
    tags: int
    size: int
    """Bytes that no other image has that the caller may see. Who else has them is not told: naming
    bytes tells nobody that they are there."""
    tag_names: list[str]
    """The first of them."""
    until: datetime | None
    """Until when it could be undone; None: it could not."""


def foresee(thing: Image | Container | Collection, *, by: Caller) -> Foreseen:
    """What its removal would take, at this moment; refused as the removal would be."""
    _check_may_take(thing, by=by)
    inside = _images_of(thing)
    tags = Tag.objects.filter(_within(thing, own="image"))
    names = tags.order_by("name").values_list("name", flat=True).distinct()
    return Foreseen(
        containers=_containers_of(thing).count() if isinstance(thing, Collection) else 0,
        images=inside.count(),
        tags=tags.count(),
        size=_freed_bytes(thing, by=by),
        tag_names=list(names[:MOST_NAMED]),
        until=kept_until(),
    )


def kept_until() -> datetime | None:
    """Until when what is removed now can be brought back; None where it goes at once."""
    days = settings.REMOVED_KEEP_DAYS
    return timezone.now() + timedelta(days=days) if days else None


def remove_image(ref: LibraryRef, *, arch: str, by: Caller) -> Image:
    """Remove the image that the reference means, with all its tags; the image as it was.

    By hash or SIF id, `arch` does not count. By tag it is the image of this arch; without an arch,
    the only one. NotFound as in `images.find_image`; Conflict where a tag means images of several
    archs and none is named, and where something is frozen; Denied for one who may see the image and
    not delete it.
    """
    found = images.find_image(ref, arch=arch, by=by)
    check_may_delete(by, found.container)
    if not (arch or ref.digest or ref.sif_id):
        _check_only_arch(ref, found.container)
    in_transaction(lambda: _remove_image(found, by=by))
    return found


def remove_container(container: Container, *, by: Caller) -> None:
    """Remove the container with all that is in it. Conflict where it, or a tag in it, is frozen.

    By those who may remove images there. Again is no error.
    """
    check_may_remove(by, container)
    in_transaction(partial(_remove_place, container, by=by))


def remove_collection(collection: Collection, *, by: Caller) -> None:
    """Remove the collection with all that is in it. Conflict where something in it is frozen.

    By its owners. Again is no error.
    """
    check_may_remove(by, collection)
    in_transaction(partial(_remove_place, collection, by=by))


def empty_retired() -> int:
    """Remove images of entities whose account was deleted, up to a batch of them; how many.

    Frozen ones too, and at once: who deleted the account was told so. One by one, each in a
    transaction of its own: whatever is killed in between, the next pass goes on.
    """
    # One may have been made while the account was deleted.
    Collection.objects.filter(entity__retired_at__isnull=False).exclude(
        visibility=Visibility.PRIVATE
    ).update(visibility=Visibility.PRIVATE)
    _end_keeping()
    due = Container.objects.filter(retrying.due(), collection__entity__retired_at__isnull=False)
    left = Image.objects.filter(container__in=due.values("pk"))
    count = 0
    for image in left.select_related("blob", images.PARENTS).order_by("id")[:BATCH]:
        # What is in the way stands on the container: an image goes too soon to say it.
        remove = partial(in_transaction, partial(_remove_retired, image))
        count += retrying.attempt(image.container, remove)
    return count


def _end_keeping() -> None:
    """What was removed of such entities is past its time: nobody brings it back."""
    now = timezone.now()
    Collection.objects.filter(entity__retired_at__isnull=False, kept_until__gt=now).update(
        kept_until=now
    )
    Container.objects.filter(
        collection__entity__retired_at__isnull=False, kept_until__gt=now
    ).update(kept_until=now)
    RemovedImage.objects.filter(
        container__collection__entity__retired_at__isnull=False, kept_until__gt=now
    ).update(kept_until=now)


def _remove_image(found: Image, *, by: Caller) -> None:
    image = next(iter(locked(found)), None)
    if image is None:
        return  # by another request at this moment: it is gone, as was asked
    _check_still_not_frozen(image)
    tagging.check_no_frozen_tag(image)
    take_out(image, action="image.removed", until=kept_until(), by=by)
    ledger.balance(image.container.collection.entity_id, [image.digest])


def _remove_retired(found: Image) -> None:
    for image in locked(found):
        take_out(image, action="image.removed", by=NOBODY)
        ledger.balance(image.container.collection.entity_id, [image.digest])


def locked(*found: Image) -> list[Image]:
    """The images as they are now, and nobody changes them until the commit: those that are still
    there, in the order of their keys. Three statements."""
    keys = [image.pk for image in found]
    # The uploads first, as whoever proves or refuses one of them locks them: upload, then image.
    uploads: Any = Image.uploads.rel.related_model
    list(uploads.objects.select_for_update().filter(image__in=keys).order_by("pk"))
    of = {image.pk: image.container for image in found}
    there = list(Image.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
    for image in there:
        image.container = of[image.pk]
    tagging.lock_pending(*there)
    return there


def take_out(image: Image, *, action: str, by: Caller, until: datetime | None = None) -> None:
    """Take the locked image out, with its tags: to be kept until that moment, or for good.

    Runs in the caller's transaction.
    """
    tags = tagging.drop(image, by=by)
    name, size, blob_id = str(image), image.blob.size if image.blob else 0, image.blob_id
    image.delete()
    if blob_id is not None and until is not None:
        as_it_was = {field: getattr(image, field) for field in (*KEPT, *FACTS)}
        RemovedImage.objects.create(
            **as_it_was,
            container=image.container,
            blob_id=blob_id,
            tags=tags,
            removed_by=by.name,
            kept_until=until,
        )
    elif blob_id is not None:
        blobs.release(blob_id)
    recording.record(action, image, by=by, name=name, size=size)


def _remove_place(place: Container | Collection, *, by: Caller) -> None:
    # Nothing in it is touched: a collection of very many images goes as fast as an empty one.
    model = type(place)
    now = first(model.objects.select_for_update(no_key=True).filter(pk=place.pk))
    if now is None or now.removed_at is not None:
        return
    _check_nothing_frozen(place)
    now.removed_at = timezone.now()
    now.removed_by = by.name
    now.kept_until = kept_until() or now.removed_at
    now.save(update_fields=["removed_at", "removed_by", "kept_until"])
    action = f"{recording.kind_of(place)}.removed"
    recording.record(action, place, by=by, images=_images_of(place).count())
    ledger.balance_place(place)


def _check_may_take(thing: Image | Container | Collection, *, by: Caller) -> None:
    if isinstance(thing, Image):
        check_may_delete(by, thing.container)
        tagging.check_no_frozen_tag(thing)
    else:
        check_may_remove(by, thing)
        _check_nothing_frozen(thing)


def _check_nothing_frozen(place: Container | Collection) -> None:
    """Conflict where the place, or something in it, is frozen. Who freezes locks both."""
    containers = _containers_of(place)
    frozen = first(containers.filter(is_frozen=True).select_related("collection__entity"))
    if frozen is not None:
        raise Conflict(
            f"{frozen} is frozen: it is not removed, and neither is what it is in. Ask a "
            "maintainer to unfreeze it first."
        )
    tags = Tag.objects.filter(_within(place), is_frozen=True)
    tag = first(tags.select_related("container__collection__entity"))
    if tag is not None:
        raise Conflict(
            f"The tag {tag.container}:{tag.name} is frozen: what it is in is not removed. Ask a "
            "maintainer to unfreeze it first."
        )


def _containers_of(place: Container | Collection) -> QuerySet[Container]:
    if isinstance(place, Container):
        return Container.objects.filter(pk=place.pk)
    return Container.objects.filter(not_removed(""), collection=place)


def _images_of(thing: Image | Container | Collection) -> QuerySet[Image]:
    """Those with bytes: what was merely announced is nothing that anybody would miss."""
    return Image.objects.filter(_within(thing), blob__isnull=False)


def _within(thing: Image | Container | Collection, *, own: str = "pk") -> Q:
    """The rows that go with it: images, or with `own="image"` tags. By joins, and not by a query in
    a query, which Postgres would plan by guesses."""
    if isinstance(thing, Image):
        return Q(**{own: thing.pk})
    if isinstance(thing, Container):
        return Q(container=thing)
    return Q(not_removed("container"), container__collection=thing)


def _freed_bytes(thing: Image | Container | Collection, *, by: Caller) -> int:
    others = Image.objects.filter(~_within(thing), container__in=containers_visible_to(by))
    freed = Blob.objects.filter(
        ~Exists(others.filter(blob=OuterRef("pk"))), pk__in=_images_of(thing).values("blob")
    )
    return int(freed.aggregate(total=Sum("size"))["total"] or 0)


def _check_still_not_frozen(image: Image) -> None:
    """Conflict where the container was frozen since: who freezes it, or a tag in it, locks it."""
    check_not_frozen(Container.objects.select_for_update(no_key=True).get(pk=image.container_id))


def _check_only_arch(ref: LibraryRef, container: Container) -> None:
    """Conflict when the tag means images of several archs: none of them is guessed at.

    The reference may have former names: the container is the one that it means.
    """
    tags = Tag.objects.filter(container=container, name=ref.tag)
    arches = [arch or "unknown" for arch in tags.values_list("arch", flat=True)]
    if len(arches) > 1:
        raise Conflict(
            f"The tag {ref} means images of several architectures: {', '.join(sorted(arches))}. "
            "Name one by --arch, or name the image by its hash."
        )
