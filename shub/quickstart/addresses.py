"""Addresses to listen on: HOST:PORT, written and read."""

import ipaddress
import re
from dataclasses import dataclass

from shub.quickstart.failures import Misuse

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Address:
    """A host (an IPv6 address without its brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in URLs and in options.

        >>> str(Address("::1", 9000))
        '[::1]:9000'
        """
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def is_wildcard(self) -> bool:
        """Whether it listens on all of this machine's addresses."""
        return is_wildcard(self.host)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    @property
    def from_here(self) -> "Address":
        """The address by which a process on this machine reaches it.

        >>> str(Address("0.0.0.0", 80).from_here), str(Address("::", 80).from_here)
        ('127.0.0.1:80', '[::1]:80')
        """
        if not self.is_wildcard:
            return self
        return Address("::1" if ":" in self.host else "127.0.0.1", self.port)


def parse_address(written: str) -> Address:
    """HOST:PORT as a person types it; Misuse where it is something else.

    >>> parse_address("[::1]:9000")
    Address(host='::1', port=9000)
    """
    host, colon, port = written.strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise Misuse(f"{written!r} is not HOST:PORT with a port from 1 to 65535.")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise Misuse(f"{written!r}: an IPv6 address is written in brackets, as [::1]:8080.")
    return Address(parse_host(host), int(port))


def parse_host(written: str) -> str:
    """A host name or an IP address, in brackets or not; Misuse where it is something else.

    >>> parse_host("registry.lab"), parse_host("[fd00::5]")
    ('registry.lab', 'fd00::5')
    """
    host = written.strip().removeprefix("[").removesuffix("]")
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        if HOST_NAME.fullmatch(host):
            return host.lower()
    raise Misuse(f"{written!r} is neither a host name nor an IP address.")


def is_wildcard(host: str) -> bool:
    """Whether the host stands for all of a machine's addresses, and so names none."""
    return host in {"0.0.0.0", "::"}  # noqa: S104  compared, not bound


def bracketed(host: str) -> str:
    """The host as a URL holds it."""
    return f"[{host}]" if ":" in host else host


def http_url(host: str, port: int) -> str:
    """The URL of a plain web server; its own port is not written.

    >>> http_url("registry.lab", 80), http_url("::1", 8080)
    ('http://registry.lab', 'http://[::1]:8080')
    """
    return f"http://{bracketed(host)}" + ("" if port == 80 else f":{port}")
