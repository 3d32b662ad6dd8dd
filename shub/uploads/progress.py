"""Progress: what became of what somebody sends at this moment, for their own eyes."""

from dataclasses import dataclass
from datetime import datetime

from shub.accounts.callers import Caller
from shub.accounts.models import User
from shub.audit.models import Event
from shub.containers.models import Image
from shub.rows import first
from shub.uploads.attempts import among_the_newest
from shub.uploads.models import Upload

State = Upload.State

WAITING, ARRIVING, VERIFYING, ARRIVED, REFUSED, GIVEN_UP = (
    "waiting",
    "arriving",
    "verifying",
    "arrived",
    "refused",
    "given-up",
)

TAGGED = "tag.moved"

# Asked every few seconds by each who waits: somebody's whole past is not read each time.
LOOKED_THROUGH = 10_000

STAGES: dict[str, str] = {
    State.OPEN: ARRIVING,
    State.JOINING: VERIFYING,
    State.VERIFYING: VERIFYING,
    State.DONE: ARRIVED,
    State.REFUSED: REFUSED,
    State.EXPIRED: GIVEN_UP,
    State.ABORTED: GIVEN_UP,
}


@dataclass(frozen=True)
class Progress:
    """How far the newest push has come."""

    stage: str
    """WAITING, where nothing has been sent; else one of STAGES."""
    upload: Upload | None = None
    place: str = ""
    """The container, as ENTITY/COLLECTION/CONTAINER; empty while nothing is known of one."""

    @property
    def seen(self) -> str:
        """What changes when there is something new to see: the stage, and tenths of verifying."""
        if self.stage == VERIFYING and self.upload is not None:
            return f"{self.stage}-{self.upload.verified_percent // 10}"
        return self.stage

    @property
    def is_over(self) -> bool:
        """Nothing more becomes of it."""
        return self.stage in {ARRIVED, REFUSED}


@dataclass(frozen=True)
class Steps:
    """Which steps of a first push somebody has behind them."""

    has_token: bool = False
    has_used_token: bool = False
    has_pushed: bool = False


def newest(*, since: datetime, by: Caller) -> Progress:
    """Of what the caller themselves began to send since then, the newest. Three queries at most.

    Bytes that the registry has already are not sent again: then the tag that was set is all there
    is to see.
    """
    user = by.signed_in
    if user is None:
        return Progress(WAITING)
    found = first(
        Upload.objects.filter(
            among_the_newest(LOOKED_THROUGH), created_by=user, created_at__gte=since
        )
        .select_related("container__collection__entity", "image")
        .order_by("-id")
    )
    if found is not None:
        return Progress(STAGES[found.state], found, str(found.container))
    # Who had the name before was somebody else.
    since = max(since, user.date_joined)
    tagged = Event.objects.filter(actor=user.username, at__gte=since, action=TAGGED)
    name = next(iter(tagged.order_by("-at").values_list("name", flat=True)[:1]), "")
    return Progress(ARRIVED, place=name.rpartition(":")[0]) if name else Progress(WAITING)


def steps(*, by: Caller) -> Steps:
    """What the caller has done already. Three queries, or none."""
    user: User | None = by.signed_in
    if user is None:
        return Steps()
    valid = user.tokens.valid()
    return Steps(
        has_token=valid.exists(),
        has_used_token=valid.filter(last_used_at__isnull=False).exists(),
        has_pushed=Image.objects.filter(created_by=user, blob__isnull=False).exists(),
    )
