"""`manage.py demo`: a registry with something on it, to be looked at."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from shub.accounts.users import user_named
from shub.containers.admission import check_writable
from shub.errors import Refusal
from shub.operations.demo import catalogue, filling, people, pushing, signing
from shub.operations.demo.filling import Filled, Filling

# Without the letters and digits that are read for one another.
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
PASSWORD_LENGTH = 14

ROLES = {
    people.ADMINISTRATOR: "administrator",
    people.AUDITOR: "auditor: sees everything, changes nothing",
    people.NEWCOMER: "has just registered and has nothing",
}


class Command(BaseCommand):
    help = (
        "Fill a running, empty registry with a demonstration site: people, teams, collections and "
        "small real images, pushed over HTTP. Made for looking at and for screenshots, not for a "
        "site that people use: all its accounts, an administrator among them, have one known "
        "password. A second run adds nothing. Exit status 0: it is filled; 1: it is not, and the "
        "last line says why; 2: the options cannot be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--password", default="", help="for all accounts (default: one is made, and said)"
        )
        parser.add_argument(
            "--apptainer",
            default="",
            metavar="PROGRAM",
            help="what signs images: Apptainer or Singularity (default: the one on the path; "
            "without one no image is signed)",
        )
        parser.add_argument(
            "--among-others",
            action="store_true",
            help="fill a registry that others use too",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if filling.was_filled():
            self.stdout.write("The demonstration site is here already: nothing was added.")
            self.tell_accounts(options["password"], new=False)
            return
        password = options["password"] or "".join(
            secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH)
        )
        try:
            self.check_registry(among_others=options["among_others"])
            validate_password(password)
            program = signing.find(options["apptainer"])
            filled = Filling(
                url=settings.PUBLIC_URL, password=password, program=program, say=self.say
            ).fill()
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        except (pushing.NotDone, signing.CannotSign) as fault:
            raise CommandError(str(fault)) from fault
        self.tell(filled)
        self.tell_accounts(password, new=True)

    def check_registry(self, *, among_others: bool) -> None:
        """CommandError where it is not to be filled, or cannot be; nothing is done then."""
        if filling.was_begun():
            raise CommandError(
                "A filling was begun here and did not come to its end. Start over with an empty "
                "registry (after `make demo`: remove the folder .demo)."
            )
        if (others := filling.others()) and not among_others:
            raise CommandError(
                f"This registry is in use: it has the entities {_some(others)}. The demonstration "
                "makes accounts with a known password, an administrator among them. Fill an empty "
                "registry, or say --among-others."
            )
        if taken := filling.taken():
            raise CommandError(
                f"Nothing was done: the demonstration needs names that are taken: {_some(taken)}."
            )
        check_writable()
        if not filling.has_library():
            raise CommandError(
                "The demonstration needs the site's own entity to be called "
                f"{catalogue.LIBRARY[0].entity!r}, as DEFAULT_ENTITY does where it is not set."
            )
        if not pushing.answers(settings.PUBLIC_URL):
            raise CommandError(
                f"No registry answers at {settings.PUBLIC_URL}: start it first, with its sweep, "
                "and give this command the same PUBLIC_URL."
            )

    def say(self, line: str) -> None:
        """Progress, apart from the answer."""
        self.stderr.write(line)

    def tell(self, filled: Filled) -> None:
        """What is there now."""
        self.stdout.write(
            f"The demonstration site is ready: {filled.images} images in {filled.containers} "
            f"containers, {filled.tags} tags, {filled.signed} images signed."
        )
        if not filled.signed:
            self.stdout.write(
                "No image is signed: neither apptainer nor singularity is on the path; name one "
                "by --apptainer."
            )

    def tell_accounts(self, password: str, *, new: bool) -> None:
        """Who can sign in, and where to look."""
        administrator = user_named(people.ADMINISTRATOR)
        known = new or bool(password and administrator and administrator.check_password(password))
        said = password if known else "the one that was said when it was filled"
        lines = ["", "Sign in as", ""]
        lines += [f"  {each.username:8} {self.role(each.username)}" for each in people.PEOPLE]
        lines += ["", f"Password of all of them: {said}", ""]
        lines += ["Everybody who knows it is an administrator here: let no stranger in.", ""]
        lines += ["Look at", ""]
        width = max(len(path) for path, _ in catalogue.ADDRESSES) + len(settings.PUBLIC_URL) + 1
        lines += [
            f"  {f'{settings.PUBLIC_URL}/{path}':{width}}  {what}"
            for path, what in catalogue.ADDRESSES
        ]
        for line in lines:
            self.stdout.write(line)

    @staticmethod
    def role(username: str) -> str:
        """What an account is for, in a few words."""
        owned = [team.name for team in people.TEAMS if username in team.owners]
        joined = [team.name for team in people.TEAMS if username in team.members]
        words = [ROLES[username]] if username in ROLES else []
        words += [f"owns the team {name}" for name in owned]
        words += [f"in the team {name}" for name in joined]
        return "; ".join(words)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")
