"""`manage.py prepare`: what a start needs before the first request."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from shub.errors import Unavailable
from shub.storage import object_store


class Command(BaseCommand):
    help = "Bring the database to this version and make the bucket; safe to run at every start."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        self.stdout.write("The database is up to date.")
        try:
            made = object_store().make_bucket()
        except Unavailable as error:
            raise CommandError(
                f"The object store at {settings.MINIO_SERVER}: {error.message}"
            ) from error
        became = "was made" if made else "is there"
        self.stdout.write(f"The bucket {settings.MINIO_BUCKET!r} {became}.")
