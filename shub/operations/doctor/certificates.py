"""The certificates that users' clients see: chain, names, days left, and TLS versions."""

import contextlib
import ssl
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from shub.operations.doctor.asking import (
    PORTS,
    NoAuthority,
    NotReached,
    Stage,
    connect,
    secure,
    trust,
)
from shub.operations.doctor.finding import Finding, fault, skipped, warning, well
from shub.operations.doctor.options import Options

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

# Let's Encrypt renews a month before the end: what has three weeks left is not being renewed.
SOON_DAYS = 21

HAS_EXPIRED = fault(
    "certificate-expired",
    _("No client connects any more: “x509: certificate has expired or is not yet valid”."),
    _(
        "Renew the certificate, put it where the proxy reads it, and reload the proxy; have "
        "the renewal run by itself. If the certificate is new, see the clock."
    ),
)
EXPIRES_SOON = warning(
    "certificate-expires-soon",
    _("In some days no client connects any more: “x509: certificate has expired”."),
    _("Renew the certificate, and look why the renewal does not run by itself."),
)
IS_EARLY = fault(
    "certificate-not-yet-valid",
    _("No client connects: “x509: certificate has expired or is not yet valid”."),
    _("Set this machine's clock by NTP, or wait until the certificate begins."),
)
UNKNOWN_AUTHORITY = fault(
    "certificate-unknown-authority",
    _("Clients do not connect: “x509: certificate signed by unknown authority”."),
    _(
        "If it is a public authority's, have the proxy send the whole chain (fullchain.pem: "
        "the certificate, then the intermediate ones). If it is your own authority's, name "
        "its file by REGISTRY_CA_FILE or --ca, and have users trust it: their system's "
        "store, or SSL_CERT_FILE."
    ),
)
WRONG_NAME = fault(
    "certificate-wrong-name",
    _("Clients do not connect: “x509: certificate is valid for …, not …”."),
    _(
        "Have a certificate made that names {host} (as a subjectAltName; an address as an "
        "IP), or set the address to a name that is in it."
    ),
)
NOT_TRUSTED = fault(
    "certificate-not-trusted",
    _("Clients do not connect, and print what they mind in the certificate."),
    _(
        "Have the certificate made anew: for a server, with today's algorithms, by an "
        "authority that clients know."
    ),
)
NO_TLS = fault(
    "certificate-no-tls",
    _("Clients do not connect: what answers there speaks no TLS, or none that clients speak."),
    _(
        "Give the proxy a certificate and have it listen with ssl, or correct the scheme: "
        "PUBLIC_URL, MINIO_EXTERNAL_SSL, MINIO_SSL."
    ),
)
NO_FILE = fault(
    "certificate-file-missing",
    _("Nothing is known of the certificates: the private authority could not be read."),
    _("Correct REGISTRY_CA_FILE, MINIO_CA_FILE or --ca: a PEM file that this process may read."),
)
OLD_TLS = warning(
    "certificate-old-tls",
    _("Nothing fails; but connections can be talked down to a TLS that is broken."),
    _("In nginx: ssl_protocols TLSv1.2 TLSv1.3;"),
)

_warned = threading.Lock()


def look(options: Options) -> list[Finding]:
    """The registry's host and each of the store's, as far as they speak TLS."""
    found: list[Finding] = []
    for address in addresses():
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or PORTS["https"]
        try:
            found += _look_at(options, host, port)
        except NotReached as fault:
            found.append(skipped(f"{fault.words}: see address and store-outside."))
    return found or [skipped("No address is https: clients speak without TLS.")]


def addresses() -> list[str]:
    """Those by which clients come that are https, each once."""
    from shub.storage.clients import external_endpoint

    hosts = ("", *settings.MINIO_EXTERNAL_SERVERS)
    known = [settings.PUBLIC_URL, *(external_endpoint(host) for host in hosts)]
    by_place = {
        (parts.hostname, parts.port or PORTS["https"]): each
        for each in reversed(known)
        if (parts := urlsplit(each)).scheme == "https"
    }
    return list(reversed(by_place.values()))


def _look_at(options: Options, host: str, port: int) -> list[Finding]:
    try:
        context = trust(options)
    except NoAuthority as error:
        return [NO_FILE.found(error.words)]
    try:
        with secure(connect(options, host, port, options.answer_seconds), host, context) as held:
            version = held.version()
            leaf = _read(held.getpeercert(binary_form=True))
    except NotReached as refused:
        if refused.stage is not Stage.TLS:
            raise
        return [_refusal(options, host, port, refused)]
    found = list(_weak_points(options, host, port, leaf))
    days = days_left(leaf)
    about = f"{host}:{port}, for {names(leaf)}, by {issuer(leaf)}"
    return found or [well(f"{about}: {days} days left, {version}.")]


def _weak_points(options: Options, host: str, port: int, leaf: "Certificate") -> Iterator[Finding]:
    days = days_left(leaf)
    if days < SOON_DAYS:
        until = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
        yield EXPIRES_SOON.found(f"{host}:{port}: {days} days left, until {until}")
    if _takes_old_versions(options, host, port):
        yield OLD_TLS.found(f"{host}:{port} takes TLS 1.1 or older")


def _refusal(options: Options, host: str, port: int, refused: NotReached) -> Finding:
    """Why the certificate is not taken; it is looked at without trusting it."""
    if not refused.verify_code:
        return NO_TLS.found(f"{host}:{port}: {refused.words}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with secure(connect(options, host, port, options.answer_seconds), host, context) as held:
        leaf = _read(held.getpeercert(binary_form=True))
    about = f"{host}:{port}: for {names(leaf)}, by {issuer(leaf)}"
    match refused.verify_code:  # OpenSSL's numbers, X509_V_ERR_…
        case 10:
            return HAS_EXPIRED.found(
                f"{about}, ended {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
            )
        case 9:
            return IS_EARLY.found(f"{about}, begins {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
        case 18 | 19 | 20 | 21:
            return UNKNOWN_AUTHORITY.found(about)
        case 62 | 64:
            return WRONG_NAME.found(about, host=host)
    return NOT_TRUSTED.found(f"{about}: {refused.words}")


def _takes_old_versions(options: Options, host: str, port: int) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    # Python warns whoever names an old version, which is just what is meant here.
    with _warned, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with contextlib.suppress(ssl.SSLError):
        context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        with secure(connect(options, host, port, options.answer_seconds), host, context):
            return True
    except NotReached:
        return False


def _read(encoded: bytes | None) -> "Certificate":
    from cryptography import x509

    return x509.load_der_x509_certificate(encoded or b"")


def names(leaf: "Certificate") -> str:
    """The names and addresses that it is for."""
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "no name"
    return ", ".join(str(each.value) for each in found) or "no name"


def issuer(leaf: "Certificate") -> str:
    """Who signed it."""
    return leaf.issuer.rfc4514_string() or "nobody"


def days_left(leaf: "Certificate") -> int:
    """Whole days until its end; negative after it."""
    return (leaf.not_valid_after_utc - datetime.now(UTC)).days
