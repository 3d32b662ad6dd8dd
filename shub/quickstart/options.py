"""What the person at the terminal asked for, checked as far as it can be without doing anything."""

from dataclasses import dataclass
from pathlib import Path

from shub.quickstart.addresses import Address, is_wildcard, parse_address, parse_host
from shub.quickstart.failures import Misuse

DATA_DIR = "./data"
BIND = "127.0.0.1:8080"
STORE_PORT = 9000


@dataclass(frozen=True)
class Options:
    """The command's options; paths are absolute."""

    data_dir: Path
    bind: Address
    store_bind: Address
    external_host: str
    external_store_host: str
    ready_file: Path | None = None
    demo: bool = False


def read_options(
    *,
    data_dir: str = DATA_DIR,
    bind: str = BIND,
    store_bind: str = "",
    external_host: str = "",
    ready_file: str = "",
    demo: bool = False,
) -> Options:
    """The options from their texts, empty ones by their defaults; Misuse says what is wrong."""
    for option, path in (("--data-dir", data_dir), ("--ready-file", ready_file)):
        if "\n" in path or "\0" in path:
            raise Misuse(f"{option}: a path with a line break in it cannot be used.")
    web = parse_address(bind)
    # Clients send and fetch bytes at the store itself: who can reach the one must reach the other.
    store = parse_address(store_bind) if store_bind else Address(web.host, STORE_PORT)
    if store.port == web.port:
        raise Misuse(f"--bind and --store-bind both name port {web.port}: they need one each.")
    host = parse_host(external_host) if external_host else web.host
    if is_wildcard(host):
        raise Misuse(
            f"--bind {web} listens on every address: "
            "--external-host NAME has to say by which one other machines reach this one."
        )
    return Options(
        data_dir=Path(data_dir).expanduser().absolute(),
        bind=web,
        store_bind=store,
        external_host=host,
        # A store that listens on one address only, and no more is known, is reached by that.
        external_store_host=host if external_host or store.is_wildcard else store.host,
        ready_file=Path(ready_file).expanduser().absolute() if ready_file else None,
        demo=demo,
    )
