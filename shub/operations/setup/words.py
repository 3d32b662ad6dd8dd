"""The secrets of every deployment: what each is for, how one is made, what a new one asks for."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from shub.accounts import first_passwords

ADMINISTRATOR_PASSWORD = "administrator_password"  # noqa: S105  a file's name
POSTGRES_PASSWORD = "postgres_password"  # noqa: S105
DATABASE_URL = "database_url"

# The store's main keys and those that can only upload, as files and as flags.
STORE_KEYS = ("minio_root_user", "minio_root_password")
UPLOAD_KEYS = ("minio_upload_access_key", "minio_upload_secret_key")

_RECREATE_ALL = "docker compose up -d --wait --force-recreate"


@dataclass(frozen=True)
class Word:
    """A secret that is made here."""

    make: Callable[[], str]
    # What has to be done where one is there already and is made anew.
    after: str


WORDS = {
    "secret_key": Word(
        lambda: secrets.token_urlsafe(48),
        f"Everybody has to sign in to the pages again, after: {_RECREATE_ALL}",
    ),
    POSTGRES_PASSWORD: Word(
        lambda: secrets.token_urlsafe(32),
        "Postgres keeps its old password until it is told of the new one:\n"
        "    docker compose up -d --force-recreate db\n"
        "    docker compose exec db sh -c 'psql -U shub -d shub -c "
        '"ALTER ROLE shub PASSWORD '
        "'\\''$(cat /run/secrets/postgres_password)'\\''\"'\n"
        f"    {_RECREATE_ALL}",
    ),
    STORE_KEYS[0]: Word(lambda: "shub" + secrets.token_hex(8), f"Then: {_RECREATE_ALL}"),
    STORE_KEYS[1]: Word(lambda: secrets.token_urlsafe(32), f"Then: {_RECREATE_ALL}"),
    UPLOAD_KEYS[0]: Word(
        lambda: "upload" + secrets.token_hex(6),
        f"The next start makes the store's new user; remove the old one there. Then: "
        f"{_RECREATE_ALL}",
    ),
    UPLOAD_KEYS[1]: Word(
        lambda: secrets.token_urlsafe(32),
        f"The next start tells the store. Pushes that are under way fail. Then: {_RECREATE_ALL}",
    ),
    ADMINISTRATOR_PASSWORD: Word(
        first_passwords.make,
        "It is the first password of an account that is made with it. Where the account is there, "
        "change it on its page, or by: docker compose exec web ./manage.py changepassword NAME",
    ),
}


def garage_keys() -> dict[str, str]:
    """Keys in the only form that Garage takes."""
    return {STORE_KEYS[0]: "GK" + secrets.token_hex(12), STORE_KEYS[1]: secrets.token_hex(32)}


def are_garage_keys(user: str, password: str) -> bool:
    """Whether Garage would take them."""
    return (
        user.startswith("GK")
        and len(user) == 26
        and len(password) == 64
        and all(letter in "0123456789abcdef" for letter in user[2:] + password)
    )


def database_url(password: str) -> str:
    """Where the deployment's own Postgres is."""
    return f"postgresql://shub:{password}@db:5432/shub"
