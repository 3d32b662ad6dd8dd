"""Secrets that are none: too short, or known to everybody."""

import math
from collections import Counter
from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext_lazy as _

from shub.operations.checks import is_loopback
from shub.operations.doctor.finding import Finding, fault, warning, well
from shub.operations.doctor.options import Options

SECRET_KEY_CHARACTERS = 50
SECRET_KEY_BITS = 128

# What stands in documentation, images and examples.
DEFAULTS = frozenset({
    "minioadmin", "minio", "minio123", "miniostorage", "admin", "administrator", "password",
    "passw0rd", "changeme", "change-me", "secret", "accesskey", "secretkey", "postgres", "shub",
    "sregistry", "registry", "test", "root", "12345678", "garage", "seaweedfs", "rustfsadmin",
})  # fmt: skip
WORDS = ("django-insecure", "changeme", "change-me", "your-secret", "example", "only-for-")
STORE_CHARACTERS = 16

WEAK_KEY = fault(
    "secrets-weak-key",
    _("Whoever guesses SECRET_KEY can sign sessions: they are anybody, administrators too."),
    _(
        "Make a new one of 64 random characters (openssl rand -base64 48), set it as SECRET_KEY "
        "or SECRET_KEY_FILE and restart; everybody has to sign in anew."
    ),
)
STORE_DEFAULT = fault(
    "secrets-store-default",
    _(
        "Whoever reaches the store can read, change and delete every image: the keys stand "
        "in its documentation."
    ),
    _(
        "Give the store other keys (MINIO_ROOT_USER and MINIO_ROOT_PASSWORD), and set the "
        "same as MINIO_ACCESS_KEY and MINIO_SECRET_KEY."
    ),
)
STORE_WEAK = warning(
    "secrets-store-weak",
    _("Whoever reaches the store and guesses its key can read, change and delete every image."),
    _("Give the store a secret key of 32 random characters, and set the same as MINIO_SECRET_KEY."),
)
DATABASE_WEAK = warning(
    "secrets-database-weak",
    _("Whoever reaches the database and guesses its password can be anybody."),
    _("Give the database's user a random password, and put it into DATABASE_URL."),
)


def look(options: Options) -> list[Finding]:
    """What signs sessions, and what opens the store and the database."""
    found = [*_secret_key(), *_store(), *_database()]
    return found or [well("No secret is short, or known to everybody.")]


def bits(secret: str) -> float:
    """How much it would take to guess it, at most: by how often each character is in it.

    >>> round(bits("aaaaaaaa")), round(bits("0123456789abcdef"))
    (0, 64)
    """
    counts = Counter(secret)
    return -sum(count * math.log2(count / len(secret)) for count in counts.values())


def _secret_key() -> Iterator[Finding]:
    key = settings.SECRET_KEY
    known = [word for word in WORDS if word in key.lower()]
    if known:
        yield WEAK_KEY.found(f"SECRET_KEY has “{known[0]}” in it")
    elif len(key) < SECRET_KEY_CHARACTERS or bits(key) < SECRET_KEY_BITS:
        yield WEAK_KEY.found(f"SECRET_KEY has {len(key)} characters, worth {bits(key):.0f} bits")


def _store() -> Iterator[Finding]:
    key, secret = settings.MINIO_ACCESS_KEY, settings.MINIO_SECRET_KEY
    if not secret:
        return
    if secret.lower() in DEFAULTS or secret == key:
        yield STORE_DEFAULT.found("MINIO_SECRET_KEY is one that everybody knows")
    elif len(secret) < STORE_CHARACTERS:
        yield STORE_WEAK.found(f"MINIO_SECRET_KEY has {len(secret)} characters")


def _database() -> Iterator[Finding]:
    entry = connection.settings_dict
    host, password = entry["HOST"], entry["PASSWORD"]
    is_here = host.startswith("/") or not host or is_loopback(host)
    if is_here:
        return
    if not password:
        yield DATABASE_WEAK.found("DATABASE_URL has no password")
    elif password.lower() in DEFAULTS or len(password) < STORE_CHARACTERS:
        yield DATABASE_WEAK.found(
            "the password in DATABASE_URL is short, or one that everybody knows"
        )
