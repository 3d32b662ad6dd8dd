"""How often one client may do what, where that is counted, and who says where a client is."""

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env

# Whose X-Forwarded-For is believed: addresses, networks, or `unix` for a proxy that comes by a Unix
# socket. Nobody's by default: any client can write one.
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", words=frozenset({"unix"}))

# What processes share for a while is kept in the database; in Redis where one is named.
CACHE_URL = env.secret("CACHE_URL")
if CACHE_URL and not CACHE_URL.startswith(("redis://", "rediss://", "unix://")):
    # Its words may hold a password.
    raise ImproperlyConfigured("CACHE_URL must be an address like redis://:PASSWORD@HOST:6379/0.")

CACHES = {
    "default": {
        "BACKEND": "shub.cache.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "shub",
        "OPTIONS": {
            "serializer": "shub.cache.redis.JSONSerializer",
            "socket_connect_timeout": 1,
            "socket_timeout": 1,
        },
    }
    if CACHE_URL
    else {
        "BACKEND": "shub.cache.database.DatabaseCache",
        # Some 20 MB.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}

# Each an amount and the seconds in which it may be spent; 0 for no limit.
LIMIT_BAD_TOKENS = env.rate("LIMIT_BAD_TOKENS", "30/m")
LIMIT_ANONYMOUS_SEARCHES = env.rate("LIMIT_ANONYMOUS_SEARCHES", "60/m")
LIMIT_PAGE_SEARCHES = env.rate("LIMIT_PAGE_SEARCHES", "240/m")
LIMIT_USER_SEARCHES = env.rate("LIMIT_USER_SEARCHES", "300/m")
LIMIT_SIGN_INS = env.rate("LIMIT_SIGN_INS", "30/m")
LIMIT_FAILED_SIGN_INS = env.rate("LIMIT_FAILED_SIGN_INS", "10/5m")


def _by(limit: tuple[int, int], *keys: str) -> str:
    """A limit as allauth writes it, by each of the keys; none where there is no limit."""
    amount, seconds = limit
    return ",".join(f"{amount}/{seconds}s/{key}" for key in keys) if amount else ""


# The pages' sign-in is limited by allauth, in the same cache: by address, and failures also by the
# name that was tried.
ACCOUNT_RATE_LIMITS = {
    "login": _by(LIMIT_SIGN_INS, "ip"),
    "login_failed": _by(LIMIT_FAILED_SIGN_INS, "ip", "key"),
}

# Where users may have this registry send requests to beside the public internet: networks inside.
OUTGOING_ALLOWED_NETWORKS = env.networks("OUTGOING_ALLOWED_NETWORKS")
