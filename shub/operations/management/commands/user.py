"""`manage.py user`: who is let in, and who has a role on the whole site."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from shub.accounts import standing
from shub.accounts.models import User
from shub.errors import Refusal


def disable(user: User) -> None:
    standing.disable(user, by=None)


def enable(user: User) -> None:
    standing.enable(user, by=None)


def administrator(user: User) -> None:
    standing.set_site_role(user, standing.ADMINISTRATOR, by=None)


def auditor(user: User) -> None:
    standing.set_site_role(user, standing.AUDITOR, by=None)


def nothing(user: User) -> None:
    standing.set_site_role(user, standing.NONE, by=None)


ACTS: dict[str, tuple[Callable[[User], None], str]] = {
    "show": (lambda _: None, "say what each is, and change nothing"),
    "disable": (disable, "let them in no more: their tokens and sessions end at once"),
    "enable": (enable, "let them in again"),
    "administrator": (administrator, "let them do everything on this site"),
    "auditor": (auditor, "let them see everything, and change nothing"),
    "nothing": (nothing, "take either role from them again"),
}


class Command(BaseCommand):
    help = "Say who a user is on this site, let them in or not, or give them a role on all of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = "; ".join(f"{name}: {meaning}" for name, (_, meaning) in ACTS.items())
        parser.add_argument("act", choices=ACTS, metavar="act", help=acts)
        parser.add_argument("names", nargs="+", metavar="name", help="a sign-in name")

    def handle(self, *args: Any, **options: Any) -> None:
        act, _ = ACTS[options["act"]]
        failed = 0
        for name in options["names"]:
            try:
                user = standing.user_named(name)
                act(user)
            except Refusal as refusal:
                failed += 1
                self.stderr.write(refusal.message)
            else:
                self.stdout.write(told(user))
        if failed:
            raise CommandError(f"{failed} of {len(options['names'])} could not be done.")


def told(user: User) -> str:
    """A line about the user; and about what their absence leaves behind."""
    role = standing.site_role(user) or ("robot" if user.is_robot else "user")
    line = f"{user.username}: {role}, {'enabled' if user.is_active else 'disabled'}"
    alone = [] if user.is_active else standing.owned_alone(user)
    if alone:
        teams = ", ".join(team.name for team in alone)
        line += f"; nobody else owns the team {teams}: an administrator can make somebody its owner"
    return line
