"""Arrivals: what became of the uploads of an image, for those who may push it."""

from django.db.models import BooleanField, Case, When

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
    """The latest upload of this hash that was refused there, and says why; None for none."""
    refused = container.uploads.filter(digest=digest, state=State.REFUSED)
    return first(refused.order_by("-id"))


def under_way_or_refused(container: Container) -> list[Upload]:
    """The latest uploads that are on their way into the container, or were refused there; each says
    whether it can be verified again."""
    kept = Case(When(KEPT, then=True), default=False, output_field=BooleanField())
    shown = container.uploads.filter(state__in=SHOWN).select_related("created_by", "blob")
    shown = shown.annotate(can_be_verified_again=kept)
    return list(shown.order_by("-id")[:MOST_SHOWN])
