"""Dropping: what was removed goes for good once it is past the time that it is kept.

From that moment on nobody brings it back, so it does not matter how long the rest takes: the images
of a container, some hundred in a transaction, then the container that they were in, then the
collection. Whatever is killed in between, the next pass goes on. The database's clock counts, for
whoever drops and for whoever brings back, and each looks at it with the row locked.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import TypeVar, cast

from django.db import InterfaceError, OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from shub import retrying
from shub.accounts.callers import NOBODY
from shub.audit import trail
from shub.containers import blobs, images, removal, tagging
from shub.containers.models import Blob, Collection, Container, Image, RemovedImage
from shub.rows import in_transaction, is_row_busy

Row = TypeVar("Row", Image, RemovedImage)

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
    what was removed; how many went, without those that were brought back meanwhile."""
    containers = containers_past()
    due = RemovedImage.objects.filter(PAST | Q(container__in=containers.values("pk")))
    due = due.filter(retrying.due()).select_related("blob", images.PARENTS)
    count = _in_batches(list(due.order_by("container", "id")[:BATCH]), _drop_removed, _itself)
    if not containers.exists():
        return count  # as nearly always: the query below is not for nothing
    inside = Image.objects.filter(container__in=containers.filter(retrying.due()).values("pk"))
    inside = inside.select_related("blob", images.PARENTS)
    # What is in the way of an image stands on the container, which cannot go before it.
    return count + _in_batches(
        list(inside.order_by("container", "id")[:BATCH]), _drop_inside, _its_container
    )


def _itself(row: RemovedImage) -> retrying.Retried:
    return row


def _its_container(row: Image) -> retrying.Retried:
    return row.container


def _in_batches(
    rows: Sequence[Row],
    act: Callable[[Sequence[Row]], int],
    blamed: Callable[[Row], retrying.Retried],
) -> int:
    """Do the act for the rows of each container in one transaction; where something is in its way,
    for each row by itself, so that all others go. How many the act says it was done to."""
    count = 0
    for _, group in groupby(rows, key=attrgetter("container_id")):
        together = list(group)
        try:
            done = in_transaction(partial(act, together))
        except (InterfaceError, OperationalError) as error:
            if not is_row_busy(error):
                raise
            count += _one_by_one(together, act, blamed)
        except Exception:  # noqa: BLE001  whatever it is, a row is to blame, and it is found so
            count += _one_by_one(together, act, blamed)
        else:
            count += done
            if blamed(together[0]).failures:
                retrying.forget(blamed(together[0]))
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
        count += _attempt(container, partial(_drop_container, container))
    emptied = _collections_past().filter(retrying.due(), containers__isnull=True)
    for collection in emptied.select_related("entity").order_by("id")[:BATCH]:
        count += _attempt(collection, partial(_drop_collection, collection))
    return count


def _one_by_one(
    rows: Sequence[Row],
    act: Callable[[Sequence[Row]], int],
    blamed: Callable[[Row], retrying.Retried],
) -> int:
    return sum(_attempt(blamed(row), partial(act, [row])) for row in rows)


def _attempt(row: retrying.Retried, act: Callable[[], int]) -> int:
    """To how many the act was done, in a transaction of its own; none where something is in its
    way, which is then written on the row."""
    done: list[int] = []
    retrying.attempt(row, lambda: done.append(in_transaction(act)))
    return sum(done)


def _drop_removed(found: Sequence[RemovedImage]) -> int:
    """Removed images of one container; how many of them went."""
    keys = [removed.pk for removed in found]
    there = RemovedImage.objects.select_for_update().filter(pk__in=keys).order_by("pk")
    locked = set(there.values_list("pk", flat=True))
    going = set(RemovedImage.objects.filter(PAST, pk__in=locked).values_list("pk", flat=True))
    # Those that are not past their own time go only with what they were in. A container that is
    # there is left alone: pushes into it would wait.
    if going != locked and _lock_past(found[0].container):
        going = locked
    dropped = [removed for removed in found if removed.pk in going]
    RemovedImage.objects.filter(pk__in=going).delete()
    blobs.release(*{removed.blob_id for removed in dropped})
    _record_images(dropped)
    return len(dropped)


def _drop_inside(found: Sequence[Image]) -> int:
    """Images of one container that was removed, with their tags; how many of them went. The ledger
    has known nothing of them since then."""
    there = removal.locked(*found)
    if not there or not _lock_past(there[0].container):
        return 0
    tagging.drop(*there, by=NOBODY)
    Image.objects.filter(pk__in=[image.pk for image in there]).delete()
    blobs.release(*{image.blob_id for image in there if image.blob_id is not None})
    _record_images(there)
    return len(there)


def _record_images(dropped: Sequence[Image] | Sequence[RemovedImage]) -> None:
    sizes = dict(
        Blob.objects.filter(pk__in={image.blob_id for image in dropped}).values_list("pk", "size")
    )
    trail.record_all(
        trail.event(
            "image.dropped",
            kind="image",
            public_id=image.public_id,
            name=str(image),
            entity=image.container.collection.entity.public_id,
            by=NOBODY,
            size=sizes.get(cast("int", image.blob_id), 0),
        )
        for image in dropped
    )


def _drop_container(container: Container) -> int:
    # Locked wholly before it is looked into: who would put something into it waits, and finds it
    # gone.
    if not _lock_past(container):
        return 0
    if any(
        rows.exists() for rows in (container.images, container.removed_images, container.uploads)
    ):
        return 0
    _record("container.dropped", container)
    container.delete()
    return 1


def _drop_collection(collection: Collection) -> int:
    list(Collection.objects.select_for_update().filter(pk=collection.pk))
    past = _collections_past().filter(pk=collection.pk).exists()
    if not past or collection.containers.exists():
        return 0
    _record("collection.dropped", collection)
    collection.delete()
    return 1


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
