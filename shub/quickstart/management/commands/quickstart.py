"""`manage.py quickstart`: a whole registry by one command."""

import os
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.quickstart import options
from shub.quickstart.deployment import run
from shub.quickstart.failures import CannotRun


class Command(BaseCommand):
    help = (
        "Run a whole registry in the foreground: an embedded Postgres and S3 store, the web server "
        "and the sweep. Ctrl-C stops it; its data stay in the data folder. Where DATABASE_URL, or "
        "MINIO_SERVER with its keys, is set in the environment, that server is used instead."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--data-dir",
            default=options.DATA_DIR,
            metavar="FOLDER",
            help="where everything is kept: database, images, keys, logs (default: %(default)s)",
        )
        parser.add_argument(
            "--bind",
            default=options.BIND,
            metavar="HOST:PORT",
            help="where the web server listens (default: %(default)s)",
        )
        parser.add_argument(
            "--store-bind",
            default="",
            metavar="HOST:PORT",
            help="where the store listens; clients send and fetch images there "
            f"(default: the host of --bind, port {options.STORE_PORT})",
        )
        parser.add_argument(
            "--external-host",
            default="",
            metavar="NAME",
            help="the host name or address by which other machines reach this one "
            "(default: the host of --bind)",
        )
        parser.add_argument(
            "--ready-file",
            default="",
            metavar="FILE",
            help="a JSON file that is there, for this user only, as long as the registry is ready: "
            "addresses, first password, token, keys and process ids",
        )
        parser.add_argument(
            "--demo",
            action="store_true",
            help="fill it with a demonstration site, whose accounts have one known password",
        )

    def handle(self, *_args: Any, **given: Any) -> None:
        names = ("data_dir", "bind", "store_bind", "external_host", "ready_file", "demo")
        try:
            run(options.read_options(**{name: given[name] for name in names}), self.say)
        except CannotRun as failure:
            raise CommandError(str(failure), returncode=failure.status) from None

    def say(self, line: str) -> None:
        """One line, at once, also into a pipe. A reader that has gone away stops nothing."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            # What is still buffered would fail once more at the end, and make that a failure.
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
