"""Uploads in parts that the store has open and no row knows."""

from functools import partial

from django.utils import timezone

from shub.operations.figures import in_time
from shub.operations.fsck.course import Course
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.kinds import UNKNOWN_PARTS
from shub.storage import NoSuchObject, OpenParts, object_store
from shub.storage.keys import is_blob_key
from shub.uploads.models import Upload
from shub.uploads.sweeps import idle_since


def check(course: Course) -> None:
    """Look at all of them. Those that began lately may get their row at this moment: they are
    counted."""
    course.progress.begin("Uploads in parts", 0)
    for found in course.patiently(lambda: list(object_store().open_parts(timezone.now()))):
        course.counted["open uploads in parts"] += 1
        if not is_blob_key(found.key) or course.patiently(partial(_is_known, found)):
            continue
        if found.begun_at >= idle_since():
            course.counted["young uploads in parts that no row knows"] += 1
            continue
        if course.patiently(partial(_is_open, found)):
            age = in_time((timezone.now() - found.begun_at).total_seconds())
            mend = partial(drop, found)
            course.take(Finding(UNKNOWN_PARTS, found.key, f"begun {age} ago", mend))


def drop(found: OpenParts) -> str:
    """Have the store drop them."""
    if _is_known(found):
        return "is known now"
    object_store().abort_parts(found.key, found.store_id)
    return "dropped"


def _is_known(found: OpenParts) -> bool:
    return Upload.objects.filter(key=found.key, store_id=found.store_id).exists()


def _is_open(found: OpenParts) -> bool:
    try:
        object_store().list_parts(found.key, found.store_id)
    except NoSuchObject:
        return False
    return True
