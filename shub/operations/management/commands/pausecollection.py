"""`manage.py pausecollection`: run a command while nothing leaves the object store."""

import subprocess
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.operations.backup.failures import NotDone, ended
from shub.operations.backup.making import collection_paused
from shub.operations.ending import raises_on_signal


class Command(BaseCommand):
    help = (
        "Run a command, such as a backup by your own tools, while the sweeps remove no bytes from "
        "the object store; its exit status is this one's. Pushes, pulls and removals go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "command", nargs=REMAINDER, help="the command and its arguments, after a --"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        command = options["command"][options["command"][:1] == ["--"] :]
        if not command:
            raise CommandError("Which command? manage.py pausecollection -- COMMAND ARGUMENTS")
        with raises_on_signal(ended):
            try:
                with collection_paused():
                    done = subprocess.run(command, check=False)
            except (NotDone, OSError) as error:
                raise CommandError(str(error)) from error
        if done.returncode:
            raise CommandError(
                f"{command[0]} has failed.",
                returncode=done.returncode if done.returncode > 0 else 1,
            )
