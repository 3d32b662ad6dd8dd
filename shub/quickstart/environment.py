"""What the environment asks for, and the environment that shub's own processes get."""

import os
from collections.abc import Mapping

from django.conf import settings

from shub.quickstart.addresses import Address, bracketed, http_url
from shub.quickstart.credentials import Credentials
from shub.quickstart.failures import Misuse
from shub.quickstart.folder import DataFolder
from shub.quickstart.options import Options
from shub.quickstart.postgres import Postgres
from shub.quickstart.store import REGION, Store
from shub.settings import env

LIBPQ_PREFIX = "PG"
STORE_KEYS = (
    *("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
    *("MINIO_UPLOAD_ACCESS_KEY", "MINIO_UPLOAD_SECRET_KEY"),
)


def names_database() -> bool:
    """Whether the environment names a Postgres, so that none is started here."""
    return bool(env.secret("DATABASE_URL"))


def forget_other_databases() -> None:
    """Unset libpq's own variables, such as PGSERVICE: they speak of another Postgres."""
    for name in [name for name in os.environ if name.startswith(LIBPQ_PREFIX)]:
        del os.environ[name]


def names_store() -> bool:
    """Whether the environment names an S3 store; Misuse where it names one without its keys."""
    if not env.text("MINIO_SERVER"):
        return False
    if not (settings.MINIO_ACCESS_KEY and settings.MINIO_SECRET_KEY):
        raise Misuse("MINIO_SERVER is set, but not MINIO_ACCESS_KEY and MINIO_SECRET_KEY.")
    if bool(settings.MINIO_UPLOAD_ACCESS_KEY) != bool(settings.MINIO_UPLOAD_SECRET_KEY):
        raise Misuse(
            "Only one of MINIO_UPLOAD_ACCESS_KEY and MINIO_UPLOAD_SECRET_KEY is set: "
            "set both, or neither."
        )
    return True


def public_url(options: Options) -> str:
    """The address that users know: the environment's, or that of the web server itself."""
    return env.text("PUBLIC_URL").rstrip("/") or http_url(options.external_host, options.bind.port)


def names_external_store() -> bool:
    """Whether the environment says how clients reach the store, as it does behind a proxy."""
    return bool(env.text("MINIO_EXTERNAL_SERVER"))


def external_store(options: Options) -> str:
    """HOST:PORT of the embedded store as clients reach it."""
    own = Address(options.external_store_host, options.store_bind.port)
    return env.text("MINIO_EXTERNAL_SERVER") or str(own)


def for_application(
    *,
    options: Options,
    credentials: Credentials,
    postgres: Postgres | None,
    store: Store | None,
) -> dict[str, str]:
    """Our own environment, completed: what a person has set there stays, but for the addresses and
    keys of a database and a store that are started here."""
    made = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": env.text("DJANGO_SETTINGS_MODULE", "shub.settings"),
        "PUBLIC_URL": public_url(options),
        "ALLOWED_HOSTS": ",".join([*env.listing("ALLOWED_HOSTS"), *_hosts(options)]),
        "PYTHONUNBUFFERED": "1",
        # Its logs are files that nobody turns over.
        "ACCESS_LOG": env.text("ACCESS_LOG", "false"),
        # Who presses Ctrl-C waits for it.
        "WEB_STOP_SECONDS": env.text("WEB_STOP_SECONDS", "8"),
    }
    if not env.text("STATIC_ROOT"):
        made["STATIC_ROOT"] = str(DataFolder(options.data_dir).static)
    if not env.secret("SECRET_KEY"):
        made["SECRET_KEY"] = credentials.secret_key
    if postgres is not None:
        made = _without(made, "DATABASE_URL_FILE") | {"DATABASE_URL": postgres.url}
    if store is not None:
        made = _without(made, *(f"{name}_FILE" for name in STORE_KEYS), "MINIO_CA_FILE")
        made |= {
            "MINIO_SERVER": str(store.address.from_here),
            "MINIO_EXTERNAL_SERVER": external_store(options),
            "MINIO_SSL": "false",
            "MINIO_REGION": REGION,
            "MINIO_BUCKET": settings.MINIO_BUCKET,
            "MINIO_ACCESS_KEY": credentials.store_access_key,
            "MINIO_SECRET_KEY": credentials.store_secret_key,
            "MINIO_UPLOAD_ACCESS_KEY": credentials.upload_access_key,
            "MINIO_UPLOAD_SECRET_KEY": credentials.upload_secret_key,
            "MINIO_FOLDER": str(store.folder),
        }
    return made


def store_facts(
    *, options: Options, credentials: Credentials, store: Store | None
) -> dict[str, str]:
    """Where the store is and how to get in, for the ready file."""
    if store is None:
        return {
            "endpoint": _store_url(settings.MINIO_SERVER, tls=settings.MINIO_SSL),
            "external_endpoint": _store_url(
                settings.MINIO_EXTERNAL_SERVER, tls=settings.MINIO_EXTERNAL_SSL
            ),
            "bucket": settings.MINIO_BUCKET,
            "access_key": settings.MINIO_ACCESS_KEY,
            "secret_key": settings.MINIO_SECRET_KEY,
        }
    return {
        "endpoint": _store_url(str(store.address.from_here), tls=False),
        "external_endpoint": _store_url(
            external_store(options), tls=env.boolean("MINIO_EXTERNAL_SSL", False)
        ),
        "bucket": settings.MINIO_BUCKET,
        "access_key": credentials.store_access_key,
        "secret_key": credentials.store_secret_key,
    }


def _store_url(server: str, *, tls: bool) -> str:
    return f"{'https' if tls else 'http'}://{server}"


def _hosts(options: Options) -> list[str]:
    """The names by which the web server may be asked."""
    hosts = [bracketed(options.external_host)]
    if not options.bind.is_wildcard:
        hosts.append(bracketed(options.bind.host))
    return hosts


def _without(given: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in names}
