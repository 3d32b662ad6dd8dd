"""How often one client may do what, where that is counted, and who says where a client is."""

from django.core.exceptions import ImproperlyConfigured

from shub.settings import env

#: Whose `X-Forwarded-For` is believed: addresses, networks, or `unix` for a proxy that comes by a
#: Unix socket ([how](../how-to/behind-a-proxy.md)).
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES", words=frozenset({"unix"}))

# What processes share for a while is kept in the database; in Redis where one is named.
#: A Redis that counts instead, as `redis://:PASSWORD@HOST:6379/0`.
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
#: Requests with a token that is not known, by address.
LIMIT_BAD_TOKENS = env.rate("LIMIT_BAD_TOKENS", "30/m")
#: Searches without a token, by address.
LIMIT_ANONYMOUS_SEARCHES = env.rate("LIMIT_ANONYMOUS_SEARCHES", "60/m")
#: Searches on the page by who is not signed in, by address; one asks several times while one
#: types.
LIMIT_PAGE_SEARCHES = env.rate("LIMIT_PAGE_SEARCHES", "240/m")
#: Searches by one user, on the page too.
LIMIT_USER_SEARCHES = env.rate("LIMIT_USER_SEARCHES", "300/m")
#: Sign-ins on the pages, by address.
LIMIT_SIGN_INS = env.rate("LIMIT_SIGN_INS", "30/m")
#: Those that failed, by address and by the name that was tried.
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

#: Networks inside that users may have this server send requests to, separated by commas.
OUTGOING_ALLOWED_NETWORKS = env.networks("OUTGOING_ALLOWED_NETWORKS")
