"""The examination: all checks, several at once, each bounded, in one report."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from django.db import connection
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.checks import CHECKS, Check
from shub.operations.doctor.finding import Finding, State, warning, worst
from shub.operations.doctor.options import Options

logger = logging.getLogger(__name__)

NOT_FINISHED = warning(
    "not-finished",
    _("Nothing is known of this: it was not found out in time."),
    _("Look at what the other findings say, mend that, and examine again."),
)
NOT_EXAMINED = warning(
    "not-examined",
    _("Nothing is known of this: looking at it failed in a way that was not foreseen."),
    _("Examine again with --only {check}; the log has the details."),
)

# Told with each finding, as it comes.
Told = Callable[[Finding], None]


@dataclass(frozen=True)
class Report:
    """What was found, in the order of the checks, and how long it took."""

    findings: list[Finding]
    seconds: float

    @property
    def state(self) -> State:
        """The worst of all."""
        return worst(self.findings)

    def as_json(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {
            "state": str(self.state),
            "seconds": round(self.seconds, 1),
            "findings": [each.as_json() for each in self.findings],
        }


def examine(
    options: Options, only: Sequence[str] = (), told: Told = lambda finding: None
) -> Report:
    """Look at everything, or only at some; what is not known at the end of the time says so."""
    began = monotonic()
    chosen = [check for check in CHECKS if not only or check.name in only]
    work = _Work(options, told)
    lanes = [[each for each in chosen if each.lane == lane] for lane in _lanes(chosen)]
    threads = [threading.Thread(target=work.run, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, began + options.total_seconds - monotonic()))
    return Report(work.finish(chosen), monotonic() - began)


def _lanes(chosen: Sequence[Check]) -> list[str]:
    return list(dict.fromkeys(check.lane for check in chosen))


@dataclass
class _Work:
    """What the lanes' threads have found so far."""

    options: Options
    told: Told
    found: dict[str, list[Finding]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, lane: Sequence[Check]) -> None:
        """One after the other; the thread's connection to the database ends with it."""
        try:
            for check in lane:
                self._keep(check, examined(check, self.options))
        finally:
            connection.close()

    def _keep(self, check: Check, findings: list[Finding]) -> None:
        with self.lock:
            if check.name not in self.found:
                self.found[check.name] = findings
                for each in findings:
                    self.told(each)

    def finish(self, chosen: Sequence[Check]) -> list[Finding]:
        """All findings in order. What comes later is not heard any more."""
        for check in chosen:
            late = NOT_FINISHED.found(f"not finished in {self.options.total_seconds:g} seconds")
            self._keep(check, [replace(late, check=check.name)])
        return [each for check in chosen for each in self.found[check.name]]


def examined(check: Check, options: Options) -> list[Finding]:
    """What one check finds."""
    try:
        findings = check.look(options)
    except Exception as error:
        logger.warning("The check %s failed", check.name, exc_info=True)
        findings = [NOT_EXAMINED.found(f"{type(error).__name__}: {error}", check=check.name)]
    return [replace(each, check=check.name) for each in findings]
