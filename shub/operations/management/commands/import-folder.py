"""`manage.py import-folder`: a folder of SIF files becomes images of an entity."""

import csv
import os
import signal
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, current_thread, main_thread
from time import monotonic
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shub.accounts import standing
from shub.accounts.callers import Caller
from shub.accounts.models import Entity
from shub.containers import namespaces
from shub.containers.models import Tag, not_removed
from shub.errors import Invalid, Refusal
from shub.names import check_name, folded
from shub.operations.figures import in_units
from shub.operations.importing import naming, running
from shub.operations.importing.files import NotTaken
from shub.operations.importing.planning import Plan, Planned, plan
from shub.operations.importing.taking import Became, Taken, Work

WORKERS = 2
MOST_WORKERS = 32

# On a terminal, how often the line that tells how far it is is written anew.
LINE_SECONDS = 0.5

COLUMNS = ("path", "name", "arch", "bytes", "hash", "became", "reason")


def place(written: str) -> tuple[str, str]:
    """ENTITY or ENTITY/COLLECTION, in lower case."""
    entity, slash, collection = folded(written).partition("/")
    try:
        check_name(entity, "entity")
        if slash:
            check_name(collection, "collection")
    except Refusal as refusal:
        raise ArgumentTypeError(refusal.message) from None
    return entity, collection


def workers(written: str) -> int:
    """How many files at once."""
    if not written.isdecimal() or not 1 <= int(written) <= MOST_WORKERS:
        raise ArgumentTypeError(f"expected 1 to {MOST_WORKERS}, not {written!r}")
    return int(written)


class Command(BaseCommand):
    help = (
        "Make images of the SIF files in a folder and below it. What is there already is passed "
        "over, so it can be stopped at any moment and run again. The exit status is 0 where every "
        "SIF file is an image now, and 1 where one is not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="where the files are, on this machine")
        parser.add_argument(
            "place",
            type=place,
            metavar="ENTITY[/COLLECTION]",
            help="where they go; without a collection, the first folder of each path names it",
        )
        parser.add_argument(
            "--by",
            required=True,
            metavar="USER",
            help="whose images they become: somebody who may push there",
        )
        parser.add_argument(
            "--names",
            type=Path,
            metavar="FILE",
            help="a CSV file PATH,[COLLECTION/]CONTAINER:TAG that names them instead of their "
            "paths; what it does not name is not taken",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would become of each, and do nothing"
        )
        parser.add_argument(
            "--move-tags",
            action="store_true",
            help="move tags that mean another image; else such a file is not taken",
        )
        parser.add_argument(
            "--workers",
            type=workers,
            default=WORKERS,
            metavar="N",
            help=f"how many files at once ({WORKERS})",
        )
        parser.add_argument(
            "--report", type=Path, metavar="FILE", help="write what came of each file, as CSV"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name, collection = options["place"]
        try:
            by = Caller(standing.user_named(options["by"]))
            entity = namespaces.find_entity(name, by=by)
            named = read_names(options["names"], collection) if options["names"] else None
            made = plan(
                options["folder"],
                collection=collection,
                default_collection=settings.DEFAULT_COLLECTION,
                named=named,
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        if options["dry_run"]:
            self.show(made, entity)
        else:
            self.take(made, entity, by=by, options=options)

    # ── before ──
    def show(self, made: Plan, entity: Entity) -> None:
        """The plan as a table. No file is hashed for it."""
        tags = set(
            Tag.objects.filter(
                not_removed("container", "container__collection"),
                container__collection__entity=entity,
            ).values_list("container__collection__name", "container__name", "name", "arch")
        )
        rows = [
            (
                planned.image.name,
                f"{entity.name}/{target}",
                planned.arch or "unknown",
                in_units(planned.image.size),
                "the tag is there"
                if (target.collection, target.container, target.tag, planned.arch) in tags
                else "new",
            )
            for planned in made.taken
            for target in planned.targets
        ]
        for line in table([("FILE", "BECOMES", "ARCH", "SIZE", "NOW"), *rows] if rows else []):
            self.stdout.write(printed(line))
        for left in made.not_taken:
            self.stdout.write(printed(f"not taken: {left.name}: {left.reason}"))
        self.stdout.write(
            f"{counted(len(made.taken), 'image')} of {in_units(made.total_bytes)}, "
            f"{len(made.not_taken)} not taken, {counted(made.others, 'other file')}. Nothing was "
            "done."
        )
        if made.not_taken:
            raise CommandError(f"{counted(len(made.not_taken), 'file')} would not be taken.")

    # ── doing ──
    def take(self, made: Plan, entity: Entity, *, by: Caller, options: dict[str, Any]) -> None:
        """Every image, and what is to be said of it; CommandError unless all were taken."""
        stopping = Event()
        with ExitStack() as held:
            report = held.enter_context(reporting(options["report"]))
            told = Telling(self.stdout, made, report)
            for left in made.not_taken:
                told.left(left)
            work = Work(
                folder=made.folder,
                entity=entity,
                by=by,
                move_tags=options["move_tags"],
                stopping=stopping,
                read=told.read,
            )
            signals = held.enter_context(stopped_by_signals(stopping))
            try:
                running.run(made.taken, work, workers=options["workers"], tell=told.outcome)
            except running.Away as fault:
                told.end()
                raise CommandError(
                    f"{fault} The rest was left. Run the same command again: it goes on."
                ) from fault
            told.end()
        if signals:
            raise CommandError(
                "Stopped. Run the same command again: it goes on.", returncode=128 + signals[0]
            )
        if told.not_taken:
            raise CommandError(f"{counted(told.not_taken, 'file')} not taken; why is said above.")


class Telling:
    """What is said meanwhile: a line for each file, and on a terminal one of how far it is."""

    def __init__(self, stdout: Any, made: Plan, report: Any) -> None:
        self.stdout = stdout
        self.made = made
        self.report = report
        self.became: Counter[Became] = Counter()
        self.not_taken = 0
        self.bytes_read = 0
        self.begun = self.written = monotonic()
        self.on_terminal = sys.stderr.isatty()

    def read(self, count: int) -> None:
        """So many bytes more. Several threads say so: what a race loses is a figure on a screen."""
        self.bytes_read += count
        if self.on_terminal and monotonic() - self.written > LINE_SECONDS:
            self.written = monotonic()
            rate = self.bytes_read / max(self.written - self.begun, 0.001)
            done = sum(self.became.values()) + self.not_taken
            line = (
                f"{done} of {len(self.made.taken) + len(self.made.not_taken)} files, "
                f"{in_units(self.bytes_read)} read, {in_units(int(rate))}/s"
            )
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()

    def outcome(self, planned: Planned, outcome: Taken | str) -> None:
        """What came of an image."""
        image = planned.image
        if isinstance(outcome, str):
            self.left(NotTaken(image.name, outcome), planned)
            return
        self.became[outcome.became] += 1
        for target in planned.targets:
            self.say(
                f"{image.name}: {target} ({planned.arch or 'unknown'}): {outcome.became.value}"
            )
            self.report.writerow(
                (
                    *(image.name, target, planned.arch, image.size),
                    *(f"sha256.{outcome.digest}", outcome.became.value, ""),
                )
            )

    def left(self, left: NotTaken, planned: Planned | None = None) -> None:
        """A file that is no image now, and why."""
        self.not_taken += 1
        self.say(f"{left.name}: not taken: {left.reason}")
        names = " ".join(str(target) for target in planned.targets) if planned else ""
        size = planned.image.size if planned else ""
        arch = planned.arch if planned else ""
        self.report.writerow((left.name, names, arch, size, "", "not taken", left.reason))

    def say(self, line: str) -> None:
        """A line of its own."""
        if self.on_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self.stdout.write(printed(line))
        self.stdout.flush()

    def end(self) -> None:
        """The sum of it."""
        parts = [f"{count} {became.value}" for became, count in self.became.items()]
        parts += [f"{self.not_taken} not taken", counted(self.made.others, "other file")]
        seconds = monotonic() - self.begun
        self.say(f"{', '.join(parts)}; {in_units(self.bytes_read)} read in {seconds:.0f} s.")


def read_names(path: Path, collection: str) -> dict[str, list[naming.Target]]:
    """The list of names in a file; Invalid with its path where it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return naming.read_list(lines, collection=collection)
    except UnicodeDecodeError:
        raise Invalid(f"{path} is no text in UTF-8.") from None
    except (Invalid, csv.Error) as fault:
        raise Invalid(f"{path}: {fault}") from None


@contextmanager
def reporting(path: Path | None) -> Iterator[Any]:
    """What takes rows; each is in the file when the next is written, whatever comes."""
    with ExitStack() as held:
        file: TextIO = (
            held.enter_context(
                path.open("w", newline="", buffering=1, encoding="utf-8", errors="backslashreplace")
            )
            if path
            else held.enter_context(Path(os.devnull).open("w"))
        )
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        yield rows


@contextmanager
def stopped_by_signals(stopping: Event) -> Iterator[list[int]]:
    """Ctrl-C and kill end it between two pieces of a file; which came is listed."""
    came: list[int] = []

    def stop(number: int, _: Any) -> None:
        came.append(number)
        stopping.set()

    if current_thread() is not main_thread():
        yield came
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """The rows with columns below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def printed(line: str) -> str:
    """The line as a terminal may have it: a file's name is whatever somebody has called it.

    >>> printed("a b"), printed("a\\x1b[2J\\nb"), printed("\\udcff.sif")
    ('a b', 'a\\\\x1b[2J\\\\nb', '\\\\udcff.sif')
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in line
    )


def counted(count: int, what: str) -> str:
    """How many of something.

    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
