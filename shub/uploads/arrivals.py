"""Arrivals: what became of the uploads of an image, for those who may push it."""

from django.db.models import BooleanField, Case, QuerySet, When

from shub.containers.models import Container, Image
from shub.rows import first
from shub.uploads.bringing_back import KEPT
from shub.uploads.models import Upload

State = Upload.State

# How many a page shows.
MOST_SHOWN = 20

SHOWN = (*Upload.UNDER_WAY, State.REFUSED)


def latest(image: Image) -> Upload | None:
    """The latest attempt to send the image; None where there is none."""
    return first(image.uploads.order_by("-id"))


def last_refused(container: Container, *, digest: str) -> Upload | None:
    """The latest upload of this hash that was refused there, and says why and whether it can be
    verified again; None for none."""
    return first(_shown(container).filter(digest=digest, state=State.REFUSED).order_by("-id"))


def under_way_or_refused(container: Container) -> list[Upload]:
    """The latest uploads that are on their way into the container, or were refused there; each says
    whether it can be verified again."""
    return list(_shown(container).filter(state__in=SHOWN).order_by("-id")[:MOST_SHOWN])


def _shown(container: Container) -> QuerySet[Upload]:
    kept = Case(When(KEPT, then=True), default=False, output_field=BooleanField())
    uploads = container.uploads.select_related("created_by", "blob")
    return uploads.annotate(can_be_verified_again=kept)
