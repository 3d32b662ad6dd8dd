"""`manage.py backup`: database and store, as one consistent pair, into a folder."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.operations.arguments import at_least_one
from shub.operations.backup.arguments import add_jobs, add_programs
from shub.operations.backup.failures import NotDone, ended
from shub.operations.backup.making import Made, Options, make
from shub.operations.ending import raises_on_signal
from shub.operations.figures import in_units

# The exit status of a backup that is complete but for what the store itself has lost.
LOST = 3

KEEP = 7


class Command(BaseCommand):
    help = (
        "Write a backup of database and store into a folder, while pushes and pulls go on: the "
        "database first, then the objects that it names and that the folder does not hold yet. "
        "Meanwhile no bytes are removed from the store. Run again after a fault, it goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="where to; made where it is missing")
        parser.add_argument(
            "--prune",
            action="store_true",
            help="when it is complete, drop all but the newest backups, and what only they needed",
        )
        parser.add_argument(
            "--keep",
            type=at_least_one,
            default=KEEP,
            metavar="N",
            help=f"how many backups --prune leaves ({KEEP})",
        )
        parser.add_argument(
            "--reread",
            action="store_true",
            help="read all copies that are there already, and copy anew what is damaged",
        )
        add_jobs(parser)
        add_programs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with raises_on_signal(ended):
            try:
                made = make(
                    options["folder"],
                    out=sys.stderr,
                    say=self.stdout.write,
                    options=Options(
                        jobs=options["jobs"],
                        reread=options["reread"],
                        keep=options["keep"] if options["prune"] else None,
                        postgres_programs=options["postgres_programs"],
                    ),
                )
            except NotDone as error:
                raise CommandError(str(error)) from error
        self.tell(made)

    def tell(self, made: Made) -> None:
        manifest = made.manifest
        self.stdout.write(
            f"{made.point.folder} is complete: {manifest.objects} objects "
            f"({in_units(manifest.objects_bytes)}), of which {made.copied} "
            f"({in_units(made.copied_bytes)}) were copied now."
        )
        if manifest.missing:
            raise CommandError(
                f"The store has lost {len(manifest.missing)} objects, or has other bytes under "
                f"their keys: {', '.join(manifest.missing)}. All else is in the backup.",
                returncode=LOST,
            )
