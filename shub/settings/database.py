"""Where the records are: one address, read by libpq's own parser."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from psycopg2 import ProgrammingError
from psycopg2.extensions import parse_dsn

# Connections stay open: a new one for each request costs more than the request (9 ms).
CONN_MAX_AGE = None

# A server that is gone without a word is noticed within a minute; one that does not answer the
# call for a connection, within ten seconds.
PATIENCE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def parse_database_url(url: str) -> dict[str, Any]:
    """Django's entry for a libpq address such as `postgresql://user:word@host:5432/name`.

    >>> entry = parse_database_url("postgresql:///shub?host=/run/shub&user=registry")
    >>> entry["NAME"], entry["HOST"], entry["USER"]
    ('shub', '/run/shub', 'registry')
    """
    try:
        given = parse_dsn(url)
    except ProgrammingError:
        # libpq's own words would repeat the address, password and all.
        raise ImproperlyConfigured(
            "DATABASE_URL is not an address like postgresql://USER:PASSWORD@HOST:PORT/NAME."
        ) from None
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given.pop("dbname", ""),
        "USER": given.pop("user", ""),
        "PASSWORD": given.pop("password", ""),
        "HOST": given.pop("host", ""),
        "PORT": given.pop("port", ""),
        "OPTIONS": {**PATIENCE, **given},
        "CONN_MAX_AGE": CONN_MAX_AGE,
        "CONN_HEALTH_CHECKS": True,
    }
