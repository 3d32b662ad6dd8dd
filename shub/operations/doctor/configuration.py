"""The settings, by the system checks that `manage.py check --deploy` has."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.utils.translation import gettext_lazy as _

from shub.operations.checks import is_loopback
from shub.operations.doctor.finding import Finding, fault, warning, well
from shub.operations.doctor.options import Options

ERROR = fault(
    "configuration-error",
    _("The settings contradict each other, or what is set cannot work."),
    _("{hint}"),
)
WARNING = warning(
    "configuration-warning",
    _("It works; a setting is less safe than it could be, or leads users astray."),
    _("{hint}"),
)

IN_THE_CLEAR = warning(
    "configuration-in-the-clear",
    _("Passwords, tokens and images travel in the clear: whoever is on the way reads and changes."),
    _("Put a proxy with a certificate in front, and set PUBLIC_URL to its https:// address."),
)

# Django's, of cookies and promises that only a site with TLS can have.
OF_TLS = frozenset({"security.W012", "security.W016"})

# Looked at more closely by a check of its own: the secret key, the store's outer address. And HSTS:
# a promise that a site may make, whose lack breaks nothing.
ELSEWHERE = frozenset({"security.W004", "security.W009", "security.W025", "shub.W001", "shub.E002"})


def look(options: Options) -> list[Finding]:
    """What the checks say, each with the id that `check` gives it."""
    ignored = ELSEWHERE if settings.SERVED_BY_TLS else ELSEWHERE | OF_TLS
    told = [
        each
        for each in checks.run_checks(include_deployment_checks=True)
        if each.id not in ignored and not each.is_silenced()
    ]
    found = [_finding(each) for each in told if each.level >= checks.WARNING]
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not settings.SERVED_BY_TLS and not is_loopback(host):
        found.append(IN_THE_CLEAR.found(f"users come to {settings.PUBLIC_URL}"))
    return found or [well("The settings agree with each other.")]


def _finding(message: checks.CheckMessage) -> Finding:
    which = ERROR if message.level >= checks.ERROR else WARNING
    hint = message.hint or "See docs/reference/settings.md."
    seen = f"{message.id}: {' '.join(str(message.msg).split())}"
    return which.found(seen, hint=" ".join(str(hint).split()))
