"""The keys and first words of an embedded registry, made once and kept in secrets.json."""

import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from shub.accounts import first_passwords
from shub.quickstart.failures import CannotRun
from shub.quickstart.folder import read_json, write_json


@dataclass(frozen=True)
class Credentials:
    """What the file holds; `token` is empty until the first run has issued one."""

    secret_key: str
    store_access_key: str
    store_secret_key: str
    username: str
    first_password: str
    # The store's user who may only upload; in a file of an earlier release it is missing.
    upload_access_key: str = ""
    upload_secret_key: str = ""
    token: str = ""


def load_or_make(path: Path) -> Credentials:
    """The file's credentials; new ones, written, where there is no file or some are missing."""
    if path.exists():
        try:
            found = Credentials(**read_json(path))
        except TypeError:
            raise CannotRun(f"{path} does not hold what quickstart writes there.") from None
        if found.upload_access_key and found.upload_secret_key:
            return found
        completed = replace(found, **_upload_keys())
        write_json(path, asdict(completed))
        return completed
    made = Credentials(
        secret_key=secrets.token_urlsafe(48),
        store_access_key="shub" + secrets.token_hex(8),
        store_secret_key=secrets.token_urlsafe(32),
        username="admin",
        first_password=first_passwords.make(),
        **_upload_keys(),
    )
    write_json(path, asdict(made))
    return made


def _upload_keys() -> dict[str, str]:
    return {
        "upload_access_key": "upload" + secrets.token_hex(8),
        "upload_secret_key": secrets.token_urlsafe(32),
    }


def keep_token(path: Path, token: str) -> None:
    """Write the token beside the others."""
    write_json(path, asdict(replace(load_or_make(path), token=token)))
