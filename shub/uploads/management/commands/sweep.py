"""`manage.py sweep`: verify what was pushed, and tidy up; runs until it is told to stop."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shub.uploads.sweeper import Sweeper


class Command(BaseCommand):
    help = (
        "Verify pushed images and tidy up what pushes left behind. Runs until SIGTERM or Ctrl-C; "
        "several may run at once, on several machines."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--once",
            action="store_true",
            help="verify what waits now, tidy up once, and end; for cron and for tests",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sweeper = Sweeper()
        if options["once"]:
            sweeper.once()
        else:
            sweeper.run()
