"""The settings that there are, as the settings modules read them."""

import re
from functools import cache
from pathlib import Path

from shub.settings import env

_CALL = re.compile(r"env\.(\w+)\(([^)]*)\)")
_NAME = re.compile(r'"([A-Z][A-Z0-9_]+)"')


@cache
def settings() -> frozenset[str]:
    """The names of all settings."""
    return _read(secrets=False)


@cache
def secrets() -> frozenset[str]:
    """The names of those that can be given as NAME_FILE."""
    return _read(secrets=True)


def _read(*, secrets: bool) -> frozenset[str]:
    found: set[str] = set()
    for module in Path(env.__file__).parent.glob("*.py"):
        for kind, words in _CALL.findall(module.read_text()):
            if not secrets or kind == "secret":
                found |= set(_NAME.findall(words))
    return frozenset(found)
