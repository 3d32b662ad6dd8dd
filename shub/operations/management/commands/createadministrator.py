"""`manage.py createadministrator NAME`: the first one, by command and not by a default password."""

import getpass
import sys
from pathlib import Path
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from shub.accounts import registration
from shub.accounts.models import User
from shub.errors import Refusal


class Command(BaseCommand):
    help = (
        "Make an administrator. The password is asked for, or read from standard input or from a "
        "file."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the sign-in name")
        parser.add_argument(
            "--entity", default="", help="the entity's name, where it cannot be the sign-in name"
        )
        parser.add_argument("--email", default="", help="where the site can write to")
        parser.add_argument(
            "--password-file", type=Path, metavar="FILE", help="the first line is the password"
        )
        parser.add_argument(
            "--must-change",
            action="store_true",
            help="they have to choose another password when they first sign in",
        )
        parser.add_argument(
            "--if-missing",
            action="store_true",
            help="where there is an account of that name, leave it as it is: safe at every start",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["if_missing"] and (found := existing(options["username"])):
            self.stdout.write(f"{found.username} is there already, and stays as it is.")
            if not found.is_administrator:
                self.stderr.write(f"{found.username} is no administrator.")
            return
        password = read_password(options["username"], options["password_file"])
        try:
            validate_password(password)
            user = registration.create_user(
                username=options["username"],
                password=password,
                entity_name=options["entity"],
                email=options["email"],
                is_administrator=True,
                must_change_password=options["must_change"],
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(
            f"{user.username} is an administrator and owns the entity {user.entity.name}."
        )


def existing(username: str) -> User | None:
    """The user who signs in by that name, whatever they may do and however it is written."""
    return User.objects.filter(username__iexact=username).first()


def read_password(username: str, path: Path | None) -> str:
    """From the file, from whoever is at the terminal, or from standard input."""
    if path is None:
        if sys.stdin.isatty():
            return getpass.getpass(f"Password for {username}: ")
        return sys.stdin.readline().rstrip("\n")
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise CommandError(f"--password-file: {path}: {reason}.") from None
    if not lines or not lines[0]:
        raise CommandError(f"--password-file: {path} is empty.")
    return lines[0]
