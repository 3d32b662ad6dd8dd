"""The client's address: the peer's, or what a proxy of ours says of it.

Whoever asks can write any `X-Forwarded-For`; only what the proxies of TRUSTED_PROXIES have added to
it counts. Everything that goes by addresses asks here: limits, the trail, tokens' last use; allauth
by its account adapter, which needs none of its own settings for it.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

# TRUSTED_PROXIES' word for a peer that comes by a Unix socket, and so has no address.
UNIX = "unix"

# No site has a longer chain of proxies of its own.
MOST_HOPS = 20

# What one customer gets of IPv6: whoever has one address of it has all.
IPV6_PREFIX = 64

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest) -> str:
    """The address in its one canonical form; empty where nobody knows it (a Unix socket).

    The right-most entry of X-Forwarded-For that is no trusted proxy, if the peer is one. Where an
    entry is no address, the proxy that wrote it is all that is known.
    """
    known = _peer(request.META.get("REMOTE_ADDR", ""))
    if not _is_trusted(known):
        return str(known or "")
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").rsplit(",", MOST_HOPS)[-MOST_HOPS:]
    for entry in reversed(entries):
        told = parse(entry)
        if told is None:
            break
        known = told
        if not _is_trusted(known):
            break
    return str(known or "")


def is_by_trusted_proxy(request: HttpRequest) -> bool:
    """Whether the peer is one of TRUSTED_PROXIES: what it says of the request is believed."""
    return _is_trusted(_peer(request.META.get("REMOTE_ADDR", "")))


def parse(written: str) -> Address | None:
    """The address that is meant, with or without a port; None for anything else.

    >>> [str(parse(each)) for each in ("192.0.2.1:80", "[2001:db8::1]:80", "::ffff:192.0.2.1", "x")]
    ['192.0.2.1', '2001:db8::1', '192.0.2.1', 'None']
    """
    host = written.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address
    return address


def neighbourhood(address: str) -> str:
    """What counts as one client: the address, or the /64 that an IPv6 address is of.

    >>> neighbourhood("192.0.2.1"), neighbourhood("2001:db8::1")
    ('192.0.2.1', '2001:db8::/64')
    """
    parsed = parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
    return address


# Asked several times in each request. What a peer is called has the length that an address has.
_peer = lru_cache(maxsize=1024)(parse)


def _is_trusted(address: Address | None) -> bool:
    named: Sequence[str] = settings.TRUSTED_PROXIES
    if not named:
        return False
    if address is None:
        return UNIX in named
    return any(address in network for network in _networks(tuple(named)))


@lru_cache(maxsize=8)
def _networks(
    named: tuple[str, ...],
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(each, strict=False) for each in named if each != UNIX)
