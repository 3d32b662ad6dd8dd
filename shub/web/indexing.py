"""What search engines may keep of the site, and whom to tell of a hole in it."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.encoding import escape_uri_path
from django.views.decorators.http import require_safe

# Nothing below these is for everybody, whatever SEARCH_ENGINES says; and what is found is no place
# of its own.
NEVER = ("/account", "/admin-area", "/admin", "/auth", "/theme", "/search", "/remote.yaml")

# Of machines: there is nothing to read.
MACHINES = ("/v1/", "/v2/", "/api/", "/pks/", "/assets/", "/container/", "/version")

# A file that says whom to tell has to say until when it holds.
CONTACT_HOLDS = timedelta(days=30)


def is_indexed(path: str) -> bool:
    """Whether a search engine may keep the page of this path."""
    return settings.SEARCH_ENGINES == "welcome" and may_be_shown_about(path)


def may_be_shown_about(path: str) -> bool:
    """Whether the page may be for everybody, and has an address to pass on."""
    return not path.startswith(NEVER) and "/-/settings" not in path


def canonical(path: str) -> str:
    """The page's one address, by the name that users know; empty for what is nobody else's."""
    return settings.PUBLIC_URL + escape_uri_path(path) if may_be_shown_about(path) else ""


@require_safe
def robots_txt(request: HttpRequest) -> HttpResponse:
    """`/robots.txt`: all is kept away, or only what is nobody's to read."""
    paths = (*NEVER, *MACHINES) if settings.SEARCH_ENGINES == "welcome" else ("/",)
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in paths)]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")


@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """`/.well-known/security.txt` (RFC 9116), where SECURITY_CONTACT says whom to tell."""
    if not settings.SECURITY_CONTACT:
        raise Http404("SECURITY_CONTACT is not set.")
    until = (timezone.now() + CONTACT_HOLDS).replace(microsecond=0)
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {until.isoformat()}",
        f"Canonical: {settings.PUBLIC_URL}/.well-known/security.txt",
    ]
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain; charset=utf-8")
