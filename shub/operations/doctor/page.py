"""`/admin-area/doctor`: the last report, and a button that has everything looked at anew."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from shub.accounts.administrators import check_administrator
from shub.accounts.callers import Caller
from shub.errors import Conflict
from shub.operations.doctor.examining import examine
from shub.operations.doctor.finding import Finding, State, worst
from shub.operations.doctor.options import brief
from shub.web.admin_area.frame import for_administrators, frame
from shub.web.refusals import attempt
from shub.web.site import caller

LAST = "doctor: the last report"
LAST_SECONDS = 30 * 24 * 3600

# One examination at a time: each holds two of the web server's threads.
UNDER_WAY = "doctor: under way"


@dataclass(frozen=True)
class Kept:
    """A report as it was kept."""

    at: datetime
    findings: list[Finding]

    @property
    def state(self) -> State:
        """The worst of all."""
        return worst(self.findings)

    @property
    def wrong(self) -> list[Finding]:
        """What there is to do, the worst first."""
        return [
            each
            for state in (State.FAULT, State.WARNING)
            for each in self.findings
            if each.state is state
        ]

    @property
    def rest(self) -> list[Finding]:
        """What is well, and what was not looked at."""
        return [each for each in self.findings if not each.code]


@for_administrators
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: HttpRequest) -> HttpResponse:
    """The last report; a POST makes a new one, which takes half a minute at most."""
    if request.method == "POST":
        by = caller(request)
        attempt(request, lambda: run(by=by), done=_("Everything was looked at."))
        return redirect("admin-doctor")
    return render(
        request,
        "operations/doctor.html",
        {**frame(request), "report": last(), "seconds": brief().total_seconds},
    )


def run(*, by: Caller) -> None:
    """Look at everything, and keep the report. Conflict while somebody else does."""
    check_administrator(by)
    cache, options = caches["default"], brief()
    if not cache.add(UNDER_WAY, True, round(options.total_seconds) + 10):
        raise Conflict("An examination is under way. Look again in half a minute.")
    try:
        report = examine(options)
        kept: dict[str, Any] = {"at": timezone.now().isoformat(), **report.as_json()}
        cache.set(LAST, kept, LAST_SECONDS)
    finally:
        cache.delete(UNDER_WAY)


def last() -> Kept | None:
    """The report that was kept last; None where there is none that can be read."""
    told = caches["default"].get(LAST)
    try:
        findings = [Finding.from_json(each) for each in told["findings"]]
        return Kept(datetime.fromisoformat(told["at"]), findings)
    except (TypeError, KeyError, ValueError):
        return None
