"""The only reader of os.environ. A value that cannot be read stops the start with one sentence."""

import ipaddress
import os
import re
from collections.abc import Sequence
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
# What was asked for and is given: by name, as it is written; of a secret, only that it is.
given: dict[str, str] = {}
secrets: dict[str, str] = {}

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def text(name: str, default: str = "") -> str:
    """The variable without surrounding blanks, or the default where it is unset or empty."""
    written = _written(name)
    if written and written != default:
        given[name] = written
    return written or default


def _written(name: str) -> str:
    return os.environ.get(name, "").strip()


def choice(name: str, choices: Sequence[str]) -> str:
    """One of these words; the first where it is unset or empty."""
    written = text(name, choices[0]).lower()
    if written not in choices:
        raise ImproperlyConfigured(f"{name} must be {' or '.join(choices)}, not {written!r}.")
    return written


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**53) -> int:
    """A whole number from `minimum` to `maximum`."""
    written = text(name)
    if not written:
        return default
    try:
        value = int(written)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {written!r}.") from None
    if value < minimum:
        raise ImproperlyConfigured(f"{name} must be at least {minimum}, not {value}.")
    if value > maximum:
        raise ImproperlyConfigured(f"{name} must be at most {maximum}, not {value}.")
    return value


def boolean(name: str, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off; in any case of letters."""
    written = text(name).lower()
    if not written:
        return default
    if written in TRUE:
        return True
    if written in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {written!r}.")


def secret(*names: str) -> str:
    """The first of the names that is set: NAME_FILE (the content of that file) before NAME."""
    for name in names:
        path = _written(f"{name}_FILE")
        if path:
            try:
                secrets[name] = "set, by a file"
                return Path(path).read_text().strip()
            except OSError as error:
                reason = error.strerror or error
                raise ImproperlyConfigured(f"{name}_FILE: {path}: {reason}.") from None
        value = _written(name)
        if value:
            secrets[name] = "set"
            return value
    secrets.setdefault(names[0], "not set")
    return ""


def listing(name: str) -> list[str]:
    """Comma-separated words; empty ones are dropped."""
    return [word.strip() for word in text(name).split(",") if word.strip()]


def pairs(name: str) -> dict[str, str]:
    """Comma-separated KEY=VALUE pairs, in order; keys are lower-cased."""
    found = {}
    for pair in listing(name):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise ImproperlyConfigured(f"{name} must be KEY=VALUE pairs, not {pair!r}.")
        found[key.strip().lower()] = value.strip()
    return found


def rate(name: str, default: str) -> tuple[int, int]:
    """An amount and seconds, written as `30/m` or `10/5m` (s, m, h or d); 0 is no limit."""
    written = text(name, default)
    if written == "0":
        return 0, 1
    found = re.fullmatch(r"(\d{1,9})/(\d{0,6})([smhd])", written)
    if not found or not int(found[1]) or (found[2] and not int(found[2])):
        raise ImproperlyConfigured(
            f"{name} must be an amount in a time such as 30/m or 10/5m (s, m, h, d), or 0 for no "
            f"limit, not {written!r}."
        )
    return int(found[1]), int(found[2] or 1) * SECONDS[found[3]]


def networks(name: str, *, words: frozenset[str] = frozenset()) -> list[str]:
    """Comma-separated addresses and networks, or one of the words."""
    found = listing(name)
    for each in found:
        try:
            if each not in words:
                ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} must be addresses or networks such as 192.0.2.7 or 10.0.0.0/8, not "
                f"{each!r}."
            ) from None
    return found
