"""A ready remote.yaml: the clients' own list of registries, with this one in it.

SingularityCE since 3.9 and Apptainer since 1.1 cannot `remote add` a host with a port, but they use
one that stands in the file as `//HOST:PORT`. Singularity up to 3.8 speaks https only, takes
`HOST:PORT`, and up to 3.6 refuses a whole file for a field that it does not know.
"""

import re
from urllib.parse import urlsplit

REMOTE = "shub"
DEFAULT_PORTS = {"http": 80, "https": 443}

# The last release of Singularity that takes HOST:PORT. (Up to 3.6 they also refuse a file with any
# but the three oldest fields, which are all that is in the old form.)
LAST_OLD = (3, 8)

_VERSION = re.compile(r"(\d{1,4})\.(\d{1,4})(?:[.\-+].{0,40})?")

HOW_TO_USE = """\
# The remote "{remote}" is the registry {url}
#
# No remote.yaml yet? Save this file as ~/.apptainer/remote.yaml (Apptainer) or
# ~/.singularity/remote.yaml (Singularity, SingularityCE), for nobody else to read: chmod 600.
# One that you want to keep? Copy the lines from "  {remote}:" to the end into it, below its own
# "Remotes:", just as they are indented, and run: apptainer remote use {remote}
"""

HOW_TO_LOG_IN = """\
# No token is in here. To push, run `apptainer remote login {remote}` (or `singularity …`) with a
# token of {url}/auth/tokens
"""


def can_be_added(public_url: str) -> bool:
    """Whether `remote add` can name the registry: it is on its scheme's own port.

    >>> can_be_added("http://registry.lab"), can_be_added("http://127.0.0.1:8080")
    (True, False)
    """
    parts = urlsplit(public_url)
    return parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}


def adding(program: str, public_url: str) -> list[str]:
    """The commands that make the registry the program's remote, where it `can_be_added`.

    >>> adding("apptainer", "https://registry.lab")[0]
    'apptainer remote add --no-login shub https://registry.lab'
    """
    insecure = "--insecure " if public_url.startswith("http://") else ""
    return [
        f"{program} remote add --no-login {insecure}{REMOTE} {public_url}",
        f"{program} remote use {REMOTE}",
    ]


def is_old(version: str) -> bool:
    """Whether this release of Singularity (as `3.6.4`) needs the old form.

    >>> [is_old(version) for version in ("3.6", "3.8.7", "3.11.5", "4.5.0", "1.4", "", "new")]
    [True, True, False, False, False, False, False]
    """
    found = _VERSION.fullmatch(version.strip())
    return found is not None and (3, 0) <= (int(found[1]), int(found[2])) <= LAST_OLD


def remote_yaml(public_url: str, *, token: str = "", for_version: str = "") -> str:
    """The file, with the one remote; without a token it says how to log in."""
    parts = urlsplit(public_url)
    lines = [
        *HOW_TO_USE.format(remote=REMOTE, url=public_url).splitlines(),
        *([] if token else HOW_TO_LOG_IN.format(remote=REMOTE, url=public_url).splitlines()),
        f"Active: {REMOTE}",
        "Remotes:",
        f"  {REMOTE}:",
    ]
    fields = {"Token": token, "System": "false"} if token else {"System": "false"}
    if is_old(for_version):
        fields = {"URI": parts.netloc, **fields}
    else:
        insecure = "true" if parts.scheme == "http" else "false"
        fields = {"URI": f"//{parts.netloc}{parts.path}", **fields}
        fields |= {"Exclusive": "false", "Insecure": insecure}
    lines += [f"    {name}: {value}" for name, value in fields.items()]
    return "\n".join([*lines, ""])
