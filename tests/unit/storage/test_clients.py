"""The clients: made on first use, as the settings say; and the endpoint that users reach."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import certifi
import pytest
from django.core.exceptions import ImproperlyConfigured

from shub.storage import clients
from shub.storage.s3 import S3Store


@pytest.fixture(autouse=True)
def configured(settings: Any) -> None:
    settings.MINIO_SERVER = "127.0.0.1:9"
    settings.MINIO_SSL = False
    settings.MINIO_ACCESS_KEY = "someone"
    settings.MINIO_SECRET_KEY = "only for tests"
    settings.MINIO_EXTERNAL_SERVER = "store.example:9000"
    settings.MINIO_EXTERNAL_SERVERS = {}
    settings.MINIO_EXTERNAL_SSL = False
    settings.MINIO_CA_FILE = ""


def test_importing_and_signing_opens_no_connection() -> None:
    # In a process of its own: what is imported here has been imported long before.
    script = """
import socket
def refuse(*_, **__): raise AssertionError("a connection was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from django.conf import settings
import shub.settings.storage as defaults
named = {name: getattr(defaults, name) for name in dir(defaults) if name.isupper()}
settings.configure(**named | {"MINIO_ACCESS_KEY": "x", "MINIO_SECRET_KEY": "only for tests"})
import sys
from shub.storage import object_store
assert not {"boto3", "minio"} & set(sys.modules)
store = object_store()
assert store is object_store()
from shub.storage import clients
clients.minio_client(), clients.boto3_client()
assert store.part_address("k", "u", 1, "", size=1).startswith("http://127.0.0.1:9000/sregistry/k?")
assert store.object_address("k").startswith("http://127.0.0.1:9000/sregistry/k?")
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env={})


def test_one_client_of_each_kind_serves_all_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len({id(each) for each in pool.map(lambda _: clients.boto3_client(), range(8))}) == 1
        assert len({id(each) for each in pool.map(lambda _: clients.minio_client(), range(8))}) == 1


def test_a_client_is_made_anew_when_its_settings_change(settings: Any) -> None:
    before = clients.boto3_client(), clients.minio_client()
    settings.MINIO_SERVER = "127.0.0.1:10"
    after = clients.boto3_client(), clients.minio_client()
    assert before[0] is not after[0]
    assert before[1] is not after[1]
    assert after[0].meta.endpoint_url == "http://127.0.0.1:10"
    settings.MINIO_BUCKET = "another"
    assert (clients.boto3_client(), clients.minio_client()) == after
    clients.forget_clients()
    assert clients.boto3_client() is not after[0]


def test_a_process_makes_its_own_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clients.boto3_client(), clients.minio_client()
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert clients.boto3_client() is not before[0]
    assert clients.minio_client() is not before[1]


@pytest.mark.parametrize("missing", ["MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"])
def test_without_keys_no_client_is_made_and_nothing_is_signed(settings: Any, missing: str) -> None:
    setattr(settings, missing, "")
    for make in (clients.minio_client, clients.boto3_client, clients.credentials):
        with pytest.raises(ImproperlyConfigured, match="MINIO_ACCESS_KEY"):
            make()


def test_parts_are_signed_with_the_keys_that_can_only_upload(settings: Any) -> None:
    store = S3Store()
    assert "Credential=someone%2F" in store.part_address("k", "u", 1, "", size=1)
    settings.MINIO_UPLOAD_ACCESS_KEY = "uploader"
    settings.MINIO_UPLOAD_SECRET_KEY = "only for tests"
    assert "Credential=uploader%2F" in store.part_address("k", "u", 1, "", size=1)
    assert "Credential=someone%2F" in store.object_address("k")


@pytest.mark.parametrize("missing", ["MINIO_UPLOAD_ACCESS_KEY", "MINIO_UPLOAD_SECRET_KEY"])
def test_with_half_a_pair_no_part_is_signed(settings: Any, missing: str) -> None:
    settings.MINIO_UPLOAD_ACCESS_KEY = settings.MINIO_UPLOAD_SECRET_KEY = "uploader"
    setattr(settings, missing, "")
    with pytest.raises(ImproperlyConfigured, match="MINIO_UPLOAD_SECRET_KEY"):
        S3Store().part_address("k", "u", 1, "", size=1)


def test_keys_are_not_shown() -> None:
    assert "only for tests" not in repr(clients.credentials())


def test_both_clients_wait_as_long_as_the_settings_say(settings: Any) -> None:
    settings.MINIO_CONNECT_TIMEOUT_SECONDS = 3
    settings.MINIO_READ_TIMEOUT_SECONDS = 7
    config = clients.boto3_client().meta.config
    assert (config.connect_timeout, config.read_timeout) == (3, 7)
    timeout = clients.minio_client()._http.connection_pool_kw["timeout"]
    assert (timeout.connect_timeout, timeout.read_timeout) == (3, 7)


def test_both_clients_trust_the_authority_of_the_site(settings: Any) -> None:
    def trusted() -> tuple[str, str]:
        boto3 = clients.boto3_client()._endpoint.http_session._verify
        return boto3, clients.minio_client()._http.connection_pool_kw["ca_certs"]

    settings.MINIO_SSL = True
    assert trusted() == (certifi.where(), certifi.where())
    settings.MINIO_CA_FILE = certifi.where().replace("cacert", "other")
    assert trusted() == (settings.MINIO_CA_FILE, settings.MINIO_CA_FILE)


def test_the_proxy_of_the_site_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    clients.forget_clients()
    assert clients.boto3_client()._endpoint.http_session._proxy_config.proxy_url_for(
        "http://x"
    ) is (None)


@pytest.mark.parametrize(
    ("asked", "server"),
    [
        ("", "store.example:9000"),
        ("elsewhere.lab", "store.example:9000"),
        ("registry.lab", "store.lab:9000"),
        ("registry.lab:8080", "store.lab:9000"),
        ("Registry.LAB:8080", "store.lab:9000"),
        ("registry.lab:7000", "store.lab:7000"),
        ("10.0.0.5:80", "10.0.0.6:9000"),
        ("[fd00::5]", "[fd00::6]:9000"),
        ("[fd00::5]:8080", "[fd00::6]:9000"),
        ("registry.lab@evil.example", "store.example:9000"),
        ("//registry.lab/", "store.example:9000"),
    ],
)
def test_the_host_that_was_asked_chooses_the_external_endpoint(
    settings: Any, asked: str, server: str
) -> None:
    settings.MINIO_EXTERNAL_SERVERS = {
        "registry.lab": "store.lab:9000",
        "registry.lab:7000": "store.lab:7000",
        "10.0.0.5": "10.0.0.6:9000",
        "[fd00::5]": "[fd00::6]:9000",
    }
    assert clients.external_endpoint(asked) == f"http://{server}"
    settings.MINIO_EXTERNAL_SSL = True
    assert clients.external_endpoint(asked) == f"https://{server}"
