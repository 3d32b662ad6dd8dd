"""`manage.py quota`: how much an entity may store, said or changed."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shub.accounts.models import Entity
from shub.containers import ledger, usage
from shub.containers.models import EntityUsage, SiteUsage
from shub.errors import Refusal
from shub.names import folded

# What no size is: None means the site's default.
UNCHANGED = -1


def size(written: str) -> int | None:
    """Bytes of a size as people write it; None for the site's default."""
    try:
        return usage.quota_written(written)
    except Refusal as refusal:
        raise ArgumentTypeError(refusal.message) from None


class Command(BaseCommand):
    help = (
        "Say how many bytes an entity, or the whole registry, stores, has promised to uploads "
        "under way, and may store; or change how many an entity may."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("entity", nargs="?", default="", help="the entity's name")
        parser.add_argument(
            "size",
            nargs="?",
            type=size,
            default=UNCHANGED,
            help="such as 500GB or 1TiB; 'none' for no bound, 'default' for the site's own; "
            "without it nothing is changed",
        )
        parser.add_argument(
            "--site",
            action="store_true",
            help="of the whole registry, whose bound is the setting SITE_QUOTA_BYTES",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if bool(options["entity"]) == options["site"]:
            raise CommandError("Name an entity, or say --site.")
        if options["site"]:
            self._say("The registry", ledger.site(), settings.SITE_QUOTA_BYTES)
            return
        entity = self._entity(options["entity"], options["size"])
        own = "" if entity.quota_bytes is not None else " (the site's default)"
        self._say(entity.name, ledger.usage_of(entity.pk), usage.quota_bytes(entity), own)

    def _entity(self, name: str, size: int | None) -> Entity:
        try:
            if size != UNCHANGED:
                return usage.set_quota(name=name, quota=size, by=None)
            return Entity.objects.get(name=folded(name))
        except Entity.DoesNotExist:
            raise CommandError(f"There is no entity {name!r}.") from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal

    def _say(self, whose: str, now: EntityUsage | SiteUsage, bound: int, own: str = "") -> None:
        may = f"may store {bound} bytes" if bound else "may store without bound"
        stores = f"{whose} stores {now.stored_bytes} bytes"
        if now.reserved_bytes:
            stores += f", has promised {now.reserved_bytes} to uploads under way,"
        self.stdout.write(f"{stores} and {may}{own}.")
