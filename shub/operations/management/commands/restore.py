"""`manage.py restore`: bring an empty server to a point of a backup."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from shub.errors import Unavailable
from shub.operations.backup.arguments import add_jobs, add_programs
from shub.operations.backup.failures import NotDone, ended
from shub.operations.backup.rebuilding import Options, rebuild
from shub.operations.ending import raises_on_signal


class Command(BaseCommand):
    help = (
        "Make an empty server what it was when a backup was made: its objects into the store, each "
        "read back and hashed, then its rows into the database. The web server and the sweep have "
        "to be stopped. Run again after a fault, it goes on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="what `backup` has written")
        parser.add_argument(
            "--point", default="", metavar="NAME", help="which backup; the newest without it"
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="also where the server holds images or accounts: all its rows are dropped",
        )
        parser.add_argument(
            "--incomplete",
            action="store_true",
            help="also where objects are damaged or missing: their images are marked as damaged",
        )
        add_jobs(parser)
        add_programs(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        with raises_on_signal(ended):
            try:
                back = rebuild(
                    options["folder"],
                    out=sys.stderr,
                    say=self.stdout.write,
                    options=Options(
                        point=options["point"],
                        replace=options["replace"],
                        incomplete=options["incomplete"],
                        jobs=options["jobs"],
                        postgres_programs=options["postgres_programs"],
                    ),
                )
            except (NotDone, ImproperlyConfigured) as error:
                raise CommandError(str(error)) from error
            except Unavailable as error:
                raise CommandError(error.message) from error
        self.stdout.write(
            f"The server is what it was at {back.manifest.begun_at}: {back.manifest.objects} "
            f"objects, of which {back.copied} were copied now; each was read back."
        )
        if back.lost:
            self.stdout.write(f"Marked as damaged: {', '.join(back.lost)}.")
