"""What is looked at before anything is started: each failure is one sentence with a way out."""

import errno
import os
import shutil
import socket
import sys
from pathlib import Path

from shub.quickstart.addresses import Address
from shub.quickstart.failures import CannotRun
from shub.quickstart.identity import Identity

PYTHON = (3, 11)
MIB = 1024**2

# A new Postgres takes 60 MiB and its journal may grow by 256; below this it would soon stand still.
FREE_BYTES = 256 * MIB


def check_python() -> None:
    """Refuse a Python that is too old."""
    if sys.version_info < PYTHON:
        raise CannotRun(
            f"Python {PYTHON[0]}.{PYTHON[1]} or newer is needed; "
            f"this is {sys.version_info[0]}.{sys.version_info[1]}."
        )


def check_room(folder: Path, more_bytes: int = 0) -> None:
    """Refuse a disk with less than 256 MiB of room beside what is about to be written."""
    free = shutil.disk_usage(folder).free
    needed = FREE_BYTES + more_bytes
    if free < needed:
        raise CannotRun(
            f"{folder} is on a disk with {free // MIB} MiB of room, and {needed // MIB} MiB are "
            "needed: make room, or name a folder on another disk by --data-dir."
        )


def check_port(address: Address, option: str, identity: Identity | None = None) -> None:
    """Refuse an address that cannot be listened on, by `identity` where one is given."""
    number = identity.errno_of(lambda: _listen(address)) if identity else _errno_here(address)
    if number == 0:
        return
    if number == errno.EADDRINUSE:
        raise CannotRun(
            f"Port {address.port} on {address.host} is in use: name another by {option} HOST:PORT."
        )
    if number in {errno.EACCES, errno.EPERM}:
        who = f"the user {identity.name!r}" if identity else "this user"
        raise CannotRun(
            f"Port {address.port} is one that {who} may not listen on: "
            f"name another, above 1023, by {option} HOST:PORT."
        )
    reason = os.strerror(number) if number != 255 else "the host name has no address here"
    raise CannotRun(f"{option}: {address} cannot be listened on: {reason}.")


def _errno_here(address: Address) -> int:
    try:
        _listen(address)
    except OSError as error:
        return max(error.errno or 0, 0) or 255
    return 0


def _listen(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        # As the servers do: connections of an earlier run that are still closing do not count.
        # Without SO_REUSEPORT, since two web servers could share a port by it and not notice.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen()
