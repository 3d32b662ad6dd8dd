"""What clients can be told to ask for: host names, ports, addresses to listen on."""

import ipaddress
import re

from shub.operations.setup.failures import Refused

_LABEL = re.compile(r"^(?!-)[a-z0-9-]{1,63}(?<!-)$")


def is_address(host: str) -> bool:
    """Whether the host is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether the host is whatever machine asks for it."""
    if is_address(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def parse_host(written: str, flag: str = "--host") -> str:
    """A host name or an address, in lower case, as it stands in a certificate.

    >>> parse_host("Registry.Example.org.")
    'registry.example.org'
    """
    host = written.strip().lower().removesuffix(".")
    if "://" in host:
        raise Refused(f"{flag} is a host's name only, as registry.example.org: without https://.")
    if "/" in host:
        raise Refused(f"{flag} is a host's name only: old clients throw a path away.")
    host = host.removeprefix("[").removesuffix("]")
    if is_address(host):
        if ipaddress.ip_address(host).is_unspecified:
            raise Refused(f"{flag}: {host} is no address that users can ask for.")
        return str(ipaddress.ip_address(host))
    if ":" in host:
        raise Refused(f"{flag} is a host's name only; give a port by --port, if it has to be.")
    # Four numbers that are no address are a slip, and no top-level domain is a number.
    if host.rpartition(".")[2].isdigit() or len(host) > 253:
        raise Refused(f"{flag}: {written!r} is no host name.")
    if not all(_LABEL.match(label) for label in host.split(".")):
        raise Refused(
            f"{flag}: {written!r} is no host name: letters, digits and hyphens, joined by dots. "
            "Names with other letters are written in their ASCII form (xn--…)."
        )
    return host


def parse_port(written: str | int, flag: str) -> int:
    """A port that can be listened on."""
    text = str(written)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Refused(f"{flag} must be a port from 1 to 65535, not {written!r}.")
    return int(text)


def parse_server(written: str, flag: str) -> str:
    """HOST or HOST:PORT of a store, as it stands in a signature."""
    if "://" in written or "/" in written:
        raise Refused(f"{flag} is HOST or HOST:PORT, without a scheme and a path.")
    host, colon, port = written.rpartition(":")
    if not colon or written.endswith("]"):
        return bracketed(parse_host(written, flag))
    return f"{bracketed(parse_host(host, flag))}:{parse_port(port, flag)}"


def parse_bind(written: str) -> str:
    """An address of this machine for nginx to listen on, as compose writes it before a port."""
    bare = written.strip().removeprefix("[").removesuffix("]")
    if not is_address(bare):
        raise Refused(
            f"--bind must be an address of this machine, as 0.0.0.0 (all) or 10.0.0.5, "
            f"not {written!r}."
        )
    return bracketed(bare)


def bracketed(host: str) -> str:
    """The host as it stands in an address: IPv6 in brackets.

    >>> bracketed("fd00::1"), bracketed("a.example")
    ('[fd00::1]', 'a.example')
    """
    return f"[{host}]" if ":" in host else host
