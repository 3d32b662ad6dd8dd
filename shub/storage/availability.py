"""Availability: whether the store answers at all; else what fails is no row's fault.

A store that is away fails every row. None of them is to be marked for it, or thousands would wait
out their pauses when it is back.
"""

from shub.errors import Unavailable
from shub.storage import NoSuchObject, object_store

# No blob is under it: a store that answers says so.
NOWHERE = "blobs/nowhere"


class StoreAway(Unavailable):
    """The store answers nothing just now."""


def check_answers() -> None:
    """StoreAway unless the store answers a small question."""
    try:
        object_store().stat(NOWHERE)
    except NoSuchObject:
        pass
    except Unavailable as error:
        raise StoreAway(error.message) from error
