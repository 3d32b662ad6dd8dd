"""System checks: what is wrong in the settings, before a user finds it. No store is asked."""

import ipaddress
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Tags, register

from shub.operations.route_words import route_words


@register(Tags.urls)
def public_url_is_an_origin(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """PUBLIC_URL is scheme and host: clients of 2019 throw a path away."""
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme in {"http", "https"} and parts.hostname and not (parts.path or parts.query):
        return []
    return [
        checks.Error(
            f"PUBLIC_URL is {settings.PUBLIC_URL!r}.",
            hint="Give scheme and host, and a port where it is not the scheme's own, no path: "
            "https://registry.example.org",
            id="shub.E001",
        )
    ]


@register(Tags.security, deploy=True)
def store_has_credentials(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The store's keys are set."""
    if settings.MINIO_ACCESS_KEY and settings.MINIO_SECRET_KEY:
        return []
    return [
        checks.Error(
            "MINIO_ACCESS_KEY and MINIO_SECRET_KEY are not both set.",
            hint="Set them, or MINIO_ACCESS_KEY_FILE and MINIO_SECRET_KEY_FILE.",
            id="shub.E002",
        )
    ]


@register(Tags.security)
def upload_keys_are_a_pair(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """The keys that can only upload are both set, or neither is: nothing is signed with a half."""
    if bool(settings.MINIO_UPLOAD_ACCESS_KEY) == bool(settings.MINIO_UPLOAD_SECRET_KEY):
        return []
    return [
        checks.Error(
            "Only one of MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY is set.",
            hint="Set both, or neither.",
            id="shub.E003",
        )
    ]


@register(Tags.security, deploy=True)
def parts_have_keys_of_their_own(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """Whoever may push to MinIO or JuiceFS could else read all that the store's main keys can."""
    if settings.MINIO_UPLOAD_ACCESS_KEY not in {"", settings.MINIO_ACCESS_KEY}:
        return []
    return [
        checks.Warning(
            "The addresses that parts are sent to are signed with the store's main keys.",
            hint="On MinIO and JuiceFS a client can have them copy what those keys can read: set "
            "MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY and run `manage.py prepare "
            "--upload-user` once. A store that refuses x-amz-* headers which are not signed, as "
            "AWS and SeaweedFS do, needs none: silence this there.",
            id="shub.W002",
        )
    ]


@register(Tags.urls, deploy=True)
def users_reach_the_store(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """No store at 127.0.0.1 for users elsewhere: the commonest reason why a first push fails."""
    public = urlsplit(settings.PUBLIC_URL).hostname or ""
    store = urlsplit(f"//{settings.MINIO_EXTERNAL_SERVER}").hostname or ""
    if is_loopback(public) or not is_loopback(store):
        return []
    return [
        checks.Warning(
            f"Users reach the registry at {public}, but are sent to {store} for the bytes.",
            hint="Set MINIO_EXTERNAL_SERVER to the HOST:PORT by which users reach the store.",
            id="shub.W001",
        )
    ]


@register(Tags.urls)
def bucket_is_no_route(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Under the registry's own host the bucket's path is among the pages' and the API's."""
    if not store_is_here() or settings.MINIO_BUCKET not in route_words():
        return []
    return [
        checks.Error(
            f"The bucket is called {settings.MINIO_BUCKET!r}, and users reach it at "
            f"{settings.PUBLIC_URL}/{settings.MINIO_BUCKET}/, which is an address of the "
            "registry's own.",
            hint="Set MINIO_BUCKET to another name, or MINIO_EXTERNAL_SERVER to a host of the "
            "store's own.",
            id="shub.E005",
        )
    ]


@register(Tags.urls)
def store_location_is_whole(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """The bucket's name is put behind it: without its slashes nginx finds no such location."""
    location = settings.NGINX_STORE_LOCATION
    if not location or (location.startswith("/") and location.endswith("/") and location != "/"):
        return []
    return [
        checks.Error(
            f"NGINX_STORE_LOCATION is {location!r}.",
            hint="It has to begin and to end with a slash, as in nginx.conf: /-/store/",
            id="shub.E006",
        )
    ]


@register(Tags.urls)
def store_servers_are_hosts(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """HOST or HOST:PORT: what else stands there would be signed as it is."""
    servers = {
        "MINIO_SERVER": settings.MINIO_SERVER,
        "MINIO_EXTERNAL_SERVER": settings.MINIO_EXTERNAL_SERVER,
        **{
            f"MINIO_EXTERNAL_SERVERS ({host})": server
            for host, server in settings.MINIO_EXTERNAL_SERVERS.items()
        },
    }
    return [
        checks.Error(
            f"{name} is {server!r}.",
            hint="Give HOST or HOST:PORT, without a scheme and a path: store.example.org:9000",
            id="shub.E007",
        )
        for name, server in servers.items()
        if not is_host_and_port(server)
    ]


@register(Tags.urls, deploy=True)
def pages_and_store_both_use_tls(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """One address has one scheme; and images do not travel in the clear beside pages by TLS."""
    if settings.SERVED_BY_TLS == settings.MINIO_EXTERNAL_SSL:
        return []
    if store_is_here():
        said = "true" if settings.SERVED_BY_TLS else "false"
        return [
            checks.Error(
                f"PUBLIC_URL is {settings.PUBLIC_URL}, and the store is at the same host and port, "
                f"but MINIO_EXTERNAL_SSL is {str(settings.MINIO_EXTERNAL_SSL).lower()}.",
                hint=f"Set MINIO_EXTERNAL_SSL={said}.",
                id="shub.E008",
            )
        ]
    if not settings.SERVED_BY_TLS:
        return []
    return [
        checks.Warning(
            "The pages come by TLS, the images do not: whoever is on the way reads them.",
            hint="Set MINIO_EXTERNAL_SSL=true once the store speaks TLS.",
            id="shub.W005",
        )
    ]


@register(Tags.security, deploy=True)
def own_authority_can_be_read(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """The files of private authorities are there, and hold certificates."""
    found: list[CheckMessage] = []
    for name in ("MINIO_CA_FILE", "LDAP_CA_FILE"):
        path = getattr(settings, name)
        if path and (fault := certificate_fault(path)):
            found.append(
                checks.Error(
                    f"{name}: {path}: {fault}.",
                    hint="Give the path of a PEM file with the authority's certificate.",
                    id="shub.E009",
                )
            )
    return found


@register(Tags.security, deploy=True)
def passwords_travel_by_tls(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """Neither a password on its way to the directory nor a provider's word is in the clear."""
    found: list[CheckMessage] = []
    if settings.LDAP_SERVER_URI.startswith("ldap://") and not settings.LDAP_START_TLS:
        found.append(
            checks.Warning(
                "Passwords go to the directory in the clear.",
                hint="Have LDAP_SERVER_URI begin with ldaps://, or set LDAP_START_TLS=true.",
                id="shub.W010",
            )
        )
    issuer = urlsplit(settings.OIDC_ISSUER)
    if issuer.scheme == "http" and not is_loopback(issuer.hostname or ""):
        found.append(
            checks.Warning(
                "The OpenID provider is asked in the clear: anybody on the way can be anybody.",
                hint="Have OIDC_ISSUER begin with https://.",
                id="shub.W011",
            )
        )
    return found


@register(Tags.security)
def addresses_can_be_verified(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[CheckMessage]:
    """Registration by domain waits for a mail that has to be sent."""
    if settings.REGISTRATION != "domain" or settings.EMAIL_HOST:
        return []
    return [
        checks.Error(
            "REGISTRATION is domain, but no mail can be sent: nobody could verify an address.",
            hint="Set EMAIL_HOST.",
            id="shub.E010",
        )
    ]


@register(Tags.security)
def debug_is_for_oneself(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Django's debug pages show settings, code and what was sent: never to others."""
    if not settings.DEBUG or is_loopback(urlsplit(settings.PUBLIC_URL).hostname or ""):
        return []
    return [
        checks.Error(
            f"DEBUG is on, and others reach the site at {settings.PUBLIC_URL}.",
            hint="Unset DEBUG; or set PUBLIC_URL to http://127.0.0.1:8080 to try something out.",
            id="shub.E004",
        )
    ]


@register(Tags.security, deploy=True)
def proxies_are_named(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """TLS ends at a proxy: without its name all clients have its address, and share one limit."""
    if settings.TRUSTED_PROXIES or not settings.SERVED_BY_TLS:
        return []
    return [
        checks.Warning(
            "PUBLIC_URL is https, so there is a proxy in front; TRUSTED_PROXIES does not name it.",
            hint="Set TRUSTED_PROXIES to the proxy's address as this server sees it: limits and "
            "the audit trail then go by the clients' addresses.",
            id="shub.W003",
        )
    ]


@register(Tags.security, deploy=True)
def hosts_are_named(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """A registry that answers to any name can be asked by a page of another site."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        checks.Warning(
            "ALLOWED_HOSTS has a *, so any name leads here.",
            hint="Name the hosts that users ask for; PUBLIC_URL's is always one of them.",
            id="shub.W004",
        )
    ]


def store_is_here() -> bool:
    """Whether users reach the store at the registry's own host and port."""
    public = urlsplit(settings.PUBLIC_URL)
    usual = 443 if public.scheme == "https" else 80
    server = urlsplit(f"//{settings.MINIO_EXTERNAL_SERVER}")
    try:
        return (server.hostname, server.port or usual) == (public.hostname, public.port or usual)
    except ValueError:
        # No port: another check says so.
        return False


def is_host_and_port(server: str) -> bool:
    """Whether this is HOST or HOST:PORT and no more.

    >>> [is_host_and_port(each) for each in ("a:9000", "[::1]:9", "a", "http://a", "a/b", "a:b")]
    [True, True, True, False, False, False]
    """
    parts = urlsplit(f"//{server}")
    try:
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return whole and parts.netloc == server and "@" not in server


def certificate_fault(path: str) -> str:
    """Why no certificate can be read from a file; empty where one can."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return "it is no PEM file with certificates"
    except OSError as error:
        return error.strerror or str(error)
    return ""


def is_loopback(host: str) -> bool:
    """Whether the host is the machine that asks."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
