"""Faults of proxies, certificates and addresses, each set up for real, each found and alone."""

import pytest

from shub.operations.doctor.finding import State
from tests.doctor import proxies
from tests.doctor.conftest import Look, Patient, codes

OUTSIDE = ("address", "static-files", "certificates", "proxy", "store-outside")


def everything(look: Look, proxy: str) -> list[str]:
    """All that is wrong with how users see the registry through this proxy."""
    slow = {"slow_seconds": 2.0} if proxy in {"impatient", "well"} else {}
    return [code for check in OUTSIDE for code in codes(look(check, proxy, **slow))]


def test_a_registry_behind_a_sound_proxy_has_no_finding(look: Look) -> None:
    for check in OUTSIDE:
        for finding in look(check, slow_seconds=2.0):
            assert finding.state is State.OK, finding


@pytest.mark.parametrize(
    ("proxy", "found"),
    [
        ("soon", ["certificate-expires-soon"]),
        ("old TLS", ["certificate-old-tls"]),
        ("body limit", ["outside-body-limit"]),
        ("body limit of the API", ["proxy-body-limit-api"]),
        ("header limit", ["proxy-header-limit"]),
        ("other host to the store", ["outside-signature"]),
        ("other host", ["proxy-other-host"]),
        ("no forwarded address", ["proxy-no-forwarded-for"]),
        ("no forwarded scheme", ["proxy-no-forwarded-proto"]),
        ("forged address", ["proxy-forged-address"]),
        ("impatient", ["proxy-impatient"]),
        ("keeps the token", ["outside-authorization-kept"]),
        ("no ranges", ["outside-no-ranges"]),
        ("other bytes", ["outside-changed-bytes", "outside-anybody-reads"]),
        ("no store", ["outside-something-else"]),
        ("no styles", ["static-files-not-served"]),
        ("a page", ["address-something-else"]),
        ("other document", ["address-other-address"]),
        ("bad gateway", ["address-bad-gateway"]),
    ],
)
def test_what_a_proxy_does_wrong_is_named_and_nothing_else(
    look: Look, proxy: str, found: list[str]
) -> None:
    assert everything(look, proxy) == found


@pytest.mark.parametrize(
    ("proxy", "found"),
    [
        ("expired", "certificate-expired"),
        ("early", "certificate-not-yet-valid"),
        ("unknown authority", "certificate-unknown-authority"),
        ("wrong name", "certificate-wrong-name"),
        ("no TLS", "certificate-no-tls"),
    ],
)
def test_a_certificate_that_clients_refuse_is_named_once_and_what_follows_points_at_it(
    look: Look, proxy: str, found: str
) -> None:
    assert everything(look, proxy) == ["address-no-tls", found, "outside-no-tls"]


def test_a_redirect_is_named_by_where_it_leads(look: Look) -> None:
    (finding,) = look("address", "redirects")
    assert finding.code == "address-redirects"
    assert "https://elsewhere.test" in finding.seen


def test_the_limit_of_a_body_is_told_within_a_tenth(look: Look) -> None:
    (finding,) = look("store-outside", "body limit")
    passes = int(finding.seen.split(" bytes pass")[0].split()[-1])
    assert 0.85 * 1024**2 < passes <= 1024**2, finding.seen
    assert "413" in finding.seen


def test_the_words_of_a_certificate_name_it(look: Look) -> None:
    (finding,) = look("certificates", "wrong name")
    assert "other.test" in finding.seen
    assert proxies.HOST in finding.remedy
    (finding,) = look("certificates", "unknown authority")
    assert "CN=other" in finding.seen


def test_a_private_authority_is_trusted_where_it_is_named(
    look: Look, within: Patient, settings: pytest.FixtureRequest
) -> None:
    file = settings.REGISTRY_CA_FILE
    settings.REGISTRY_CA_FILE = ""
    assert codes(look("certificates")) == ["certificate-unknown-authority"]
    assert codes(look("certificates", ca_file=file)) == []
    settings.REGISTRY_CA_FILE = "/nowhere/ca.crt"
    (finding,) = look("certificates")
    assert finding.code == "certificate-file-missing"
    assert "/nowhere/ca.crt" in finding.seen


def test_a_proxy_that_is_not_named_is_to_be_named(look: Look) -> None:
    (finding,) = look("proxy", "not trusted")
    assert finding.code == "proxy-not-trusted"
    assert "Add 127.0.0.99" in finding.remedy


def test_a_name_that_is_not_known_here_is_said_to_be_that_only(look: Look) -> None:
    for check, code in (
        ("address", "address-name-unknown"),
        ("store-outside", "outside-name-unknown"),
    ):
        (finding,) = look(check, resolve={})
        assert finding.code == code
        assert finding.state is State.WARNING
        assert "--resolve" in finding.remedy


def test_an_address_where_nobody_listens_is_a_fault(look: Look) -> None:
    unused = {"resolve": {proxies.HOST: "127.0.0.254"}}
    assert codes(look("address", **unused)) == ["address-not-reached"]
    assert codes(look("store-outside", **unused)) == ["outside-not-reached"]
    assert codes(look("proxy", **unused)) == []


def test_a_store_at_127_0_0_1_for_users_elsewhere_is_named(
    look: Look, settings: pytest.FixtureRequest
) -> None:
    settings.MINIO_EXTERNAL_SERVER = "127.0.0.1:9000"
    settings.MINIO_EXTERNAL_SSL = False
    (finding,) = look("store-outside")
    assert finding.code == "outside-loopback"
    assert "MINIO_EXTERNAL_SERVER" in finding.remedy


def test_each_of_several_networks_is_looked_at(
    look: Look, settings: pytest.FixtureRequest, patient: Patient
) -> None:
    settings.MINIO_EXTERNAL_SERVERS = {"lab.test": f"store.lab.test:{patient.port}"}
    findings = look("store-outside")
    assert [each.code for each in findings] == ["", "outside-name-unknown"]


def test_a_web_server_with_other_settings_is_named(
    look: Look, settings: pytest.FixtureRequest
) -> None:
    settings.UPLOAD_PART_BYTES = 5 * 1024**2
    (finding,) = look("proxy")
    assert finding.code == "proxy-other-settings"
    assert "UPLOAD_PART_BYTES" in finding.seen
    settings.SECRET_KEY = "another, which is fifty characters and more in its length"
    (finding,) = look("proxy")
    assert finding.code == "proxy-not-ours"
