"""The sweep: whether one runs, and whether it keeps up."""

from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Min
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options
from shub.uploads import attempts, beats
from shub.uploads.models import SweepBeat, Upload

DEAD = fault(
    "sweep-dead",
    _(
        "What is pushed is never verified: pushes wait, then say that the image is being "
        "verified, and it cannot be pulled. Nothing is tidied up."
    ),
    _(
        "Start it: ./manage.py sweep (in compose: docker compose up -d sweep), and have it "
        "start by itself. Its log says why it ended."
    ),
)
BEHIND = warning(
    "sweep-behind",
    _("Images can be pulled only long after their push."),
    _(
        "Raise SWEEP_THREADS, run a second sweep, or see why the store reads slowly; the "
        "sweep's log names what fails."
    ),
)


def look(options: Options) -> list[Finding]:
    """Its beats, and the oldest upload that waits for it."""
    try:
        return [_looked()]
    except DatabaseError:
        return [skipped("The database is not reached: see database.")]


def _looked() -> Finding:
    waiting = Upload.objects.filter(state=Upload.State.VERIFYING)
    since = waiting.aggregate(since=Min("active_at"))["since"]
    waits = timezone.now() - since if since else timedelta()
    alive = beats.alive()
    if not alive:
        return DEAD.found(_last())
    if waits > attempts.LEFT_WAITING:
        return BEHIND.found(f"the oldest upload waits since {waits.total_seconds():.0f} s")
    return well(f"Sweeps that run: {len(alive)}; nothing waits for long.")


def _last() -> str:
    last = SweepBeat.objects.order_by("-seen_at").first()
    if last is None:
        return "no sweep says that it runs"
    return f"the last sweep, on {last.host}, was seen at {last.seen_at:%Y-%m-%d %H:%M:%S} UTC"
