"""The uploads app: it tells the ledger below it which uploads are under way."""

from django.apps import AppConfig


class UploadsConfig(AppConfig):
    name = "shub.uploads"

    def ready(self) -> None:
        from shub.containers import ledger
        from shub.uploads.reserving import UPLOADS_UNDER_WAY

        ledger.learn_of_uploads(UPLOADS_UNDER_WAY)
