"""The accounts app: after each migration the default entity exists."""

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db.models.signals import post_migrate


def make_default_entity(sender: AppConfig, using: str, apps: Any = apps, **_: Any) -> None:
    """The entity that short references mean; it belongs to the site, not to a person.

    `apps` has the models as the database is now: after a migration to an earlier state, those of
    then. Before they were there, nothing is made.
    """
    try:
        entity: Any = apps.get_model(sender.label, "Entity")
    except LookupError:
        return
    entity.objects.using(using).get_or_create(name=settings.DEFAULT_ENTITY)


class AccountsConfig(AppConfig):
    name = "shub.accounts"

    def ready(self) -> None:
        post_migrate.connect(make_default_entity, sender=self)
