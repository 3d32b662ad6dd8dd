"""Requests to addresses that users give: the one door out.

A user who can have the registry ask an address could reach through it what only the registry can
reach: the store, the database's neighbours, a cloud's metadata. So the name is resolved once, every
address that it has must be a public one, the connection goes to the very address that was looked
at, and a redirect is an address like any other. Networks of OUTGOING_ALLOWED_NETWORKS are excepted,
for sites whose services are inside.

Nothing else in shub speaks HTTP by itself (ruff's banned modules hold it), but the storage, whose
address the administrator sets, doctor, which asks the addresses of the settings and has to tell
why one does not answer, and quickstart, which asks its own children.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

from django.conf import settings

from shub.errors import Invalid, Unavailable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"http": 80, "https": 443}

# What is read of an answer, how long all of it may take (but for the look-up of names, which the
# machine's resolver bounds), and how many redirects are followed.
MOST_BYTES = 1024**2
MOST_SECONDS = 10.0
MOST_REDIRECTS = 3
MOST_ADDRESS_CHARACTERS = 2000

REDIRECTS = frozenset({301, 302, 303, 307, 308})
FOLLOWED = frozenset({"GET", "HEAD"})

# What is no matter of the next host.
SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})

LAST_REQUEST = {"Connection": "close"}

# Its last 32 bits are an IPv4 address.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that is given out of IPv6.
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")


@dataclass(frozen=True)
class Answer:
    """What was answered, and by which address in the end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str


@dataclass(frozen=True)
class _Target:
    """An address that may be asked: how it is written, and where its host is."""

    parts: SplitResult
    host: str
    port: int
    found: Sequence[Address] = field(repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.parts.scheme, self.host, self.port

    @property
    def path(self) -> str:
        query = f"?{self.parts.query}" if self.parts.query else ""
        return f"{self.parts.path or '/'}{query}"


def ask(
    method: str,
    address: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = MOST_SECONDS,
    most_bytes: int = MOST_BYTES,
) -> Answer:
    """Ask an address that a user gave. Redirects are followed of a GET and a HEAD only.

    Invalid for an address that is not asked, Unavailable where no whole answer comes in time.
    """
    sent = dict(headers or {})
    limit = _Deadline(seconds)
    target = check(address)
    for _ in range(MOST_REDIRECTS + 1):
        answer = _ask_once(
            method, target, body=body, headers=sent, limit=limit, most_bytes=most_bytes
        )
        location = answer.headers.get("location")
        if answer.status not in REDIRECTS or method not in FOLLOWED or location is None:
            return answer
        following = check(urljoin(answer.address, location))
        if following.origin != target.origin:
            sent = {name: value for name, value in sent.items() if not _is_secret(name)}
        target = following
    raise Unavailable(f"The address leads on more than {MOST_REDIRECTS} times.")


def check(address: str) -> _Target:
    """What the address means, resolved; Invalid where this registry does not ask it.

    The words do not say what a name resolved to: that would tell a stranger of the network inside.
    """
    parts, port = _read(address)
    host = parts.hostname or ""
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unavailable(f"The host {host!r} is not known.") from None
    found = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in infos]
    allowed = [ipaddress.ip_network(each, strict=False) for each in _allowed_networks()]
    for each in found:
        if any(each in network for network in allowed):
            continue
        if not is_public(each) or port not in PORTS.values():
            raise Invalid(
                "This registry does not ask that address: only public ones, at port 80 or 443. "
                "The administrator can allow others by OUTGOING_ALLOWED_NETWORKS."
            )
    return _Target(parts, host, port, list(dict.fromkeys(found)))


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet, also where it carries another one.

    >>> is_public(ipaddress.ip_address("8.8.8.8")), is_public(ipaddress.ip_address("10.0.0.1"))
    (True, False)
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not (address.is_multicast or address.is_reserved)
    carried = _carried(address)
    if carried is not None:
        return is_public(carried)
    return address in PUBLIC_IPV6 and address.is_global and not address.is_multicast


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a translator or a tunnel would lead to."""
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _allowed_networks() -> Sequence[str]:
    allowed: Sequence[str] = settings.OUTGOING_ALLOWED_NETWORKS
    return allowed


def _read(address: str) -> tuple[SplitResult, int]:
    """The parts of an address that is written as it should be."""
    if len(address) > MOST_ADDRESS_CHARACTERS or not all("!" <= each <= "~" for each in address):
        raise Invalid("An address has visible ASCII characters, and at most 2000 of them.")
    try:
        parts = urlsplit(address)
        port = parts.port if parts.port is not None else PORTS.get(parts.scheme, 0)
    except ValueError:
        raise Invalid(f"{address!r} is no address.") from None
    if parts.scheme not in PORTS or not parts.hostname or "\\" in parts.netloc:
        raise Invalid("An address begins with http:// or https:// and a host.")
    if "@" in parts.netloc:
        raise Invalid("An address must hold no user name and no password.")
    return parts, port


class _Deadline:
    """A moment that a whole exchange ends at, however slowly its bytes come."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = monotonic() + seconds

    @property
    def left(self) -> float:
        """How many seconds are left; TimeoutError when none are."""
        left = self._ends_at - monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def check(self) -> None:
        """TimeoutError when it has passed."""
        _ = self.left


def _ask_once(
    method: str,
    target: _Target,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    limit: _Deadline,
    most_bytes: int,
) -> Answer:
    try:
        with _Connection(target, limit) as client:
            client.request(method, target.path, body=body, headers={**headers, **LAST_REQUEST})
            with client.getresponse() as answer:
                content = answer.read(most_bytes + 1)
            # What the deadline has cut off may look like an end.
            limit.check()
    except (OSError, http.client.HTTPException):
        raise Unavailable(f"The host {target.host!r} did not answer as it should.") from None
    if len(content) > most_bytes:
        raise Unavailable(f"The host {target.host!r} answers with more than {most_bytes} bytes.")
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, found, content, target.parts.geturl())


class _Connection(http.client.HTTPConnection):
    """A connection to the first of the checked addresses that takes it, for one request.

    It ends at the deadline, whoever waits for what then: a time-out of the socket is for each read,
    and who sends a byte now and then would never meet it.
    """

    auto_open = 0  # or http.client would resolve the name again

    def __init__(self, target: _Target, limit: _Deadline) -> None:
        super().__init__(target.host, target.port)
        self.default_port = PORTS[target.parts.scheme]  # which the Host header does not name
        self._target, self._limit = target, limit
        self._watchdog = threading.Timer(limit.left, self._hang_up)
        self._watchdog.daemon = True

    def __enter__(self) -> Self:
        self.sock = self._held = self._reach()
        self._watchdog.start()
        try:
            if self._target.parts.scheme == "https":
                secured = ssl.create_default_context().wrap_socket(
                    self.sock, server_hostname=self._target.host, do_handshake_on_connect=False
                )
                self.sock = self._held = secured
                secured.do_handshake()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self.close()
        self._held.close()

    def _reach(self) -> socket.socket:
        fault = OSError("The name has no address.")
        for address in self._target.found:
            try:
                return socket.create_connection((str(address), self._target.port), self._limit.left)
            except OSError as error:
                fault = error
        raise fault

    def _hang_up(self) -> None:
        # Not `self.sock`: http.client leaves that to the answer before its body is read.
        with contextlib.suppress(OSError):  # it may have ended by itself
            self._held.shutdown(socket.SHUT_RDWR)


def _is_secret(header: str) -> bool:
    return header.lower() in SECRET_HEADERS
