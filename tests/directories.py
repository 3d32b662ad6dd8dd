"""A real directory for tests: slapd, as a process of its own on loopback."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ldap
from ldap import modlist

from tests.servers import ServerMissing, free_hosts, log_of, process

BASE = "dc=example,dc=org"
ADMIN = f"cn=admin,{BASE}"
PASSWORD = "only-for-tests"
PEOPLE = f"ou=people,{BASE}"
GROUPS = f"ou=groups,{BASE}"

CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath {modules}
moduleload back_mdb
pidfile {folder}/slapd.pid
database mdb
directory {folder}/db
suffix "{base}"
rootdn "{admin}"
rootpw {password}
access to attrs=userPassword by anonymous auth by * none
access to * by * read
"""


@dataclass
class Directory:
    """A directory that runs."""

    address: str

    def __post_init__(self) -> None:
        self.connection = ldap.initialize(self.address)
        self.connection.simple_bind_s(ADMIN, PASSWORD)

    def add(self, dn: str, **attributes: str | list[str]) -> str:
        """A new entry."""
        values = {
            name: [value.encode() for value in ([given] if isinstance(given, str) else given)]
            for name, given in attributes.items()
        }
        self.connection.add_s(dn, modlist.addModlist(values))
        return dn

    def add_person(self, name: str, password: str) -> str:
        """Somebody with a password."""
        return self.add(
            f"uid={name},{PEOPLE}",
            objectClass="inetOrgPerson",
            uid=name,
            cn=name,
            sn=name,
            mail=f"{name}@example.org",
            userPassword=password,
        )

    def add_group(self, name: str, *members: str) -> str:
        """A group of people."""
        return self.add(
            f"cn={name},{GROUPS}", objectClass="groupOfNames", cn=name, member=list(members)
        )

    def remove(self, dn: str) -> None:
        """The end of an entry."""
        self.connection.delete_s(dn)

    def clear(self) -> None:
        """Nobody and no group, as at the beginning."""
        for top in (PEOPLE, GROUPS):
            for dn, _ in self.connection.search_s(top, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]):
                self.remove(dn)


@contextmanager
def slapd() -> Iterator[Directory]:
    """OpenLDAP with two empty branches. ServerMissing where it is not installed."""
    program = shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap:/usr/bin:/usr/local/libexec")
    if not program:
        raise ServerMissing("slapd is not installed: apt install slapd")
    with tempfile.TemporaryDirectory(prefix="shub-slapd-") as folder:
        Path(folder, "db").mkdir()
        modules = next(
            (each for each in ("/usr/lib/ldap", "/usr/lib64/openldap") if Path(each).exists()), ""
        )
        Path(folder, "slapd.conf").write_text(
            CONFIG.format(folder=folder, base=BASE, admin=ADMIN, password=PASSWORD, modules=modules)
        )
        address = f"ldap://{free_hosts(1)[0]}"
        command = [program, "-d", "0", "-f", f"{folder}/slapd.conf", "-h", address]
        with process(command, folder, {}) as started:
            directory = connected(started, address, folder)
            directory.add(BASE, objectClass=["dcObject", "organization"], dc="example", o="Example")
            for top in ("people", "groups"):
                directory.add(f"ou={top},{BASE}", objectClass="organizationalUnit", ou=top)
            yield directory


def connected(started: subprocess.Popen[bytes], address: str, folder: str) -> Directory:
    """The directory, as soon as it answers."""
    for _ in range(200):
        if started.poll() is not None:
            break
        try:
            return Directory(address)
        except ldap.SERVER_DOWN:
            time.sleep(0.05)
    raise RuntimeError(f"slapd did not become ready:\n{log_of(folder)}")
