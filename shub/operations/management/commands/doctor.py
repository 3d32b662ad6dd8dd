"""`manage.py doctor`: find out what is wrong, and say what to do."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.operations.doctor.checks import CHECKS
from shub.operations.doctor.examining import Report, examine
from shub.operations.doctor.finding import Finding, State
from shub.operations.doctor.options import BODY_BYTES, MIB, Options, patience

STATUSES = {State.OK: 0, State.SKIPPED: 0, State.WARNING: 1, State.FAULT: 2}

# What is sent is held in memory.
MOST_BODY_BYTES = 1024 * MIB

# Beside what is waited for on purpose.
TOTAL_SECONDS = 60.0

# Misuse, as sysexits.h has it: none of the three.
MISUSE = 64

WIDTH = max(len(check.name) for check in CHECKS)


def resolution(written: str) -> tuple[str, str]:
    """Host and address of HOST:ADDRESS."""
    host, colon, address = written.partition(":")
    if not colon or not host or not address:
        raise ArgumentTypeError("must be HOST:ADDRESS, as registry.example.org:192.0.2.7")
    return host.lower(), address.strip("[]")


class Command(BaseCommand):
    help = (
        "Try what breaks in practice, and say of each fault what it means for users and what to "
        "do. Run it where the web server runs, with the same environment. Ends with 0 when all is "
        "well, 1 with warnings, 2 with faults."
    )
    # It has to run, whatever is wrong.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--only",
            action="append",
            choices=[check.name for check in CHECKS],
            metavar="NAME",
            help="look at this only; several times for several: "
            + ", ".join(check.name for check in CHECKS),
        )
        parser.add_argument(
            "--resolve",
            action="append",
            default=[],
            type=resolution,
            metavar="HOST:ADDRESS",
            help="where a host is that cannot be looked up here; several times for several",
        )
        parser.add_argument(
            "--ca", default="", metavar="FILE", help="trust this private authority too (PEM)"
        )
        parser.add_argument(
            "--body-bytes",
            type=int,
            default=BODY_BYTES,
            metavar="N",
            help=f"the largest body to send to the store's outer address (default {BODY_BYTES})",
        )
        parser.add_argument(
            "--slow-seconds",
            type=float,
            metavar="N",
            help="how long an answer is to take that the proxy has to wait for (default: a little "
            "more than VERIFY_WAIT_SECONDS; 0: do not try)",
        )
        parser.add_argument(
            "--replicas",
            type=int,
            default=1,
            metavar="N",
            help="how many web servers and sweeps share the database (default 1)",
        )
        parser.add_argument(
            "--send-test", default="", metavar="ADDRESS", help="send one mail to this address"
        )

    def handle(self, *args: Any, **given: Any) -> None:
        self._check(given)
        options = self._options(given)
        progress = _Progress(given["only"] or []) if self._has_terminal(given) else None
        report = examine(options, given["only"] or (), progress.told if progress else _nothing)
        if progress:
            progress.end()
        if given["json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=2))
        else:
            self._print(report)
        status = STATUSES[report.state]
        if status:
            sys.exit(status)

    def _check(self, given: dict[str, Any]) -> None:
        if not 1 <= given["body_bytes"] <= MOST_BODY_BYTES or given["replicas"] < 1:
            raise CommandError(
                f"--body-bytes is 1 to {MOST_BODY_BYTES}, --replicas begins at 1.",
                returncode=MISUSE,
            )

    def _options(self, given: dict[str, Any]) -> Options:
        slow = given["slow_seconds"]
        slow = patience() if slow is None else slow
        return Options(
            body_bytes=given["body_bytes"],
            resolve=dict(given["resolve"]),
            ca_file=given["ca"],
            replicas=given["replicas"],
            test_address=given["send_test"],
            slow_seconds=slow,
            # A MiB a second, twice: some try more than once where one does not pass.
            total_seconds=TOTAL_SECONDS + slow + 2 * given["body_bytes"] / MIB,
        )

    def _has_terminal(self, given: dict[str, Any]) -> bool:
        return not given["json"] and self.stdout.isatty() and sys.stderr.isatty()

    def _print(self, report: Report) -> None:
        for finding in report.findings:
            for line in self._lines(finding):
                self.stdout.write(line)
        counts = dict.fromkeys(State, 0)
        for finding in report.findings:
            counts[finding.state] += 1
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        self.stdout.write(f"{said}; {report.seconds:.1f} s")

    def _lines(self, finding: Finding) -> list[str]:
        style = {
            State.OK: self.style.SUCCESS,
            State.WARNING: self.style.WARNING,
            State.FAULT: self.style.ERROR,
        }.get(finding.state, str)
        name = f" {finding.code}:" if finding.code else ""
        lines = [f"{style(f'{finding.state:<8}')} {finding.check:<{WIDTH}} {name} {finding.seen}"]
        if finding.means:
            lines.append(f"{'':8} {'':{WIDTH}}  means: {finding.means}")
        if finding.remedy:
            lines.append(f"{'':8} {'':{WIDTH}}  do: {finding.remedy}")
        return lines


def _nothing(finding: Finding) -> None:
    pass


class _Progress:
    """One line on the terminal that says what is still looked at."""

    def __init__(self, only: list[str]) -> None:
        self.left = [check.name for check in CHECKS if not only or check.name in only]
        self._show()

    def told(self, finding: Finding) -> None:
        """One check is done; it may tell several findings."""
        if finding.check in self.left:
            self.left.remove(finding.check)
        self._show()

    def end(self) -> None:
        """Leave an empty line to write on."""
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()

    def _show(self) -> None:
        sys.stderr.write(f"\r\x1b[KLooking at {', '.join(self.left)[:66]}")
        sys.stderr.flush()
