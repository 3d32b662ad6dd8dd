"""The containers app: after each migration the default collection exists."""

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models.signals import post_migrate


def make_default_collection(sender: AppConfig, using: str, apps: Any = apps, **_: Any) -> None:
    """The collection that short references mean, in the default entity. It is public.

    `apps` has the models as the database is now: after a migration to an earlier state, those of
    then. Before they were there, nothing is made.
    """
    try:
        entity: Any = apps.get_model("accounts", "Entity")
        collection: Any = apps.get_model(sender.label, "Collection")
    except LookupError:
        return
    collection.objects.using(using).get_or_create(
        entity=entity.objects.using(using).get(name=settings.DEFAULT_ENTITY),
        name=settings.DEFAULT_COLLECTION,
    )


class ContainersConfig(AppConfig):
    name = "shub.containers"

    def ready(self) -> None:
        post_migrate.connect(make_default_collection, sender=self)
