"""All checks, in the order in which they are shown."""

from collections.abc import Callable
from dataclasses import dataclass

from shub.operations.doctor import (
    address,
    cache,
    certificates,
    clock,
    configuration,
    database,
    disk,
    mail,
    migrations,
    open_files,
    outside_store,
    proxy,
    secrecy,
    signing_in,
    static_files,
    store,
    stored_bytes,
    sweep,
)
from shub.operations.doctor.finding import Finding
from shub.operations.doctor.options import Options


@dataclass(frozen=True)
class Check:
    """One subject. Checks of one lane are looked at one after the other, lanes at once."""

    name: str
    lane: str
    look: Callable[[Options], list[Finding]]


CHECKS = (
    Check("configuration", "here", configuration.look),
    Check("secrets", "here", secrecy.look),
    Check("disk", "here", disk.look),
    Check("database", "database", database.look),
    Check("migrations", "database", migrations.look),
    Check("cache", "database", cache.look),
    Check("sweep", "database", sweep.look),
    Check("bytes", "database", stored_bytes.look),
    Check("store", "store", store.look),
    Check("clock", "store", clock.look),
    Check("address", "address", address.look),
    Check("static-files", "address", static_files.look),
    Check("certificates", "certificates", certificates.look),
    Check("proxy", "proxy", proxy.look),
    Check("open-files", "proxy", open_files.look),
    Check("store-outside", "store outside", outside_store.look),
    Check("mail", "mail", mail.look),
    Check("sign-in", "sign-in", signing_in.look),
)
