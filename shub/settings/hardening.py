"""What the pages tell browsers, and what a session is."""

from shub.settings import env
from shub.settings.registry import PUBLIC_URL

# Cookies and addresses are only for TLS where the registry is served by TLS.
SERVED_BY_TLS = PUBLIC_URL.startswith("https://")

# The proxy says so. Not only TRUSTED_PROXIES are believed in this: whoever lies gets the stricter
# cross-site check and the promise of HSTS for themselves, and nothing that they had not.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SERVED_BY_TLS else None

# `__Host-`: no other host below the same domain can set it, and none gets it.
COOKIE_PREFIX = "__Host-" if SERVED_BY_TLS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SERVED_BY_TLS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# Rows that can be deleted, with JSON in them: nothing is unpickled.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
#: How long one stays signed in to the pages.
SESSION_COOKIE_AGE = env.integer("SESSION_DAYS", 14, minimum=1, maximum=365) * 24 * 3600

# HSTS is a promise in the administrator's name.
#: How long browsers are told to come by TLS only.
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 0)
#: The same for all hosts below this one.
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.boolean("SECURE_HSTS_INCLUDE_SUBDOMAINS", False)
#: Allow browsers to have it in their own lists.
SECURE_HSTS_PRELOAD = env.boolean("SECURE_HSTS_PRELOAD", False)

SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CSRF_FAILURE_VIEW = "shub.failures.forged"

SILENCED_SYSTEM_CHECKS = [
    # HSTS for other hosts of the domain, and in the browsers' own lists: SECURE_HSTS_SECONDS alone
    # is what each registry should set.
    "security.W005",
    "security.W021",
    # A redirect to https turns a client's POST into an empty GET; the proxy leads browsers there.
    "security.W008",
]
