"""Certificates: whether a server's own are good for its name, and those of a private authority.

The authority is good for ten years and for the site's own domain only: whoever takes its key can
pose as hosts of that domain, not as the bank of those who trust it. A server's certificate is good
for 825 days, the most that Apple's systems take from a private authority.
"""

import contextlib
import ipaddress
import ssl
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from shub.operations.setup.failures import Refused
from shub.operations.setup.hosts import is_address

AUTHORITY_DAYS = 3652
SERVER_DAYS = 825
# Clocks of clients are not all right.
BACKDATED = timedelta(hours=1)
SOON = timedelta(days=30)

_LONGEST_NAME = 64


@dataclass(frozen=True)
class Pair:
    """A certificate, with those that lead to its authority behind it, and its key; PEM."""

    certificate: str
    key: str


@dataclass
class Judged:
    """A pair that can be served, and what is to be said of it."""

    pair: Pair
    expires_at: datetime
    warnings: list[str] = field(default_factory=list)


def now() -> datetime:
    return datetime.now(UTC)


# ── the site's own ──


def judge(
    certificate: str, key: str, *, hosts: Sequence[str], authority: str = "", flag: str = ""
) -> Judged:
    """The pair, in the order that clients need; Refused where no client could be served with it.

    `authority` is the PEM of a private authority; `flag` begins the sentences.
    """
    prefix = f"{flag}: " if flag else ""
    given = _certificates(certificate, f"{prefix}the certificate")
    private = _key(key, f"{prefix}the key")
    public = private.public_key()
    server = next((each for each in given if each.public_key() == public), None)
    if server is None:
        raise Refused(f"{prefix}the key does not belong to the certificate.")
    _check_strength(private, prefix)
    _check_dates(server, prefix)
    missing = [host for host in hosts if not covers(server, host)]
    if missing:
        raise Refused(
            f"{prefix}the certificate is for {', '.join(names(server)) or 'no name'}, not for "
            f"{' and '.join(missing)}."
        )
    roots = _certificates(authority, "--ca") if authority else trusted_here()
    chain, complete = _chain(server, given, roots)
    for each in chain[1:]:
        _check_dates(each, f"{prefix}the certificate of {_common_name(each)}: ")
    judged = Judged(
        Pair("".join(pem(each) for each in chain), key.strip() + "\n"), server.not_valid_after_utc
    )
    if not complete and authority:
        raise Refused(
            f"{prefix}the authority of --ca did not sign the certificate, or a certificate "
            "between the two is missing from the file."
        )
    if not complete:
        judged.warnings.append(
            "No authority that this machine knows signed the certificate, or one between the two "
            "is missing from the file: clients would refuse it. Give the whole chain in the file; "
            "name a private authority by --ca."
        )
    if server.not_valid_after_utc - now() < SOON:
        judged.warnings.append(f"The certificate ends on {server.not_valid_after_utc:%Y-%m-%d}.")
    return judged


def names(certificate: x509.Certificate) -> list[str]:
    """The names and addresses that it is for. A common name counts for nothing with Go's clients.

    A certificate without them has none.
    """
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        *found.get_values_for_type(x509.DNSName),
        *map(str, found.get_values_for_type(x509.IPAddress)),
    ]


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Whether a client that asks for the host takes the certificate; `*` stands for one label."""
    above = host.partition(".")[2]
    return any(
        name.lower() == host or (name.startswith("*.") and name[2:].lower() == above != "")
        for name in names(certificate)
    )


def trusted_here() -> list[x509.Certificate]:
    """The authorities that this machine knows; none where it has no list of them."""
    found = []
    with warnings.catch_warnings():
        # Of old roots with odd serial numbers; one that cannot be read signs for nobody here.
        warnings.simplefilter("ignore")
        for each in ssl.create_default_context().get_ca_certs(binary_form=True):
            with contextlib.suppress(ValueError):
                found.append(x509.load_der_x509_certificate(each))
    return found


def expires_at(certificate: str) -> datetime:
    """When the first certificate of a PEM text ends."""
    return _certificates(certificate, "the certificate")[0].not_valid_after_utc


def is_for(certificate: str, hosts: Iterable[str]) -> bool:
    """Whether the first certificate of a PEM text covers all of these."""
    first = _certificates(certificate, "the certificate")[0]
    return all(covers(first, host) for host in hosts)


def is_signed(certificate: str, by: str) -> bool:
    """Whether the first certificate of one PEM text signed that of the other."""
    authority = _certificates(by, "ca.crt")[0]
    return _signed(_certificates(certificate, "the certificate")[0], authority)


def belongs(pair: Pair) -> bool:
    """Whether the key is the first certificate's."""
    try:
        first = _certificates(pair.certificate, "the certificate")[0]
        return first.public_key() == _key(pair.key, "the key").public_key()
    except Refused:
        return False


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(certificate: str) -> str:
    """SHA-256 of the first certificate, as openssl and browsers write it."""
    digest = _certificates(certificate, "the certificate")[0].fingerprint(hashes.SHA256())
    return ":".join(f"{byte:02X}" for byte in digest)


def _certificates(text: str, what: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        raise Refused(f"{what} is no PEM file with certificates.") from None


def _key(text: str, what: str) -> CertificateIssuerPrivateKeyTypes:
    try:
        found = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise Refused(
            f"{what} is locked with a password, which nobody types when the server starts: "
            "openssl pkey -in LOCKED -out KEY"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Refused(f"{what} is no PEM file with a private key.") from None
    if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise Refused(f"{what} is neither RSA nor ECDSA: clients of 2019 know no others.")
    return found


def _check_strength(key: CertificateIssuerPrivateKeyTypes, prefix: str) -> None:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < 2048:
        raise Refused(f"{prefix}an RSA key of {key.key_size} bits: clients ask for 2048 or more.")


def _check_dates(certificate: x509.Certificate, prefix: str) -> None:
    if certificate.not_valid_after_utc < now():
        ended = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        raise Refused(f"{prefix}the certificate ended on {ended}.")
    if certificate.not_valid_before_utc > now():
        begins = f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M}"
        raise Refused(f"{prefix}the certificate begins on {begins} (UTC): is the clock right?")


def _chain(
    server: x509.Certificate,
    given: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
) -> tuple[list[x509.Certificate], bool]:
    """What to send, the server's first, without the root; and whether a root was reached."""
    chain = [server]
    while True:
        last = chain[-1]
        if last in roots or any(_signed(last, root) for root in roots):
            # A root is not sent, unless it is the server's own.
            return chain, True
        following = next(
            (each for each in given if each not in chain and _signed(last, each)), None
        )
        if following is None:
            return chain, False
        chain.append(following)


def _signed(certificate: x509.Certificate, by: x509.Certificate) -> bool:
    if certificate.issuer != by.subject:
        return False
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else certificate.subject.rfc4514_string()


# ── a private authority ──


def make_authority(hosts: Sequence[str]) -> Pair:
    """An authority for the domains of these hosts, and for no others."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"shub authority for {hosts[0]}")
    certificate = (
        _begin(name, key.public_key(), AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_bounds(hosts), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Pair(pem(certificate), _written(key))


def may_sign(authority: str, hosts: Sequence[str]) -> bool:
    """Whether all of these hosts are within the authority's bounds, and it lasts long enough."""
    first = _certificates(authority, "ca.crt")[0]
    if first.not_valid_after_utc - now() < timedelta(days=SERVER_DAYS):
        return False
    try:
        bounds = first.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    permitted = bounds.permitted_subtrees or []
    return all(any(_within(host, each) for each in permitted) for host in hosts)


def issue(authority: Pair, hosts: Sequence[str]) -> Pair:
    """A server's certificate and key for these hosts, signed by the authority."""
    signer = _certificates(authority.certificate, "ca.crt")[0]
    signing_key = _key(authority.key, "ca.key")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begin(_name(hosts[0]), key.public_key(), SERVER_DAYS)
        .issuer_name(signer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
        .sign(signing_key, hashes.SHA256())
    )
    return Pair(pem(certificate), _written(key))


def self_signed(host: str) -> Pair:
    """A certificate that nobody trusts, for a server to start with until it is given one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(host)
    certificate = (
        _begin(name, key.public_key(), 90)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([_general(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Pair(pem(certificate), _written(key))


def _begin(
    name: x509.Name, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    began = now() - BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _bounds(hosts: Sequence[str]) -> x509.NameConstraints:
    addresses = [host for host in hosts if is_address(host)]
    domains = sorted({domain_of(host) for host in hosts if not is_address(host)})
    permitted: list[x509.GeneralName] = [x509.DNSName(domain) for domain in domains]
    permitted += [x509.IPAddress(ipaddress.ip_network(address)) for address in addresses]
    # A kind of name that is not spoken of would be free.
    excluded: list[x509.GeneralName] = []
    if not addresses:
        excluded += [
            x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
            x509.IPAddress(ipaddress.ip_network("::/0")),
        ]
    return x509.NameConstraints(permitted, excluded or None)


def _within(host: str, bound: x509.GeneralName) -> bool:
    if isinstance(bound, x509.IPAddress):
        return is_address(host) and ipaddress.ip_address(host) in bound.value  # type: ignore[operator]
    return host == bound.value or host.endswith(f".{bound.value}")


def domain_of(host: str) -> str:
    """The domain that the host's owner has: without its first label, where two are left.

    >>> domain_of("registry.example.org"), domain_of("example.org"), domain_of("registry")
    ('example.org', 'example.org', 'registry')
    """
    above = host.partition(".")[2]
    return above if "." in above else host


def _general(host: str) -> x509.GeneralName:
    if is_address(host):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:_LONGEST_NAME])])


def _written(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
