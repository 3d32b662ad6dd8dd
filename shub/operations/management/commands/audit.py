"""`manage.py audit`: the audit trail as JSON lines."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.accounts.entities import entity_named
from shub.audit import reading
from shub.errors import Refusal


def moment(written: str) -> datetime:
    """A day or a moment, as ISO 8601 has it; UTC where no zone is named.

    >>> moment("2026-11-26").isoformat()
    '2026-11-26T00:00:00+00:00'
    """
    try:
        return reading.moment(written)
    except Refusal as refusal:
        raise ArgumentTypeError(refusal.message) from None


class Command(BaseCommand):
    help = "Write the audit trail to standard output, one event as JSON in each line, oldest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=moment, help="such as 2026-11-26, or with a time")
        parser.add_argument("--until", type=moment, help="events before this moment")
        parser.add_argument("--actor", default="", help="a sign-in name")
        parser.add_argument("--action", default="", help="such as image.pushed, or image for all")
        parser.add_argument("--entity", default="", help="an entity's name, of today or before")

    def handle(self, *args: Any, **options: Any) -> None:
        entity = entity_named(options["entity"]) if options["entity"] else None
        if options["entity"] and entity is None:
            raise CommandError(f"There is no entity {options['entity']!r}.")
        question = reading.Question(
            action=options["action"],
            actor=options["actor"],
            entity=entity.public_id if entity else "",
            since=options["since"],
            until=options["until"],
        )
        for event in reading.every(question):
            self.stdout.write(reading.as_line(event), ending="")
