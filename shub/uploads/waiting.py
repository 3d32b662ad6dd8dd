"""Waiting, on behalf of a client, for what verification finds: bounded in time and in number."""

from functools import lru_cache
from time import monotonic, sleep

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from shub import stopping
from shub.containers import blobs
from shub.containers.models import Blob
from shub.places import Places
from shub.uploads.models import Upload

# Most images are small and proven within these; for a large one a look now and then is enough.
FIRST_LOOKS_SECONDS = 0.02
LATER_LOOKS_SECONDS = 0.1
FIRST_SECONDS = 1.0


def wait_for_verdict(upload: Upload) -> Upload:
    """The upload once it is done or refused; or as it is, when it takes too long.

    It takes at most VERIFY_WAIT_SECONDS, and no time at all when VERIFY_WAITERS threads of this
    process wait already: the others must stay free to answer. Nor does it hold up a server that is
    told to end: the image is then verified all the same. A refusal counts at once where the refused
    bytes are kept for a while, else once they are gone.
    """
    if _is_settled(upload) or not _places().take():
        return upload
    try:
        begun = monotonic()
        while not _is_settled(upload) and not stopping.is_told():
            if monotonic() - begun >= settings.VERIFY_WAIT_SECONDS:
                break
            early = monotonic() - begun < FIRST_SECONDS
            sleep(FIRST_LOOKS_SECONDS if early else LATER_LOOKS_SECONDS)
            look_again(upload)
        return upload
    finally:
        _places().leave()


def look_again(upload: Upload) -> None:
    """The upload as it is now; as it was, while the database is away: it is not over for that."""
    try:
        upload.refresh_from_db()
    except (OperationalError, InterfaceError):
        connection.close()


def _is_settled(upload: Upload) -> bool:
    if upload.state == Upload.State.REFUSED and upload.blob_id is not None:
        return not Blob.objects.filter(blobs.NOT_KEPT, pk=upload.blob_id).exists()
    return upload.state not in {Upload.State.JOINING, Upload.State.VERIFYING}


@lru_cache(maxsize=1)
def _places() -> Places:
    return Places(settings.VERIFY_WAITERS)
