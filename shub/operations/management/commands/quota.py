"""`manage.py quota`: how much an entity may store, said or changed."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.accounts.models import Entity
from shub.containers import usage
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
    help = "Say how many bytes an entity stores and may store, or change how many it may."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("entity", help="the entity's name")
        parser.add_argument(
            "size",
            nargs="?",
            type=size,
            default=UNCHANGED,
            help="such as 500GB or 1TiB; 'none' for no bound, 'default' for the site's own; "
            "without it nothing is changed",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["entity"]
        try:
            if options["size"] != UNCHANGED:
                entity = usage.set_quota(name=name, quota=options["size"], by=None)
            else:
                entity = Entity.objects.get(name=folded(name))
        except Entity.DoesNotExist:
            raise CommandError(f"There is no entity {name!r}.") from None
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        bound = usage.quota_bytes(entity)
        may = f"may store {bound} bytes" if bound else "may store without bound"
        own = "" if entity.quota_bytes is not None else " (the site's default)"
        self.stdout.write(
            f"{entity.name} stores {usage.stored_bytes(entity)} bytes and {may}{own}."
        )
