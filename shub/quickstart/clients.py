"""Ready-made client configuration: a remote that the clients' own commands cannot make.

SingularityCE since 3.9 and Apptainer since 1.1 cannot `remote add` a host with a port, but they can
use one that stands in remote.yaml as `//HOST:PORT`. Older ones speak to remotes by https only.
"""

from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from shub.quickstart.folder import write_whole

REMOTE = "shub"
DEFAULT_PORTS = {"http": 80, "https": 443}


def can_be_added(public_url: str) -> bool:
    """Whether `remote add` can name the registry: it is on its scheme's own port.

    >>> can_be_added("http://registry.lab"), can_be_added("http://127.0.0.1:8080")
    (True, False)
    """
    parts = urlsplit(public_url)
    return parts.port in {None, DEFAULT_PORTS.get(parts.scheme)}


def remote_yaml(public_url: str, token: str) -> str:
    """A remote.yaml of one remote. Clients refuse a file with a key that they do not know."""
    parts = urlsplit(public_url)
    return "\n".join([
        f"Active: {REMOTE}",
        "Remotes:",
        f"  {REMOTE}:",
        f"    URI: {_uri(parts)}",
        f"    Token: {token}",
        "    System: false",
        "    Exclusive: false",
        f"    Insecure: {'true' if parts.scheme == 'http' else 'false'}",
        "",
    ])  # fmt: skip


def configure(folder: Path, public_url: str, token: str) -> Path:
    """Write remote.yaml, unless the one that is there already has this address and token."""
    path = folder / "remote.yaml"
    wanted = remote_yaml(public_url, token)
    essential = {line for line in wanted.splitlines() if "URI:" in line or "Token:" in line}
    if not path.exists() or not essential <= set(path.read_text().splitlines()):
        write_whole(path, wanted)
    return path


def _uri(parts: SplitResult) -> str:
    return f"//{parts.netloc}{parts.path}"
