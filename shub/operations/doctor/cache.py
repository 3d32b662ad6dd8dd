"""What processes share for a while: limits, and who is counted."""

import secrets

from django.conf import settings
from django.core.cache import caches
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.finding import Finding, fault, skipped, well
from shub.operations.doctor.options import Options

AWAY = fault(
    "cache-away",
    _("Limits on guesses are not counted, or sign-ins and searches are slow or refused."),
    _(
        "Start Redis, and correct CACHE_URL: host, port, password, number. Without CACHE_URL "
        "the database is used."
    ),
)
FORGETS = fault(
    "cache-forgets",
    _("Limits on guesses do not hold: what is counted is forgotten at once."),
    _("Give Redis more memory (maxmemory), or leave CACHE_URL out: the database is used then."),
)


def look(options: Options) -> list[Finding]:
    """Keep a word and ask for it again."""
    key, word = f"doctor: {secrets.token_hex(8)}", secrets.token_hex(8)
    cache = caches["default"]
    where = "Redis" if settings.CACHE_URL else "the database"
    try:
        cache.set(key, word, 60)
        found = cache.get(key)
        cache.delete(key)
    except Exception as error:  # noqa: BLE001  each backend has errors of its own
        if not settings.CACHE_URL:
            return [skipped("The cache is kept in the database: see database.")]
        return [AWAY.found(f"{type(error).__name__}: {_plain(error)}")]
    if found != word:
        return [FORGETS.found(f"{where} does not give back what was kept a moment ago")]
    return [well(f"{where[0].upper()}{where[1:]} keeps what it is told.")]


def _plain(error: Exception) -> str:
    """Without the address, which has a password in it."""
    return " ".join(str(error).replace(settings.CACHE_URL, "…").split())
