"""`manage.py entity`: what an entity is called, and which names are kept for it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.accounts.entities import entity_named
from shub.containers import naming
from shub.errors import Refusal


class Command(BaseCommand):
    help = "Rename an entity, or release a name that is kept for one that had it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="act")
        rename = acts.add_parser("rename", help="call it by another name; the old one is kept")
        rename.add_argument("name", help="its name")
        rename.add_argument("to", help="its name from now on")
        release = acts.add_parser(
            "release", help="let anybody take a former name, or that of a deleted account's entity"
        )
        release.add_argument("name", help="the name")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        try:
            if options["act"] == "release":
                naming.release(name, by=None)
                self.stdout.write(f"Anybody can take the name {name} now.")
                return
            entity = entity_named(name)
            if entity is None:
                raise CommandError(f"There is no entity {name!r}.")
            before = entity.name
            renamed = naming.rename(entity, to=options["to"], by=None)
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(f"{before} is called {renamed.name} now; clients find it by both names.")
