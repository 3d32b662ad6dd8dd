"""As whom the embedded Postgres and store run: never as root."""

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from shub.quickstart.failures import Misuse
from shub.settings import env

SERVICE_USER = "QUICKSTART_USER"


@dataclass(frozen=True)
class Identity:
    """A user without rights, as whom root starts a child."""

    name: str
    uid: int
    gid: int

    def errno_of(self, act: Callable[[], object]) -> int:
        """The errno that the act ends with when this user does it; 0 for success, 255 for no errno.

        Tried in a forked process, so that access lists and the rules of a file system count too.
        """
        pid = os.fork()
        if pid == 0:
            self._try(act)
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status)

    def _try(self, act: Callable[[], object]) -> NoReturn:
        outcome = 255
        try:
            os.setgroups([])
            os.setgid(self.gid)
            os.setuid(self.uid)
            act()
            outcome = 0
        except OSError as error:
            # A host name without an address comes with a negative number.
            outcome = max(error.errno or 0, 0) or 255
        finally:
            os._exit(outcome)

    def can_enter(self, folder: Path) -> bool:
        """Whether this user can pass through the folder and all those above it."""
        return self.errno_of(lambda: os.stat(f"{folder}/.")) == 0  # noqa: PTH116  Path drops "/."

    def can_run(self, program: Path) -> bool:
        """Whether this user can execute the program where it lies."""

        def look() -> None:
            if not os.access(program, os.R_OK | os.X_OK):
                raise PermissionError(13, "no access")

        return self.errno_of(look) == 0


def service_identity() -> Identity | None:
    """None for an ordinary user; for root, `nobody` or the user that QUICKSTART_USER names."""
    if os.geteuid() != 0:
        return None
    name = env.text(SERVICE_USER, "nobody")
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise Misuse(f"QUICKSTART_USER: there is no user {name!r} on this machine.") from None
    if entry.pw_uid == 0:
        raise Misuse("QUICKSTART_USER must not be root: Postgres refuses to run as root.")
    return Identity(entry.pw_name, entry.pw_uid, entry.pw_gid)


def give(folder: Path, identity: Identity | None) -> None:
    """Make everything below the folder this user's, or our own for None; only root can."""
    if os.geteuid() != 0:
        return
    uid, gid = (identity.uid, identity.gid) if identity else (0, 0)
    if folder.stat().st_uid == uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), uid, gid, follow_symlinks=False)
    # Last, since it is what the next start looks at.
    os.chown(folder, uid, gid)
