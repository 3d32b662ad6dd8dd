"""Redirection: whether this client gets the bytes of a pull from an address of the store.

docs/explanation/pulls.md has the table of who sends a token where.
"""

from urllib.parse import urlsplit

from django.conf import settings
from rest_framework.request import Request

from shub.api.authentication import credential, scheme
from shub.remote_yaml import DEFAULT_PORTS


def follows_to(address: str, request: Request, *, names_arch: bool) -> bool:
    """Whether the client that asked so can be sent to the address.

    An address carries its own authorization, and S3 refuses a request that carries another one.
    Who has no token sends none. Current clients (`Bearer`, and an arch) send it along only to our
    very own scheme, host and port. Older ones (`BEARER`) may send it to another port of our host,
    and some to any host; and the built-in client of 3.1 (`Bearer`, no arch) does as Go does.
    """
    if settings.STREAM_ALWAYS:
        return False
    if not credential(request) or settings.MINIO_EXTERNAL_STRIPS_AUTHORIZATION:
        return True
    asked = f"{request.scheme}://{request.META.get('HTTP_HOST', '')}"
    is_current = scheme(request) == "Bearer" and names_arch
    return is_current and origin(address) not in {origin(settings.PUBLIC_URL), origin(asked)}


def origin(address: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, as clients compare them.

    >>> origin("HTTPS://Registry.lab/x") == origin("https://registry.lab:443")
    True
    """
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", address, None
