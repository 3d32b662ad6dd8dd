"""`manage.py prepare`: what a start needs before the first request."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from shub import migrating
from shub.containers import ledger
from shub.errors import Unavailable
from shub.storage import object_store
from shub.web import assets


class Command(BaseCommand):
    help = (
        "Bring the database to this version, make the bucket, and collect the static files where "
        "STATIC_ROOT names a folder; safe to run at every start."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--upload-user",
            action="store_true",
            help="also make the store's user of MINIO_UPLOAD_ACCESS_KEY, who may only upload "
            "(MinIO and JuiceFS, with their main user's keys)",
        )

        parser.add_argument(
            "--statement-seconds",
            type=int,
            default=migrating.STATEMENT_SECONDS,
            metavar="N",
            help="how long one statement of a migration may run, since what it locks stands still "
            f"meanwhile; 0: as long as it takes ({migrating.STATEMENT_SECONDS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._migrate(options["statement_seconds"])
        if settings.STATIC_ROOT:
            self._collect()
        try:
            made = object_store().make_bucket()
            uploader = ""
            if options["upload_user"]:
                # Here, since importing the store's clients takes a third of a second.
                from shub.storage.upload_key import make_upload_user

                uploader = make_upload_user()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except Unavailable as error:
            raise CommandError(
                f"The object store at {settings.MINIO_SERVER}: {error.message}"
            ) from error
        became = "was made" if made else "is there"
        self.stdout.write(f"The bucket {settings.MINIO_BUCKET!r} {became}.")
        if uploader:
            self.stdout.write(f"The store's user {uploader!r} may upload to it, and only that.")

    def _migrate(self, statement_seconds: int) -> None:
        try:
            count = migrating.bring_up_to_date(
                self.stdout.write, statement_seconds=max(statement_seconds, 0)
            )
        except migrating.NotMigrated as error:
            raise CommandError(str(error)) from error
        applied = f" Migrations that were applied: {count}." if count else ""
        self.stdout.write(f"The database is up to date.{applied}")
        # Of an older version's rows: usage is read from then on, and counted once a day.
        if counted := ledger.count_uncounted():
            self.stdout.write(f"What entities store was counted, for {counted} of them.")

    def _collect(self) -> None:
        try:
            collected = assets.collect()
        except OSError as error:
            raise CommandError(
                f"STATIC_ROOT: {error.filename or settings.STATIC_ROOT}: {error.strerror}."
            ) from error
        became = "were collected" if collected else "are there"
        self.stdout.write(f"The static files {became}.")
