"""The configuration: what this site has set, told without its secrets.

In the log of each start it answers the first question that is asked when something is wrong.
"""

import logging
import platform
import re
from collections.abc import Iterator

import django
from django.conf import settings

from shub import __version__

_log = logging.getLogger(__name__)

# An address may hold a name and a password before its host.
_IN_ADDRESS = re.compile(r"//[^/@\s]*@")


def log(process: str) -> None:
    """Write it down, for the processes that are described so; a line for each kind of thing."""
    for line in lines(process):
        _log.info("%s", line)


def lines(process: str) -> Iterator[str]:
    """Versions, then what is set otherwise than by default, then which secrets are set."""
    yield (
        f"shub {__version__}, Python {platform.python_version()}, Django {django.get_version()}; "
        f"{process}."
    )
    told = [f"{name}={without_password(value)}" for name, value in settings.CONFIGURATION.items()]
    yield f"Set: {'; '.join(told) or 'nothing'}."
    secrets = [f"{name} {state}" for name, state in settings.CONFIGURED_SECRETS.items()]
    yield f"Secrets: {'; '.join(secrets)}."


def without_password(value: str) -> str:
    """The value, without who signs in by it and how.

    >>> without_password("https://mara:secret@example.org/path")
    'https://...@example.org/path'
    """
    return _IN_ADDRESS.sub("//...@", value)
