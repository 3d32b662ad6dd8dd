"""`manage.py readonly`: have nothing change on the site for a while."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.containers import freezing
from shub.errors import Refusal

OFF = "off"


class Command(BaseCommand):
    help = (
        "Refuse pushes, removals and changes on the whole site, with a message for clients; or say "
        "whether that is so. Pulls go on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "message",
            nargs="?",
            default="",
            help=f'what clients are told, such as "until 18:00, the disk is changed"; '
            f"'{OFF}' ends it; without it nothing is changed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        message = options["message"].strip()
        if message:
            try:
                freezing.set_read_only("" if message == OFF else message, by=None)
            except Refusal as refusal:
                raise CommandError(refusal.message) from refusal
        mode = freezing.read_only_mode()
        if mode is None:
            self.stdout.write("The site is not read-only.")
        else:
            self.stdout.write(f"The site is read-only since {mode.since:%Y-%m-%d %H:%M %Z}: {mode}")
