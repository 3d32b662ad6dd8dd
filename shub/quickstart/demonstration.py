"""The passing process that fills a registry with the demonstration site.

`python -m shub.quickstart.demonstration SECRETS` runs `manage.py demo` with the password that
SECRETS, the data folder's secrets.json, keeps for the administrator: so it can be said at each
start. It prints what that command prints; what it says of its progress goes to standard error.
"""

import sys
from pathlib import Path

import django
from django.core.management import CommandError, call_command

from shub.quickstart.credentials import load_or_make
from shub.quickstart.failures import CannotRun
from shub.settings import env


def main(secrets: Path) -> None:
    """Fill it, unless it is filled; a failure that can be expected ends in one line."""
    try:
        django.setup()
        password = load_or_make(secrets).first_password
        call_command("demo", password=password, apptainer=env.text("APPTAINER"))
    except (CannotRun, CommandError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
