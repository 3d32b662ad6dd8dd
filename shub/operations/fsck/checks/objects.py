"""Objects: every blob's row beside its object, both in the order of keys, neither held whole."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from django.utils import timezone

from shub.containers.models import Blob
from shub.operations.figures import in_time
from shub.operations.fsck import repairing
from shub.operations.fsck.course import Course, Options
from shub.operations.fsck.failures import NotFinished
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import GONE_OBJECT, UNKNOWN_OBJECT
from shub.operations.fsck.looking import Seen, images_of, judge, look
from shub.storage import Listed
from shub.storage.keys import is_blob_key
from shub.uploads.sweeps import idle_since

ROWS_AT_ONCE = 5000
REMEMBERED_EVERY = 1000


class Row(NamedTuple):
    """What of a blob's row is compared."""

    key: str
    state: str
    size: int


def check(course: Course) -> None:
    """Compare all rows with all objects."""
    after = str(course.position or "")
    total = course.patiently(Blob.objects.count)
    course.progress.begin("Objects and rows", total)
    pairs = joined(rows(course, after), ours(course, after))
    for number, (row, listed) in enumerate(pairs, start=1):
        key = row.key if row else listed.key if listed else ""
        course.counted["rows"] += bool(row)
        course.counted["objects"] += bool(listed)
        course.progress.advance(bool(row))
        if _is_suspicious(row, listed):
            _look_again(course, key, listed)
            course.reached(key)
        elif number % REMEMBERED_EVERY == 0:
            course.reached(key)


def rows(course: Course, after: str) -> Iterator[Row]:
    """The blobs' rows after this key, in the order of keys, some thousand at a time."""
    while True:
        page = course.patiently(partial(_page, after))
        yield from page
        if len(page) < ROWS_AT_ONCE:
            return
        after = page[-1].key


def _page(after: str) -> list[Row]:
    found = Blob.objects.filter(key__gt=after).order_by("key")
    return [Row(*each) for each in found.values_list("key", "state", "size")[:ROWS_AT_ONCE]]


def ours(course: Course, after: str) -> Iterator[Listed]:
    """The objects after this key whose keys are of our form. Others are counted, and left alone."""
    last = after
    for listed in course.objects(after):
        if not is_blob_key(listed.key):
            course.counted["foreign objects"] += 1
            continue
        if listed.key <= last:
            raise NotFinished(
                f"The store does not list its objects in the order of keys: {listed.key} came "
                f"after {last}. They cannot be compared with the rows."
            )
        last = listed.key
        yield listed


def joined(
    rows: Iterable[Row], objects: Iterable[Listed]
) -> Iterator[tuple[Row | None, Listed | None]]:
    """Rows and objects of one key beside each other; None where one has no other.

    >>> here = [Row("b", "proven", 1), Row("c", "proven", 1)]
    >>> there = [Listed("a", 1, None), Listed("b", 1, None)]
    >>> [(row and row.key, listed and listed.key) for row, listed in joined(here, there)]
    [(None, 'a'), ('b', 'b'), ('c', None)]
    """
    left, right = iter(rows), iter(objects)
    row, listed = next(left, None), next(right, None)
    while row or listed:
        if row and listed and row.key == listed.key:
            yield row, listed
            row, listed = next(left, None), next(right, None)
        elif listed is None or (row and row.key < listed.key):
            yield row, None
            row = next(left, None)
        else:
            yield None, listed
            listed = next(right, None)


def _is_suspicious(row: Row | None, listed: Listed | None) -> bool:
    if row is None:
        return True
    return judge(row.state, row.size, listed.size if listed else None) is not None


def _look_again(course: Course, key: str, listed: Listed | None) -> None:
    seen = course.patiently(partial(look, key))
    if seen.kind is None:
        return
    if seen.kind is UNKNOWN_OBJECT:
        course.take(_unknown(seen, listed, course.options))
        return
    mend = partial(repairing.mend_object, seen)
    course.take(
        Finding(
            seen.kind,
            key,
            seen.words,
            mend if seen.kind is GONE_OBJECT or seen.kind.repair else None,
            images=course.patiently(partial(images_of, seen.known.blob)),
        )
    )


def _unknown(seen: Seen, listed: Listed | None, options: Options) -> Finding:
    """Where its age is not known, or it is young, nobody removes it.

    Where there was an upload of it here, it is ours. Without one, its row has gone with a database
    that was put back, or it is of another registry in the same bucket: that a person has to say.
    """
    age = timezone.now() - listed.modified_at if listed else timedelta()
    old = bool(listed and listed.modified_at < idle_since())
    ours = bool(seen.known.upload) or options.remove_unknown
    words = f"{seen.words}, {in_time(age.total_seconds())} old"
    if not old:
        words += ": too young to be removed"
    elif not ours:
        words += ": there was no upload of it here, only --remove-unknown removes it"
    return Finding(
        UNKNOWN_OBJECT,
        seen.key,
        words,
        partial(repairing.remove_unknown, seen.key) if old and ours else None,
    )
