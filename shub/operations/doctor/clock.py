"""This machine's clock, against the store's and the database's."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.db import DatabaseError, connection
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.asking import NotReached
from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

# S3 refuses what was signed more than a quarter of an hour away.
REFUSED_SECONDS = 15 * 60
NOTED_SECONDS = 60

FAR = fault(
    "clock-refused",
    _(
        "The store refuses all that this server signs: pushes end with 503, and pulls write "
        "the refusal into the image."
    ),
    _(
        "Set the clocks of this machine and of the {other} by NTP (chrony, "
        "systemd-timesyncd). The clients' own clocks play no part."
    ),
)
OFF = warning(
    "clock-off",
    _(
        "Nothing fails yet; at 15 minutes the store refuses all signatures. Addresses live "
        "longer or shorter than was meant."
    ),
    _("Set the clocks of this machine and of the {other} by NTP (chrony, systemd-timesyncd)."),
)


def look(options: Options) -> list[Finding]:
    """The difference to each, in whole seconds."""
    told = {"store": _of_store(options), "database": _of_database()}
    known = {name: round(seconds) for name, seconds in told.items() if seconds is not None}
    if not known:
        return [skipped("Neither the store nor the database says what time it is.")]
    found = [_far(name, seconds) for name, seconds in known.items() if abs(seconds) > NOTED_SECONDS]
    agrees = " and ".join(f"{seconds:+d} s to the {name}" for name, seconds in known.items())
    return found or [well(f"The clocks agree: {agrees}.")]


def _far(other: str, seconds: int) -> Finding:
    which = FAR if other == "store" and abs(seconds) > REFUSED_SECONDS else OFF
    ahead = "ahead of" if seconds > 0 else "behind"
    return which.found(
        f"this machine's clock is {abs(seconds)} s {ahead} the {other}'s", other=other
    )


def _of_store(options: Options) -> float | None:
    from shub.operations.doctor.store import ask_inside

    try:
        # Signed by nobody: the Date comes with the refusal too.
        answer = ask_inside(options, "GET", "/", ("nobody", "nothing"))
        moment = parsedate_to_datetime(answer.headers["date"])
    except (NotReached, KeyError, ValueError):
        return None
    return float((datetime.now(UTC) - moment).total_seconds())


def _of_database() -> float | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            (moment,) = cursor.fetchone()
    except DatabaseError:
        return None
    return float((datetime.now(UTC) - moment).total_seconds())
