"""A site's own certificate is judged before any client meets it."""

import ssl
import subprocess
from pathlib import Path

import pytest
from django.core.management import CommandError

from shub.operations.setup import certificates
from shub.operations.setup.failures import Refused
from tests.unit.operations.setup.authorities import Made, make, write
from tests.unit.operations.setup.test_setup import content, secret, settings, setup

HOST = "registry.example.org"


@pytest.fixture(scope="module")
def root() -> Made:
    return make("root", authority=True, days=(-400, 4000))


@pytest.fixture(scope="module")
def between(root: Made) -> Made:
    return make("between", by=root, authority=True)


def judged(
    server: Made, *chain: Made, root: Made | None = None, key: str = "", host: str = HOST
) -> certificates.Judged:
    return certificates.judge(
        "".join(made.pem for made in (server, *chain)),
        key or server.key_pem(),
        hosts=[host],
        authority=root.pem if root else "",
        flag="--certificate",
    )


def test_a_whole_chain_is_taken_and_put_in_order_without_its_root(
    root: Made, between: Made
) -> None:
    server = make("server", by=between, hosts=(HOST,))
    text = root.pem + between.pem + server.pem
    found = certificates.judge(text, server.key_pem(), hosts=[HOST], authority=root.pem)
    assert found.pair.certificate == server.pem + between.pem
    assert not found.warnings


def test_a_missing_link_is_said(root: Made, between: Made) -> None:
    server = make("server", by=between, hosts=(HOST,))
    with pytest.raises(Refused, match="between the two is missing"):
        judged(server, root=root)
    assert "clients would refuse it" in judged(server).warnings[0]


def test_an_authority_that_did_not_sign_is_refused(root: Made) -> None:
    # Of the same name, so that only the signature tells.
    other = make("root", authority=True)
    with pytest.raises(Refused, match="did not sign"):
        judged(make("server", by=other, hosts=(HOST,)), root=root)


@pytest.mark.parametrize(
    ("hosts", "host", "fits"),
    [
        ((HOST,), HOST, True),
        (("*.example.org",), HOST, True),
        (("*.example.org",), "a.registry.example.org", False),
        (("*.example.org",), "example.org", False),
        (("images.example.org",), HOST, False),
        ((), HOST, False),
    ],
)
def test_a_certificate_is_for_the_names_in_it(
    root: Made, hosts: tuple[str, ...], host: str, fits: bool
) -> None:
    # Its common name is the host, which counts for nothing.
    server = make(host, by=root, hosts=hosts)
    if fits:
        judged(server, root=root, host=host)
        return
    with pytest.raises(Refused, match="the certificate is for"):
        judged(server, root=root, host=host)


def test_one_that_ended_or_has_not_begun_is_refused(root: Made) -> None:
    with pytest.raises(Refused, match="ended on"):
        judged(make("server", by=root, hosts=(HOST,), days=(-90, -1)), root=root)
    with pytest.raises(Refused, match="is the clock right"):
        judged(make("server", by=root, hosts=(HOST,), days=(1, 90)), root=root)
    ended = make("between", by=root, authority=True, days=(-90, -1))
    with pytest.raises(Refused, match="certificate of between"):
        judged(make("server", by=ended, hosts=(HOST,)), ended, root=root)


def test_one_that_ends_soon_is_warned_of(root: Made) -> None:
    server = make("server", by=root, hosts=(HOST,), days=(-60, 20))
    assert "ends on" in judged(server, root=root).warnings[0]


def test_a_key_that_does_not_fit_or_that_nothing_can_open_is_refused(root: Made) -> None:
    server = make("server", by=root, hosts=(HOST,))
    with pytest.raises(Refused, match="does not belong"):
        judged(server, key=make("other").key_pem())
    with pytest.raises(Refused, match="locked with a password"):
        judged(server, key=server.key_pem(b"word"))
    with pytest.raises(Refused, match="no PEM file with a private key"):
        judged(server, key=server.pem)
    with pytest.raises(Refused, match="2048 or more"):
        judged(make("server", by=root, hosts=(HOST,), bits=1024), root=root)
    with pytest.raises(Refused, match="no PEM file with certificates"):
        certificates.judge("nothing", server.key_pem(), hosts=[HOST])


def test_the_files_are_copied_and_new_ones_taken_over_with_a_yes(
    tmp_path: Path, root: Made
) -> None:
    def files(server: Made) -> list[str]:
        return [
            *("--certificate", str(write(tmp_path / "c.pem", server.pem))),
            *("--key", str(write(tmp_path / "k.pem", server.key_pem()))),
        ]

    authority = write(tmp_path / "root.pem", root.pem)
    server = make("server", by=root, hosts=(HOST,))
    setup(tmp_path, "--host", HOST, "--tls", "own", *files(server), "--ca", str(authority))
    assert secret(tmp_path, "tls.crt") == server.pem.strip()
    assert secret(tmp_path, "ca.crt") == root.pem.strip()
    assert settings(tmp_path)["SHUB_CA_FILE"] == "./secrets/ca.crt"
    before = content(tmp_path)
    assert "Nothing is new" in setup(tmp_path, *files(server))[0]
    assert content(tmp_path) == before

    renewed = make("server", by=root, hosts=(HOST,))
    with pytest.raises(CommandError, match="Nothing was written"):
        setup(tmp_path, *files(renewed))
    out, _ = setup(tmp_path, *files(renewed), "--yes")
    assert secret(tmp_path, "tls.crt") == renewed.pem.strip()
    assert secret(tmp_path, "tls.key") == renewed.key_pem().strip()
    assert "--force-recreate nginx" in out


def test_another_host_needs_another_certificate(tmp_path: Path, root: Made) -> None:
    server = make("server", by=root, hosts=(HOST,))
    setup(
        tmp_path, "--host", HOST, "--tls", "own",
        "--certificate", str(write(tmp_path / "c.pem", server.pem)),
        "--key", str(write(tmp_path / "k.pem", server.key_pem())),
    )  # fmt: skip
    with pytest.raises(CommandError, match=r"is not for images\.example\.org"):
        setup(tmp_path, "--host", "images.example.org", "--yes")
    assert settings(tmp_path)["PUBLIC_URL"] == f"https://{HOST}"


def test_a_client_that_trusts_the_authority_speaks_tls_with_the_server(tmp_path: Path) -> None:
    setup(tmp_path, "--host", HOST, "--tls", "private-ca")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "secrets/tls.crt", tmp_path / "secrets/tls.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "secrets/ca.crt"))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    shake(client, server, HOST)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake(client, server, "images.example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="local issuer"):
        shake(ssl.create_default_context(), server, HOST)


def shake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """A TLS handshake in memory, to its end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=host)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (one, other):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert one.version() == "TLSv1.3"


def test_the_lives_are_those_that_clients_take(tmp_path: Path) -> None:
    setup(tmp_path, "--host", HOST, "--tls", "private-ca")

    def days(name: str) -> int:
        text = (tmp_path / "secrets" / name).read_text()
        return (certificates.expires_at(text) - certificates.now()).days

    assert days("tls.crt") == 824
    assert days("ca.crt") == 3651
    said = subprocess.check_output(
        [
            "openssl",
            "x509",
            "-in",
            tmp_path / "secrets/ca.crt",
            "-noout",
            "-fingerprint",
            "-sha256",
        ],
        text=True,
    )
    assert said.strip().endswith(certificates.fingerprint(secret(tmp_path, "ca.crt")))
