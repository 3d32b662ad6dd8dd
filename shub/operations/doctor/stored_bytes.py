"""Stored bytes: whether any are damaged, and whether all are read again within their time."""

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shub.containers import fixity
from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

DAMAGED = fault(
    "bytes-damaged",
    _("Images are seen whose stored bytes are damaged: nobody can pull them."),
    _(
        "./manage.py fsck names them. Push the same files again, or put the objects back from a "
        "backup and run ./manage.py fsck --repair. Find out what damaged them: the store's disks, "
        "or somebody who writes into the bucket."
    ),
)
UNREADABLE = warning(
    "bytes-unreadable",
    _("The store breaks off when some images are read: their pulls may fail."),
    _("See the store's log, and ./manage.py fsck --only rows: it says what was in the way."),
)
BEHIND = warning(
    "fixity-behind",
    _("Damage in the store may be found only when somebody needs the image."),
    _(
        "See that a sweep runs; raise FIXITY_MIB_PER_SECOND, or FIXITY_DAYS where the store cannot "
        "give more."
    ),
)


def look(options: Options) -> list[Finding]:
    """Damaged blobs, those that could not be read, and how long ago the oldest was."""
    try:
        standing = fixity.standing()
    except DatabaseError:
        return [skipped("The database is not reached: see database.")]
    return _findings(standing) or [well(_said(standing))]


def _findings(standing: fixity.Standing) -> list[Finding]:
    found = []
    if standing.damaged:
        found.append(DAMAGED.found(f"damaged blobs: {standing.damaged}"))
    if standing.unreadable:
        found.append(UNREADABLE.found(f"blobs that could not be read: {standing.unreadable}"))
    if standing.is_behind:
        found.append(BEHIND.found(_said(standing)))
    return found


def _said(standing: fixity.Standing) -> str:
    if not standing.is_on:
        return "No blob is damaged that is known; none is read again (FIXITY_DAYS=0)."
    if standing.oldest is None:
        return "Nothing is stored yet."
    days = (timezone.now() - standing.oldest).days
    return f"All was read or proven within {days} days, of {settings.FIXITY_DAYS}."
