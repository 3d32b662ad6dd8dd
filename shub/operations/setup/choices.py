"""What is chosen for a deployment, and the lines of `.env` that follow from it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from shub.operations.route_words import route_words
from shub.operations.setup import hosts
from shub.operations.setup.failures import Refused

# How TLS is had: files of the site's own, an authority made here, Let's Encrypt; none at all; or
# none here, since a proxy of the site's own ends it.
TLS = ("own", "private-ca", "letsencrypt", "none", "proxy")
LAYOUTS = ("one-host", "store-host")
STORES = ("minio", "seaweedfs", "garage", "external")

COMPOSE = "docker-compose.yml"
OVERRIDES = "deploy/compose"
EXTRA_SECRETS = "secrets/compose.yml"


@dataclass(frozen=True)
class Choices:
    """A deployment. What is empty was not chosen."""

    host: str = ""
    port: int = 0
    http_port: int = 80
    bind: str = "0.0.0.0"  # noqa: S104  nginx's, which is there for everybody
    tls: str = ""
    layout: str = "one-host"
    store_host: str = ""
    store_port: int = 9000
    store: str = "minio"
    store_server: str = ""
    store_external: str = ""
    store_tls: bool = True
    bucket: str = "sregistry"
    region: str = "us-east-1"
    administrator: str = ""
    email: str = ""
    name: str = "shub"

    @property
    def encrypted(self) -> bool:
        """Whether users come by https."""
        return self.tls != "none"

    @property
    def served_by_tls(self) -> bool:
        """Whether nginx itself speaks TLS."""
        return self.tls not in {"none", "proxy"}

    @property
    def public_port(self) -> int:
        """The port in the registry's address."""
        return self.port or (443 if self.encrypted else 80)

    @property
    def public_url(self) -> str:
        scheme, usual = ("https", 443) if self.encrypted else ("http", 80)
        port = "" if self.public_port == usual else f":{self.public_port}"
        return f"{scheme}://{hosts.bracketed(self.host)}{port}"

    @property
    def certified_hosts(self) -> list[str]:
        """The hosts that nginx' certificate has to name."""
        return [self.host]

    @property
    def apart(self) -> bool:
        """Whether the store has a host of its own, served by this deployment."""
        return self.layout == "store-host"


def read(settings: Mapping[str, str]) -> Choices:
    """The choices that a `.env` tells; empty where it tells none."""
    address = urlsplit(settings.get("PUBLIC_URL", ""))
    found: dict[str, Any] = {
        "host": (address.hostname or ""),
        "port": address.port or 0,
        "tls": settings.get("SHUB_TLS", ""),
    }
    for field, setting in {
        "bind": "SHUB_BIND",
        "layout": "SHUB_LAYOUT",
        "store": "SHUB_STORE",
        "store_host": "SHUB_STORE_HOST",
        "bucket": "MINIO_BUCKET",
        "region": "MINIO_REGION",
        "administrator": "ADMINISTRATOR",
        "email": "ADMINISTRATOR_EMAIL",
        "name": "REGISTRY_NAME",
    }.items():
        if setting in settings:
            found[field] = settings[setting]
    for field, setting in {"http_port": "SHUB_HTTP_PORT", "store_port": "SHUB_STORE_PORT"}.items():
        if settings.get(setting):
            found[field] = hosts.parse_port(settings[setting], setting)
    if found.get("store") == "external":
        found["store_server"] = settings.get("MINIO_SERVER", "")
        found["store_external"] = settings.get("MINIO_EXTERNAL_SERVER", "")
        found["store_tls"] = settings.get("MINIO_SSL", "true") == "true"
    return check_words(Choices(**found))


def check_words(choices: Choices) -> Choices:
    """The same, where each word is one that this release knows."""
    for field, known in (("tls", TLS), ("layout", LAYOUTS), ("store", STORES)):
        written = getattr(choices, field)
        if written and written not in known:
            raise Refused(f"{field} must be {', '.join(known[:-1])} or {known[-1]}: {written!r}.")
    return choices


def check(choices: Choices) -> list[str]:
    """Refused where the choices cannot be had together; else what is to be warned of."""
    warnings = []
    if hosts.is_loopback(choices.host):
        if choices.tls != "none":
            raise Refused(
                f"--host {choices.host}: each client would ask its own machine. Name this machine "
                "as users do; to try it out alone, add --tls none."
            )
        warnings.append(f"Only this machine reaches a registry at {choices.host}.")
    elif hosts.is_address(choices.host):
        warnings.append(
            f"{choices.host} is an address: few authorities certify one, and clients keep it. "
            "A name is better, even one of the local network."
        )
    _check_tls(choices)
    _check_store(choices)
    if choices.public_port not in {80, 443}:
        warnings.append(
            f"Port {choices.public_port}: clients since SingularityCE 3.9 and Apptainer 1.1 take "
            "no port in `remote add`; their users need the file of "
            f"{choices.public_url}/remote.yaml."
        )
    if choices.tls == "none" and not hosts.is_loopback(choices.host):
        warnings.append(
            "Without TLS, passwords and tokens are read by whoever is on the way, and clients "
            "need --insecure. For a trial, or a network of your own."
        )
    return warnings


def _check_tls(choices: Choices) -> None:
    if choices.tls != "letsencrypt":
        return
    if hosts.is_address(choices.host) or "." not in choices.host:
        raise Refused(
            "--tls letsencrypt needs a name that the whole internet knows, as registry.example.org."
        )
    if choices.apart:
        raise Refused("--layout store-host takes --tls own or private-ca, for both of its hosts.")
    if choices.http_port != 80:
        raise Refused("--tls letsencrypt: Let's Encrypt asks at port 80: --http-port must be 80.")


def _check_store(choices: Choices) -> None:
    check_bucket(choices.bucket, under_registry=choices.store != "external" and not choices.apart)
    if choices.store == "external":
        if choices.apart:
            raise Refused("--store external has a host of its own already: leave out --layout.")
        return
    if not choices.apart:
        return
    if choices.store != "minio":
        raise Refused("--layout store-host is made for --store minio.")
    if not choices.served_by_tls:
        raise Refused("--layout store-host takes --tls own or private-ca, for both of its hosts.")
    if choices.store_host == choices.host and choices.store_port == choices.public_port:
        raise Refused("--store-host: the store needs a host or a port of its own.")


def check_bucket(bucket: str, *, under_registry: bool) -> None:
    """Refused where no S3 store takes the name, or a page has it."""
    letters = bucket.replace("-", "").replace(".", "")
    if not (3 <= len(bucket) <= 63 and letters.isascii() and letters.isalnum()):
        raise Refused(f"--bucket: {bucket!r} is no bucket's name: 3 to 63 letters and digits.")
    if bucket != bucket.lower() or not (bucket[0].isalnum() and bucket[-1].isalnum()):
        raise Refused(f"--bucket: {bucket!r} is no bucket's name: lower case, no mark at an end.")
    if under_registry and bucket in route_words():
        raise Refused(
            f"--bucket: {bucket!r} is a word of the registry's own addresses, below which the "
            "bucket would lie: choose another."
        )


def lines(choices: Choices) -> dict[str, str]:
    """What `.env` has of these choices, by names, in the order of the file."""
    made = {
        "PUBLIC_URL": choices.public_url,
        "REGISTRY_NAME": choices.name,
        "ADMINISTRATOR": choices.administrator,
        "ADMINISTRATOR_EMAIL": choices.email,
        "SHUB_TLS": choices.tls,
        "SHUB_LAYOUT": choices.layout,
        "SHUB_STORE": choices.store,
        "SHUB_BIND": choices.bind,
        "SHUB_HTTPS_PORT": str(choices.public_port if choices.served_by_tls else 443),
        "SHUB_HTTP_PORT": str(http_port(choices)),
        "MINIO_BUCKET": choices.bucket,
        "MINIO_REGION": choices.region,
        **_store_lines(choices),
    }
    if not choices.email:
        del made["ADMINISTRATOR_EMAIL"]
    return made


def http_port(choices: Choices) -> int:
    """The port without TLS: the registry's own where there is no other."""
    if choices.tls == "none":
        return choices.public_port
    return choices.http_port


def _store_lines(choices: Choices) -> dict[str, str]:
    """How the registry and the clients reach the store, where docker-compose.yml does not say."""
    if choices.store == "external":
        tls = "true" if choices.store_tls else "false"
        return {
            "MINIO_SERVER": choices.store_server,
            "MINIO_SSL": tls,
            "MINIO_EXTERNAL_SERVER": choices.store_external or choices.store_server,
            "MINIO_EXTERNAL_SSL": tls,
        }
    if choices.apart:
        port = "" if choices.store_port == 443 else f":{choices.store_port}"
        return {
            "SHUB_STORE_HOST": choices.store_host,
            "SHUB_STORE_PORT": str(choices.store_port),
            "MINIO_EXTERNAL_SERVER": f"{hosts.bracketed(choices.store_host)}{port}",
            "MINIO_EXTERNAL_SSL": "true",
        }
    return {
        "MINIO_EXTERNAL_SERVER": choices.public_url.partition("://")[2],
        "MINIO_EXTERNAL_SSL": "true" if choices.encrypted else "false",
    }


def compose_files(choices: Choices, *, extra_secrets: bool, present: str = "") -> str:
    """COMPOSE_FILE; files that somebody else has put there stay, behind ours."""
    known = {
        COMPOSE: True,
        f"{OVERRIDES}/store-host.yml": choices.apart,
        f"{OVERRIDES}/seaweedfs.yml": choices.store == "seaweedfs",
        f"{OVERRIDES}/garage.yml": choices.store == "garage",
        f"{OVERRIDES}/external-store.yml": choices.store == "external",
        f"{OVERRIDES}/letsencrypt.yml": choices.tls == "letsencrypt",
        f"{OVERRIDES}/plain-http.yml": not choices.served_by_tls,
        EXTRA_SECRETS: extra_secrets,
    }
    ours = [name for name, wanted in known.items() if wanted]
    theirs = [name for name in present.split(":") if name and name not in known]
    return ":".join([*ours, *theirs])


def with_flags(choices: Choices, flags: Mapping[str, Any]) -> Choices:
    """The choices, changed by what flags say; None says nothing."""
    parsers: dict[str, Any] = {
        "host": hosts.parse_host,
        "port": lambda written: hosts.parse_port(written, "--port"),
        "http_port": lambda written: hosts.parse_port(written, "--http-port"),
        "store_port": lambda written: hosts.parse_port(written, "--store-port"),
        "store_host": lambda written: hosts.parse_host(written, "--store-host"),
        "store_server": lambda written: hosts.parse_server(written, "--store-server"),
        "store_external": lambda written: hosts.parse_server(written, "--store-external"),
        "bind": hosts.parse_bind,
    }
    given = {
        name: parsers.get(name, lambda value: value)(value)
        for name, value in flags.items()
        if value is not None
    }
    changed = replace(choices, **given)
    # A port of the scheme that was left does not go over to the other.
    if changed.tls != choices.tls and "port" not in given and choices.port in {80, 443}:
        changed = replace(changed, port=0)
    return changed
