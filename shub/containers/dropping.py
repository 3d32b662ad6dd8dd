"""Dropping: what was removed goes for good once it is past the time that it is kept.

From that moment on nobody brings it back, so it does not matter how long the rest takes: images one
by one, each in a transaction of its own, then the container that they were in, then the collection.
Whatever is killed in between, the next pass goes on. The database's clock counts, for whoever drops
and for whoever brings back, and each looks at it with the row locked.
"""

from functools import partial

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from shub import retrying
from shub.accounts.callers import NOBODY
from shub.audit import trail
from shub.containers import blobs, images, removal
from shub.containers.models import Collection, Container, Image, RemovedImage
from shub.rows import first, in_transaction

# What one pass drops at most of each kind, so that it keeps no other sweep waiting.
BATCH = 500

PAST = Q(kept_until__lte=Now())


def containers_past() -> QuerySet[Container]:
    """The containers that are past their time, by themselves or with their collection."""
    # Keys, not a query in the query: Postgres then knows how few they are.
    collections = list(_collections_past().values_list("pk", flat=True))
    return Container.objects.filter(
        Q(PAST, removed_at__isnull=False) | Q(collection__in=collections)
    )


def _collections_past() -> QuerySet[Collection]:
    return Collection.objects.filter(PAST, removed_at__isnull=False)


def drop_images() -> int:
    """Drop images past their time, up to a batch of those removed by themselves, and of those in
    what was removed; how many."""
    containers = containers_past()
    due = RemovedImage.objects.filter(PAST | Q(container__in=containers.values("pk")))
    count = 0
    due = due.filter(retrying.due())
    for removed in due.select_related("blob", images.PARENTS).order_by("id")[:BATCH]:
        count += retrying.attempt(removed, partial(in_transaction, partial(_drop_removed, removed)))
    if not containers.exists():
        return count  # as nearly always: the query below is not for nothing
    inside = Image.objects.filter(container__in=containers.filter(retrying.due()).values("pk"))
    for image in inside.select_related("blob", images.PARENTS).order_by("id")[:BATCH]:
        # It stands on the container, which cannot go before its images.
        drop = partial(in_transaction, partial(_drop_image, image))
        count += retrying.attempt(image.container, drop)
    return count


def drop_places() -> int:
    """Drop containers past their time that nothing is in any more, then collections; how many.

    Up to a batch of each.
    """
    empty = containers_past().filter(
        retrying.due(), images__isnull=True, removed_images__isnull=True, uploads__isnull=True
    )
    count = 0
    for container in empty.select_related("collection__entity").order_by("id")[:BATCH]:
        drop = partial(in_transaction, partial(_drop_container, container))
        count += retrying.attempt(container, drop)
    emptied = _collections_past().filter(retrying.due(), containers__isnull=True)
    for collection in emptied.select_related("entity").order_by("id")[:BATCH]:
        drop = partial(in_transaction, partial(_drop_collection, collection))
        count += retrying.attempt(collection, drop)
    return count


def _drop_removed(found: RemovedImage) -> None:
    removed = first(RemovedImage.objects.select_for_update().filter(pk=found.pk))
    if removed is None:
        return
    past = RemovedImage.objects.filter(PAST, pk=removed.pk).exists()
    if not past and not _lock_past(found.container):
        return
    removed.delete()
    blobs.release(removed.blob_id)
    trail.record(
        "image.dropped",
        kind="image",
        public_id=found.public_id,
        name=str(found),
        entity=found.container.collection.entity.public_id,
        by=NOBODY,
        size=found.blob.size,
    )


def _drop_image(found: Image) -> None:
    image = removal.locked(found)
    if image is not None and _lock_past(found.container):
        removal.take_out(image, action="image.dropped", by=NOBODY)


def _drop_container(container: Container) -> None:
    # Locked wholly before it is looked into: who would put something into it waits, and finds it
    # gone.
    if not _lock_past(container):
        return
    if any(
        rows.exists() for rows in (container.images, container.removed_images, container.uploads)
    ):
        return
    _record("container.dropped", container)
    container.delete()


def _drop_collection(collection: Collection) -> None:
    list(Collection.objects.select_for_update().filter(pk=collection.pk))
    past = _collections_past().filter(pk=collection.pk).exists()
    if past and not collection.containers.exists():
        _record("collection.dropped", collection)
        collection.delete()


def _lock_past(container: Container) -> bool:
    """Whether it is past its time, and not brought back by somebody at this moment. In the order of
    who freezes: the collection, then the container."""
    list(Collection.objects.select_for_update(no_key=True).filter(pk=container.collection_id))
    list(Container.objects.select_for_update().filter(pk=container.pk))
    return containers_past().filter(pk=container.pk).exists()


def _record(action: str, place: Container | Collection) -> None:
    entity = (place if isinstance(place, Collection) else place.collection).entity
    trail.record(
        action,
        kind=action.partition(".")[0],
        public_id=place.public_id,
        name=str(place),
        entity=entity.public_id,
        by=NOBODY,
    )
