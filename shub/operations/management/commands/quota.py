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

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


def size(written: str) -> int | None:
    """Bytes of a size as people write it; None for the site's default.

    >>> [size(written) for written in ("500GB", "1 TiB", "none", "default")]
    [500000000000, 1099511627776, 0, None]
    """
    word = written.strip().upper()
    if word in {"NONE", "DEFAULT"}:
        return 0 if word == "NONE" else None
    number = word.rstrip("KMGTIB ")
    unit = word[len(number) :].strip()
    if not number.isdigit() or unit not in UNITS:
        raise ArgumentTypeError(
            f"{written!r} is no size: expected a number of bytes, a size such as 500GB or 1TiB, "
            "'none' for no bound, or 'default' for DEFAULT_QUOTA_BYTES"
        )
    return int(number) * UNITS[unit]


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
