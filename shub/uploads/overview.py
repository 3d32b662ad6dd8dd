"""The overview: how much there is, what is under way and what is left lying."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.core.cache import caches
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from shub.accounts.administrators import check_sees_everything
from shub.accounts.callers import Caller
from shub.accounts.models import Entity, User
from shub.containers import blobs, fixity, ledger, usage
from shub.containers.models import Blob, Image, not_removed
from shub.uploads import attempts
from shub.uploads.models import Upload

State = Upload.State

# Counting all images and people reads their whole tables: it is done this often at most, however
# many look.
COUNTED_SECONDS = 60
LARGEST = 5
DAYS = 7

_KEY = "overview: what is stored"


@dataclass(frozen=True)
class Stored:
    """How much there is, as it was when it was counted, COUNTED_SECONDS ago at most."""

    people: int
    new_people: int
    robots: int
    entities: int
    images: int
    """Those whose bytes are there, and that are not removed."""
    bytes: int
    """Of every blob that is not gone; what several images share counts once."""
    reserved: int
    """Bytes that are promised to uploads under way."""
    largest: list[list[int]]
    """The LARGEST entities that store the most: key, stored and promised bytes of each."""


@dataclass(frozen=True)
class Work:
    """What is under way now, and what is not as it should be."""

    under_way: int
    waiting: int
    """Arrived, not yet verified."""
    waiting_since: datetime | None
    stuck: int
    failed: int
    """Refused or expired, of the last DAYS."""
    condemned: int
    """Blobs that no image needs, that are still stored and that the next sweep removes."""
    condemned_bytes: int
    kept: int
    """Blobs that no image needs and that are kept for a time."""
    kept_bytes: int
    rereading: fixity.Standing

    @property
    def damaged(self) -> int:
        """Blobs whose bytes are no longer what was proven."""
        return self.rereading.damaged

    @property
    def is_left_waiting(self) -> bool:
        """For so long that no sweep seems to run."""
        since = self.waiting_since
        return since is not None and timezone.now() - since > attempts.LEFT_WAITING


def stored(*, by: Caller) -> Stored:
    """How much there is. One query, or seven where it is counted anew."""
    check_sees_everything(by)
    cache = caches["default"]
    known = cache.get(_KEY)
    if isinstance(known, dict) and known.keys() == Stored.__dataclass_fields__.keys():
        return Stored(**known)
    counted = _count(by)
    cache.set(_KEY, asdict(counted), COUNTED_SECONDS)
    return counted


def _count(by: Caller) -> Stored:
    robots = Q(robot_entity__isnull=False) | Q(robot_team__isnull=False)
    week = timezone.now() - timedelta(days=DAYS)
    users = User.objects.aggregate(
        people=Count("pk", filter=~robots),
        new_people=Count("pk", filter=~robots & Q(date_joined__gte=week)),
        robots=Count("pk", filter=robots),
    )
    site = ledger.site()
    return Stored(
        **users,
        entities=Entity.objects.filter(retired_at__isnull=True).count(),
        images=Image.objects.filter(
            not_removed("container", "container__collection"), blob__isnull=False
        ).count(),
        bytes=site.stored_bytes,
        reserved=site.reserved_bytes,
        largest=[
            [each.entity.pk, each.bytes, each.reserved]
            for each in usage.by_entity(by=by, count=LARGEST)
        ],
    )


def largest(counted: Stored) -> list[usage.Used]:
    """The entities that store the most, with the quotas that they have now. One query."""
    entities = Entity.objects.in_bulk([key for key, _, _ in counted.largest])
    return [
        usage.Used(entities[key], stored, usage.quota_bytes(entities[key]), reserved)
        for key, stored, reserved in counted.largest
        if key in entities
    ]


def work(*, by: Caller) -> Work:
    """What is under way. Five queries."""
    check_sees_everything(by)
    now = Upload.objects.filter(state__in=Upload.UNDER_WAY).aggregate(
        under_way=Count("pk", filter=Q(state__in=[State.OPEN, State.JOINING])),
        waiting=Count("pk", filter=Q(state=State.VERIFYING)),
        waiting_since=Min("active_at", filter=Q(state=State.VERIFYING)),
        stuck=Count("pk", filter=attempts.stuck()),
    )
    going = Blob.objects.filter(state__in=blobs.STORED_FOR_NOBODY).aggregate(
        condemned=Count("pk", filter=blobs.NOT_KEPT),
        condemned_bytes=Sum("size", default=0, filter=blobs.NOT_KEPT),
        kept=Count("pk", filter=blobs.KEPT),
        kept_bytes=Sum("size", default=0, filter=blobs.KEPT),
    )
    return Work(
        **now,
        failed=attempts.failed_since(DAYS).count(),
        **going,
        rereading=fixity.standing(),
    )
