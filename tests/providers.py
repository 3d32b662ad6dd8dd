"""Sites that vouch for people, for tests: each a process on loopback that speaks its protocol."""

import html
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from django.http import HttpResponse
from django.test import Client

from tests.servers import free_hosts, process, wait_until_ready


@contextmanager
def openid() -> Iterator[str]:
    """oidc-provider-mock: everybody who has an account there may come."""
    port = free_hosts(1)[0].rpartition(":")[2]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", port]
    with tempfile.TemporaryDirectory(prefix="shub-openid-") as folder:
        environment = {"AUTHLIB_INSECURE_TRANSPORT": "1"}
        with process(command, folder, environment) as started:
            address = f"http://localhost:{port}"
            wait_until_ready(started, f"{address}/.well-known/openid-configuration", folder)
            yield address


def know(address: str, sub: str, **claims: Any) -> None:
    """Have the OpenID provider know somebody, and say this of them."""
    requests.put(f"{address}/users/{sub}", json=claims, timeout=10).raise_for_status()


def leave_for(client: Client, provider: str, **form: str) -> str:
    """Press the provider's button: the address that the browser is led to."""
    page = client.post(f"/account/with/{provider}", form)
    found = re.search(r'http-equiv="refresh"\s+content="0; url=([^"]+)"', page.content.decode())
    assert page.status_code == 200, page.content
    assert found, page.content.decode()
    return html.unescape(found[1])


def agree(address: str, sub: str) -> str:
    """Sign in at the OpenID provider as somebody: the address that it sends the browser back to."""
    answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


def come_back(client: Client, address: str) -> HttpResponse:
    """Follow the provider's redirect."""
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def sign_in(client: Client, sub: str, **form: str) -> HttpResponse:
    """All of it: the page that one then gets."""
    return come_back(client, agree(leave_for(client, "oidc", **form), sub))
