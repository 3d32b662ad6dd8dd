"""Who is asking: only the site's own proxies are believed."""

from typing import Any

import pytest
from django.test import RequestFactory

from shub.client_address import client_address, neighbourhood

PROXY = "10.0.0.1"
CLIENT = "198.51.100.7"


def asked(peer: str, forwarded: str | None = None) -> str:
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, **headers))


@pytest.mark.parametrize("peer", [CLIENT, "127.0.0.1", PROXY, "::1"])
def test_without_named_proxies_nobody_is_believed(peer: str) -> None:
    assert asked(peer, "192.0.2.1") == peer


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (CLIENT, CLIENT),
        (f"192.0.2.66, {CLIENT}", CLIENT),
        (f"127.0.0.1,{CLIENT}", CLIENT),
        (f"{CLIENT}, 10.0.0.9", CLIENT),
        (f"192.0.2.66, {CLIENT}, 10.0.0.9 ,2001:db8:1::5", CLIENT),
        (f"  {CLIENT}  ", CLIENT),
        (f"{CLIENT}:51234", CLIENT),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ('"[2001:DB8:0::7]"', "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:198.51.100.7", CLIENT),
        (f"{CLIENT}, ::ffff:10.0.0.9", CLIENT),
        (None, PROXY),
        ("", PROXY),
        ("unknown", PROXY),
        (f"{CLIENT}, _hidden", PROXY),
        (f"{CLIENT}, junk, 10.0.0.9", "10.0.0.9"),
        ("10.0.0.8, 10.0.0.9", "10.0.0.8"),
        (f"{CLIENT},", PROXY),
        ("1.2.3", PROXY),
        ("1.2.3.4.5", PROXY),
        ("[", PROXY),
        ("0x7f.1", PROXY),
        ("\x00\xff", PROXY),
        (", ".join(["192.0.2.66"] * 500 + [CLIENT]), CLIENT),
        ("9" * 8000, PROXY),
    ],
)
def test_of_a_proxys_entries_the_last_that_is_no_proxy_counts(
    settings: Any, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "2001:db8:1::/48"]
    assert asked(PROXY, forwarded) == address
    assert asked(f"::ffff:{PROXY}", forwarded) == address


def test_a_client_that_is_no_proxy_is_who_it_is_whatever_it_writes(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    for forwarded in (PROXY, "127.0.0.1", "192.0.2.1, 10.0.0.1", "junk"):
        assert asked(CLIENT, forwarded) == CLIENT
        assert asked("2001:db8::1", forwarded) == "2001:db8::1"


def test_a_chain_that_has_no_end_is_not_walked(settings: Any) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert asked(PROXY, ", ".join([CLIENT] + ["10.0.0.9"] * 500)) == "10.0.0.9"


def test_a_unix_socket_has_no_address_and_is_believed_where_it_is_named(settings: Any) -> None:
    assert asked("", CLIENT) == ""
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert asked("", CLIENT) == ""
    settings.TRUSTED_PROXIES = ["unix"]
    assert asked("", CLIENT) == CLIENT
    assert asked("", "junk") == ""
    assert asked(PROXY, CLIENT) == PROXY


def test_addresses_of_one_64_are_one_client() -> None:
    assert neighbourhood("2001:db8:0:1::1") == neighbourhood("2001:db8:0:1:ffff::9")
    assert neighbourhood("2001:db8:0:1::1") != neighbourhood("2001:db8:0:2::1")
    assert neighbourhood("192.0.2.1") != neighbourhood("192.0.2.2")
    assert neighbourhood("") == ""
