"""`manage.py fsck`: do rows and store agree, and are the bytes what was proven?"""

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from shub.operations.arguments import at_least_one
from shub.operations.ending import raises_on_signal
from shub.operations.figures import in_units
from shub.operations.fsck.checks import CHECKS
from shub.operations.fsck.course import MOST_KEPT, Course, Options
from shub.operations.fsck.failures import Ended, NotFinished
from shub.operations.fsck.findings import Finding
from shub.operations.fsck.memory import Memory
from shub.operations.fsck.running import run
from shub.operations.progress_line import ProgressLine

CLEAN, FOUND, NOT_FINISHED = 0, 1, 2

MIB = 1024**2


class Command(BaseCommand):
    help = (
        "Compare every row with the store and every object with the rows, while the registry runs; "
        "with --read also every byte with its hash. Ends with 0 when all is well or was repaired, "
        "1 when something is left to do, 2 when it could not come to its end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--read", action="store_true", help="read and hash every proven image")
        parser.add_argument(
            "--repair", action="store_true", help="repair what is safe; the rest is left to you"
        )
        parser.add_argument(
            "--remove-unknown",
            action="store_true",
            help="with --repair: remove old objects too that this database has never known. Not "
            "where the bucket is another registry's too, or a newer database is still to be "
            "restored",
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="print each finding as a line of JSON when it is found, and a summary as the last",
        )
        parser.add_argument(
            "--state",
            type=Path,
            metavar="FILE",
            help="keep there how far it is: run again with the same, it goes on after a stop",
        )
        parser.add_argument(
            "--only",
            action="append",
            default=[],
            choices=[check.name for check in CHECKS],
            metavar="NAME",
            help="look at this only; several times for several: "
            + ", ".join(check.name for check in CHECKS),
        )
        parser.add_argument(
            "--mib-per-second",
            type=at_least_one,
            metavar="N",
            help="with --read: read no faster than this (default: as fast as it goes)",
        )
        parser.add_argument(
            "--older-than",
            type=float,
            default=0,
            metavar="DAYS",
            help="with --read: only what was not read for so many days",
        )
        parser.add_argument(
            "--newest",
            type=at_least_one,
            metavar="N",
            help="with --read: only of the N blobs that came last",
        )
        parser.add_argument(
            "--patience",
            type=float,
            default=Options.patience_seconds,
            metavar="SECONDS",
            help="how long to wait for a store or a database that is away "
            f"(default {Options.patience_seconds:g})",
        )

    def handle(self, *args: Any, **given: Any) -> None:
        course = self._course(given)
        memory = Memory(given["state"]) if given["state"] else None
        trouble = ""
        try:
            with raises_on_signal(lambda by: Ended(f"ended by {by}.")):
                if memory:
                    if memory.recall(course):
                        course.progress.note(f"It goes on from {given['state']}.")
                    course.remember = memory.write_now_and_then
                run(course, given["only"])
        except (NotFinished, Ended) as error:
            trouble = str(error)
        if memory and trouble:
            trouble = self._keep(memory, course, trouble)
        elif memory:
            memory.forget()
        status = NOT_FINISHED if trouble else FOUND if course.left.total() else CLEAN
        if given["json"]:
            self._line(self._summary(course, status, trouble))
        else:
            self._report(course, trouble, given)
        if status:
            sys.exit(status)

    def _course(self, given: dict[str, Any]) -> Course:
        options = Options(
            read=given["read"] or "bytes" in given["only"],
            repair=given["repair"],
            remove_unknown=given["remove_unknown"],
            bytes_per_second=(given["mib_per_second"] or 0) * MIB,
            older_than_days=given["older_than"],
            newest=given["newest"] or 0,
            patience_seconds=given["patience"],
        )
        course = Course(options, ProgressLine(sys.stderr))
        if given["json"]:
            course.tell = lambda finding: self._line(finding.as_json())
        return course

    def _keep(self, memory: Memory, course: Course, trouble: str) -> str:
        try:
            memory.write(course)
        except NotFinished as error:
            return f"{trouble} {error}"
        return trouble

    def _line(self, told: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told))
        self.stdout.flush()

    def _summary(self, course: Course, status: int, trouble: str) -> dict[str, Any]:
        return {
            "type": "summary",
            "status": status,
            "began_at": course.began_at.isoformat(),
            "ended_at": timezone.now().isoformat(),
            "checks": course.done,
            "counted": dict(course.counted),
            "found": dict(course.found),
            "left": {code: count for code, count in course.left.items() if count},
            "trouble": trouble,
        }

    # ── for people ──
    def _report(self, course: Course, trouble: str, given: dict[str, Any]) -> None:
        for code in +course.found:
            self._group(course, [each for each in course.kept.values() if each.kind.code == code])
        looked = ", ".join(
            f"{in_units(count) if what == 'bytes read' else f'{count:,}'} {_plain(what)}"
            for what, count in course.counted.items()
        )
        self.stdout.write(f"Looked at: {looked or 'nothing'}.")
        found, left = course.found.total(), course.left.total()
        if not found:
            words = "Nothing was found." if trouble else "Rows and store agree."
            self.stdout.write(words if trouble else self.style.SUCCESS(words))
        else:
            said = f"{found} found, {found - left} repaired, {left} left to do."
            self.stdout.write(self.style.ERROR(said) if left else self.style.SUCCESS(said))
        if trouble:
            self.stderr.write(self.style.ERROR(f"It was not finished: {trouble}"))
            self.stderr.write(_how_to_go_on(given))

    def _group(self, course: Course, findings: list[Finding]) -> None:
        kind = findings[0].kind
        total = course.found[kind.code]
        self.stdout.write(f"{self.style.WARNING(kind.code)} ({total}): {kind.means}")
        for each in findings:
            done = f" → {each.repaired}" if each.repaired else ""
            self.stdout.write(f"  {each.subject}: {each.seen}{done}")
            for image in each.images:
                self.stdout.write(f"      image {image}")
        if total > len(findings):
            self.stdout.write(f"  … and {total - MOST_KEPT} more: --json tells all of them.")
        if course.left[kind.code]:
            self.stdout.write(f"  do: {kind.remedy}")
            if kind.repair and not course.options.repair:
                self.stdout.write(f"  --repair: {kind.repair}")
        self.stdout.write("")


def _plain(what: str) -> str:
    return "read" if what == "bytes read" else what


def _how_to_go_on(given: dict[str, Any]) -> str:
    if given["state"]:
        return "Run the same command again: it goes on where it was stopped."
    if given["read"]:
        return (
            "What was read right is written down: run it again with --older-than 1, and it reads "
            "the rest. With --state FILE it goes on exactly where it was stopped."
        )
    return "Run it again; with --state FILE it goes on where it was stopped."
