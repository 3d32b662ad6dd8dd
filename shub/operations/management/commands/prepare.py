"""`manage.py prepare`: what a start needs before the first request."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

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

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write("The database is up to date.")
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

    def _collect(self) -> None:
        try:
            collected = assets.collect()
        except OSError as error:
            raise CommandError(
                f"STATIC_ROOT: {error.filename or settings.STATIC_ROOT}: {error.strerror}."
            ) from error
        became = "were collected" if collected else "are there"
        self.stdout.write(f"The static files {became}.")
