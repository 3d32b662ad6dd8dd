"""What the pages' tests share: real servers to sign in by."""

import copy
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import cache

from tests import providers
from tests.servers import ServerMissing


@pytest.fixture(autouse=True)
def _nobody_was_counted() -> None:
    """The limits on attempts are for all tests of a process together: begin anew."""
    cache.clear()


@pytest.fixture(scope="session")
def openid_server() -> Iterator[str]:
    """The address of an OpenID provider."""
    with providers.openid() as address:
        yield address


@pytest.fixture
def openid(openid_server: str, settings: Any) -> str:
    """An OpenID provider whose word makes accounts, as a university's would."""
    configured = copy.deepcopy(settings.SOCIALACCOUNT_PROVIDERS)
    configured["openid_connect"]["APPS"][0]["settings"]["server_url"] = openid_server
    settings.SOCIALACCOUNT_PROVIDERS = configured
    settings.AUTO_REGISTER_BY = ["oidc"]
    return openid_server


@pytest.fixture(scope="session")
def ldap_server() -> Iterator[Any]:
    """A directory; without one its tests are left out, but never where a build is judged."""
    with ExitStack() as held:
        try:
            from tests import directories

            directory = held.enter_context(directories.slapd())
        except (ServerMissing, ImportError) as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"{missing} (.ci/run says what it takes)")
        yield directory


@pytest.fixture
def directory(ldap_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty directory that the site asks."""
    from shub.settings import directory as read
    from tests import directories

    ldap_server.clear()
    given = {
        "LDAP_SERVER_URI": ldap_server.address,
        "LDAP_USER_BASE": directories.PEOPLE,
        "LDAP_GROUP_BASE": directories.GROUPS,
    }
    for name, value in given.items():
        monkeypatch.setattr(read, name, value)
        setattr(settings, name, value)
    for name, value in read.told().items():
        setattr(settings, name, value)
    ours = "shub.web.signin.directory.DirectoryBackend"
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, ours]
    return ldap_server
