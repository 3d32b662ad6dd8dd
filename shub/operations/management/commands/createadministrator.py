"""`manage.py createadministrator NAME`: the first one, by command and not by a default password."""

import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from shub.accounts import registration
from shub.errors import Refusal


class Command(BaseCommand):
    help = "Make an administrator. The password is asked for, or read from standard input."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the sign-in name")
        parser.add_argument(
            "--entity", default="", help="the entity's name, where it cannot be the sign-in name"
        )
        parser.add_argument("--email", default="", help="where the site can write to")

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.stdin.isatty():
            password = getpass.getpass(f"Password for {options['username']}: ")
        else:
            password = sys.stdin.readline().rstrip("\n")
        try:
            validate_password(password)
            user = registration.create_user(
                username=options["username"],
                password=password,
                entity_name=options["entity"],
                email=options["email"],
                is_administrator=True,
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(
            f"{user.username} is an administrator and owns the entity {user.entity.name}."
        )
