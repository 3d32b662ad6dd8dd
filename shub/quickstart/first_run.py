"""The passing process before the web server.

`python -m shub.quickstart.first_run SECRETS [--upload-user]` brings database and bucket up to date
and sees to an administrator with a token. SECRETS is the data folder's secrets.json, where the
token is kept. The option makes the store's user who may only upload. What it prints, one line of
JSON: `username`, `password_is_first` (false once it has been changed), `token`, `entity`.
"""

import json
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError

from shub.errors import Refusal
from shub.quickstart.credentials import Credentials, keep_token, load_or_make
from shub.quickstart.failures import CannotRun

TOKEN_NAME = "quickstart"  # noqa: S105  a name, shown in lists


UPLOAD_USER = "--upload-user"


def main(secrets: Path, *, upload_user: bool) -> None:
    """Do all of it; a failure that can be expected ends in one line."""
    try:
        django.setup()
        # What it says is progress; standard output is for the answer.
        call_command("prepare", upload_user=upload_user, stdout=sys.stderr)
        found = see_to_administrator(secrets, load_or_make(secrets))
    except DatabaseError as error:
        # libpq's words come in several lines, the last of which says the least.
        sys.exit("The database refuses: " + " ".join(str(error).split()))
    except (CannotRun, CommandError, ImproperlyConfigured, Refusal) as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(found) + "\n")


def see_to_administrator(secrets: Path, credentials: Credentials) -> dict[str, str | bool]:
    """Make the administrator and their token where they are missing."""
    # Models can only be imported once Django is set up.
    from shub.accounts import registration, tokens
    from shub.accounts.models import User

    user = User.objects.filter(username=credentials.username).first()
    if user is None:
        user = registration.create_user(
            username=credentials.username,
            password=credentials.first_password,
            is_administrator=True,
            must_change_password=True,
        )
    text = credentials.token
    token = tokens.recognise(text) if text else None
    if token is None or token.user != user:
        _, text = tokens.issue(user=user, name=TOKEN_NAME, expires_at=None)
        keep_token(secrets, text)
    return {
        "username": user.get_username(),
        "password_is_first": (
            user.must_change_password and user.check_password(credentials.first_password)
        ),
        "token": text,
        "entity": user.entity.name,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), upload_user=UPLOAD_USER in sys.argv[2:])
