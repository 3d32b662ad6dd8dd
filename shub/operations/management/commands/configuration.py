"""`manage.py configuration`: what this site has set, as each start writes it into the log."""

from typing import Any

from django.core.management.base import BaseCommand

from shub import configuration


class Command(BaseCommand):
    help = "Show what is set otherwise than by default, and which secrets are set; never a secret."

    def handle(self, *args: Any, **options: Any) -> None:
        for line in configuration.lines("manage.py"):
            self.stdout.write(line)
